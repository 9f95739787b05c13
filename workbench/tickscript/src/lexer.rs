//! Cuts a TICKscript into tokens, as `tick/ast/lex.go` of Kapacitor 1.5 does.
//!
//! Whether `*` is an operator and whether `/` begins a regular expression depends on what came before: after an
//! operand (a name, a literal, a closing parenthesis) the lexer looks for an operator, anywhere else it does not.

use crate::error::Fault;

/// One token and where it lies in the text, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Var,
    Dbrp,
    Assign,
    Dot,
    Pipe,
    At,
    Identifier,
    /// A name in double quotes.
    Reference,
    /// `lambda:`
    Lambda,
    Number,
    String,
    Duration,
    OpenParenthesis,
    CloseParenthesis,
    OpenBracket,
    CloseBracket,
    Comma,
    Not,
    True,
    False,
    Regex,
    /// `*` where no operator can be.
    Star,
    Operator(Operator),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Plus,
    /// Also the unary minus.
    Minus,
    Times,
    Divide,
    Remainder,
    And,
    Or,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Matches,
    MatchesNot,
}

/// The tokens of `text`; the last is [`TokenKind::End`]. Comments and spaces are left out.
pub(crate) fn lex(text: &str) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer { text, start: 0, position: 0, tokens: Vec::new() };
    loop {
        lexer.start = lexer.position;
        let Some(first) = lexer.next() else { break };
        if lexer.token(first)? == Then::Operator {
            lexer.operator()?;
        }
    }
    lexer.push(TokenKind::End);
    Ok(lexer.tokens)
}

/// What may come after a token.
#[derive(PartialEq, Eq)]
enum Then {
    /// The token was an operand, so that an operator may follow.
    Operator,
    Operand,
}

struct Lexer<'a> {
    text: &'a str,
    start: usize,
    position: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.position..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.position += next.map_or(0, char::len_utf8);
        next
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        self.peek().filter(|&next| wanted(next)).inspect(|next| self.position += next.len_utf8())
    }

    fn skip_spaces(&mut self) {
        while self.next_if(char::is_whitespace).is_some() {}
        self.start = self.position;
    }

    fn push(&mut self, kind: TokenKind) {
        self.tokens.push(Token { kind, start: self.start, end: self.position });
        self.start = self.position;
    }

    fn token(&mut self, first: char) -> Result<Then, Fault> {
        let kind = match first {
            '0'..='9' | '.' => return self.number_or_dot(first),
            '\'' => return self.string(),
            '"' => return self.reference(),
            '/' if self.peek() == Some('/') => {
                self.comment();
                return Ok(Then::Operand);
            }
            '/' => return self.regex(),
            _ if first.is_alphabetic() => return Ok(self.word()),
            _ if first.is_whitespace() => return Ok(Then::Operand),
            '-' => TokenKind::Operator(Operator::Minus),
            '!' => TokenKind::Not,
            '(' => TokenKind::OpenParenthesis,
            ')' => TokenKind::CloseParenthesis,
            '[' => TokenKind::OpenBracket,
            ']' => TokenKind::CloseBracket,
            '|' => TokenKind::Pipe,
            '@' => TokenKind::At,
            ',' => TokenKind::Comma,
            '*' => TokenKind::Star,
            other => {
                return Err(Fault::new(
                    self.start,
                    format!("the character {other:?} can't be here; text is written in single quotes"),
                ));
            }
        };
        self.push(kind);
        Ok(if kind == TokenKind::CloseParenthesis { Then::Operator } else { Then::Operand })
    }

    /// An operator after an operand, if there is one.
    fn operator(&mut self) -> Result<(), Fault> {
        self.skip_spaces();
        let before = self.position;
        let Some(first) = self.next() else { return Ok(()) };
        let follows = |lexer: &mut Self, wanted| lexer.next_if(|next| next == wanted).is_some();
        let operator = match first {
            '+' => Operator::Plus,
            '-' => Operator::Minus,
            '*' => Operator::Times,
            '%' => Operator::Remainder,
            '/' if self.peek() == Some('/') => {
                self.comment();
                return Ok(());
            }
            '/' => Operator::Divide,
            '>' if follows(self, '=') => Operator::GreaterEqual,
            '>' => Operator::Greater,
            '<' if follows(self, '=') => Operator::LessEqual,
            '<' => Operator::Less,
            '=' if follows(self, '=') => Operator::Equal,
            '=' if follows(self, '~') => Operator::Matches,
            '!' if follows(self, '=') => Operator::NotEqual,
            '!' if follows(self, '~') => Operator::MatchesNot,
            '=' | '!' => {
                self.push(if first == '=' { TokenKind::Assign } else { TokenKind::Not });
                return if first == '=' { self.regex_operand() } else { Ok(()) };
            }
            _ => {
                self.position = before;
                return Ok(());
            }
        };
        self.push(TokenKind::Operator(operator));
        if matches!(operator, Operator::Matches | Operator::MatchesNot) {
            return self.regex_operand();
        }
        Ok(())
    }

    /// A regular expression, if there is one. Two slashes are an empty one here, and no comment.
    fn regex_operand(&mut self) -> Result<(), Fault> {
        self.skip_spaces();
        if self.next_if(|next| next == '/').is_some() {
            self.regex()?;
        }
        Ok(())
    }

    fn word(&mut self) -> Then {
        while self.next_if(|next| next.is_alphanumeric() || next == '_').is_some() {}
        let kind = match &self.text[self.start..self.position] {
            "var" => TokenKind::Var,
            "dbrp" => TokenKind::Dbrp,
            "TRUE" => TokenKind::True,
            "FALSE" => TokenKind::False,
            "AND" => TokenKind::Operator(Operator::And),
            "OR" => TokenKind::Operator(Operator::Or),
            "lambda" if self.next_if(|next| next == ':').is_some() => TokenKind::Lambda,
            _ => TokenKind::Identifier,
        };
        self.push(kind);
        Then::Operator
    }

    /// A number or a duration with one unit; a dot that no digit follows is a token of its own.
    fn number_or_dot(&mut self, first: char) -> Result<Then, Fault> {
        let mut fraction = first == '.';
        if fraction && !self.peek().is_some_and(|next| next.is_ascii_digit()) {
            self.push(TokenKind::Dot);
            return Ok(Then::Operand);
        }
        while let Some(next) = self.next_if(|next| next.is_ascii_digit() || next == '.') {
            if next == '.' && std::mem::replace(&mut fraction, true) {
                return Err(Fault::new(self.start, "a number has two decimal points; write it with one"));
            }
        }
        let unit = if fraction { None } else { self.next_if(|next| "uµsmhdw".contains(next)) };
        if unit == Some('m') {
            self.next_if(|next| next == 's');
        }
        self.push(if unit.is_some() { TokenKind::Duration } else { TokenKind::Number });
        Ok(Then::Operator)
    }

    fn reference(&mut self) -> Result<Then, Fault> {
        self.until_unescaped('"', "the double quote is not closed; write another one after the name")?;
        self.push(TokenKind::Reference);
        Ok(Then::Operator)
    }

    fn regex(&mut self) -> Result<Then, Fault> {
        self.until_unescaped('/', "the regular expression is not closed; write `/` after it")?;
        self.push(TokenKind::Regex);
        Ok(Then::Operand)
    }

    fn until_unescaped(&mut self, close: char, unclosed: &str) -> Result<(), Fault> {
        loop {
            match self.next() {
                Some('\\') => _ = self.next_if(|next| next == close),
                Some(next) if next == close => return Ok(()),
                Some(_) => {}
                None => return Err(Fault::new(self.start, unclosed)),
            }
        }
    }

    /// A string in one or in three single quotes. With one, `\'` is a quote. With three, a backslash is only
    /// looked at after two quotes: a peculiarity of Kapacitor's.
    fn string(&mut self) -> Result<Then, Fault> {
        let quote = |next| next == '\'';
        let quotes = match (self.next_if(quote), self.peek()) {
            (None, _) => 1,
            (Some(_), Some('\'')) => {
                self.next();
                3
            }
            (Some(_), _) => {
                self.push(TokenKind::String);
                return Ok(Then::Operator);
            }
        };
        let mut left = quotes;
        while left > 0 {
            match self.next() {
                Some('\\') if left == 1 => _ = self.next_if(quote),
                Some('\'') => left -= 1,
                Some(_) => left = quotes,
                None => {
                    let unclosed = "the single quote is not closed; write another one after the text";
                    return Err(Fault::new(self.start, unclosed));
                }
            }
        }
        self.push(TokenKind::String);
        Ok(Then::Operator)
    }

    /// Skips a comment, and the lines after it that begin with a slash.
    fn comment(&mut self) {
        while let Some(next) = self.next() {
            if next == '\n' {
                while self.next_if(|next| next.is_whitespace() && next != '\n').is_some() {}
                if self.next_if(|next| next == '/').is_none() {
                    break;
                }
            }
        }
        self.start = self.position;
    }
}
