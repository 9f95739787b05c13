//! Where a query in Influx's SQL takes its points from.

/// The source of a query: `FROM "database"."policy"."measurement"`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct QuerySource {
    pub database: Option<String>,
    pub retention_policy: Option<String>,
    pub measurement: String,
}

/// The source of `query`, if it is one measurement by its name: no pattern, no subquery, no list.
pub(crate) fn query_source(query: &str) -> Option<QuerySource> {
    let mut rest = query;
    // Sources are looked for outside of parentheses, where a subquery has its own.
    let mut depth = 0_usize;
    loop {
        let (token, tail) = next_token(rest)?;
        rest = tail;
        match token {
            Part::Word(word) if depth == 0 && word.eq_ignore_ascii_case("from") => break,
            Part::Other('(') => depth += 1,
            Part::Other(')') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    // Names with dots between them; a missing one is the default: `"telegraf".."cpu"`.
    let mut names: Vec<Option<String>> = vec![None];
    let end = loop {
        let next = next_token(rest);
        let expected = names.last().is_some_and(Option::is_none);
        let (name, tail) = match next {
            Some((Part::Word(word), tail)) if expected => (Some(word.to_owned()), tail),
            Some((Part::Quoted(text), tail)) if expected => (Some(text), tail),
            Some((Part::Other('.'), tail)) if names.len() < 3 => (None, tail),
            end => break end,
        };
        rest = tail;
        match (name, names.last_mut()) {
            (Some(name), Some(last)) => *last = Some(name),
            (name, _) => names.push(name),
        }
    };
    let simple = match end {
        None | Some((Part::Other(';'), _)) => true,
        Some((Part::Word(word), _)) => {
            ["where", "group", "order", "limit", "offset", "slimit", "soffset", "fill", "tz"]
                .iter()
                .any(|clause| word.eq_ignore_ascii_case(clause))
        }
        Some(_) => false,
    };
    let measurement = names.pop()??;
    let retention_policy = names.pop().flatten();
    let database = names.pop().flatten();
    simple.then_some(QuerySource { database, retention_policy, measurement })
}

enum Part<'a> {
    Word(&'a str),
    /// A name in double quotes, without them.
    Quoted(String),
    Other(char),
}

/// The next part of a query and what follows. A text in single quotes is one part.
fn next_token(text: &str) -> Option<(Part<'_>, &str)> {
    let text = text.trim_start();
    let first = text.chars().next()?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if is_word(first) {
        let (word, rest) = text.split_at(text.find(|c| !is_word(c)).unwrap_or(text.len()));
        return Some((Part::Word(word), rest));
    }
    let rest = &text[first.len_utf8()..];
    if first != '"' && first != '\'' {
        return Some((Part::Other(first), rest));
    }
    let mut quoted = String::new();
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => quoted.extend(characters.next().map(|(_, escaped)| escaped)),
            _ if character == first => {
                let part = if first == '"' { Part::Quoted(quoted) } else { Part::Other(first) };
                return Some((part, &rest[at + 1..]));
            }
            _ => quoted.push(character),
        }
    }
    None
}
