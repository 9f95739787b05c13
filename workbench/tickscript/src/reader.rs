//! Reads the statements of a script one after the other, as `tick/ast/parser.go` and `tick/eval.go` of Kapacitor
//! 1.5 do: expressions are computed where they stand, and steps of a chain go to the [`Pipeline`].

use std::collections::BTreeMap;

use crate::arguments::{Link, Step};
use crate::cursor::Cursor;
use crate::error::Fault;
use crate::lexer::TokenKind;
use crate::literal::{self, short};
use crate::pipeline::{Dbrp, Pipeline};
use crate::value::{Literal, Unread, Value};

/// Values of variables that are given to a script, by name.
pub type Vars = BTreeMap<String, Literal>;

/// Maximum length of a script or of its vars in bytes.
pub(crate) const MAX_TEXT: usize = 1 << 20;

/// Maximum depth of parentheses, arguments and signs in each other, so that reading them can't exhaust the stack.
const MAX_DEPTH: usize = 100;

/// Reads a text from its beginning to its end.
pub(crate) struct Reader<'a> {
    pub cursor: Cursor<'a>,
    vars: &'a Vars,
    /// Values of the variables that have been declared.
    pub scope: BTreeMap<&'a str, Value>,
    pipeline: Pipeline,
    depth: usize,
    /// Bytes that uses of variables have copied.
    pub copied: usize,
    /// Whether a lambda is being skipped: its expression is checked, but not computed.
    pub in_lambda: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, vars: &'a Vars) -> Result<Self, Fault> {
        if text.len() > MAX_TEXT {
            let message = format!("the text is {} bytes long; write at most {MAX_TEXT}", text.len());
            return Err(Fault::new(0, message));
        }
        let scope = BTreeMap::from([
            ("stream", Value::Node(Pipeline::STREAM)),
            ("batch", Value::Node(Pipeline::BATCH)),
        ]);
        let cursor = Cursor::new(text)?;
        let pipeline = Pipeline::new();
        Ok(Self { cursor, vars, scope, pipeline, depth: 0, copied: 0, in_lambda: false })
    }

    /// All statements.
    pub(crate) fn script(mut self) -> Result<Pipeline, Fault> {
        while self.cursor.peek() != TokenKind::End {
            self.statement()?;
        }
        Ok(self.pipeline)
    }

    /// All statements; the text may begin with a call (with or without its `@`) or a `|`, to which a stream of all
    /// points then goes.
    pub(crate) fn fragment(mut self) -> Result<Pipeline, Fault> {
        let bare_call = self.cursor.peek() == TokenKind::Identifier
            && self.cursor.peek_second() == TokenKind::OpenParenthesis;
        if bare_call || matches!(self.cursor.peek(), TokenKind::Pipe | TokenKind::At) {
            let all_points = Value::Node(self.pipeline.all_points());
            let called = if bare_call { self.step(Link::Udf, all_points)? } else { all_points };
            self.chain(called)?;
        }
        self.script()
    }

    /// Values that are separated by commas.
    pub(crate) fn values(mut self) -> Result<Vec<(usize, Value)>, Fault> {
        let values = self.comma_separated(TokenKind::End)?;
        self.cursor.expect(TokenKind::End, "a comma, or nothing more")?;
        Ok(values)
    }

    fn statement(&mut self) -> Result<(), Fault> {
        match self.cursor.peek() {
            TokenKind::Var => self.declaration(),
            TokenKind::Dbrp => self.dbrp(),
            _ => self.expression().map(drop),
        }
    }

    /// `dbrp "database"."retentionPolicy"`
    fn dbrp(&mut self) -> Result<(), Fault> {
        let start = self.cursor.advance().start;
        let database = self.cursor.expect(TokenKind::Reference, "the database in double quotes")?;
        self.cursor.expect(TokenKind::Dot, "`.` and the retention policy in double quotes")?;
        let policy = self.cursor.expect(TokenKind::Reference, "the retention policy in double quotes")?;
        self.pipeline.dbrps.push(Dbrp {
            database: literal::reference(self.cursor.slice(database)),
            retention_policy: literal::reference(self.cursor.slice(policy)),
            start,
            end: policy.end,
        });
        Ok(())
    }

    /// `var name = expression` or `var name type`.
    fn declaration(&mut self) -> Result<(), Fault> {
        self.cursor.advance();
        let name_token = self.cursor.expect(TokenKind::Identifier, "the name of the variable")?;
        let name = self.cursor.slice(name_token);
        let given = self.vars.get(name);
        let (default, wanted) = if self.cursor.peek() == TokenKind::Assign {
            self.cursor.advance();
            let value = self.expression()?;
            let wanted = if let Value::Literal(literal) = &value { Some(literal.type_name()) } else { None };
            (Some(value), wanted)
        } else {
            let token =
                self.cursor.expect(TokenKind::Identifier, "`=` and a value, or a type such as `string`")?;
            (None, Some(var_type(token.start, self.cursor.slice(token))?))
        };
        if self.scope.contains_key(name) {
            let message =
                format!("`{}` is declared a second time; give this variable another name", short(name));
            return Err(Fault::new(name_token.start, message));
        }
        let value = match (given, default) {
            (Some(given), default) => {
                let unread = matches!(default, Some(Value::Unread(_)));
                if !unread && wanted != Some(given.type_name()) {
                    let message = format!(
                        "the vars give `{}` the type {}; its type is {}",
                        short(name),
                        given.type_name(),
                        wanted.unwrap_or("that of a node, which vars can't give")
                    );
                    return Err(Fault::new(name_token.start, message));
                }
                self.copying(name_token.start, given.size())?;
                Value::Literal(given.clone())
            }
            (None, Some(default)) => default,
            (None, None) => {
                let message = format!(
                    "the variable `{}` has no value; give it one in the vars, or in the script with `=`",
                    short(name)
                );
                return Err(Fault::new(name_token.start, message));
            }
        };
        self.scope.insert(name, value);
        Ok(())
    }

    /// What an argument or the right side of a declaration can be.
    fn expression(&mut self) -> Result<Value, Fault> {
        self.deeper(|reader| match (reader.cursor.peek(), reader.cursor.peek_second()) {
            (TokenKind::Identifier, TokenKind::OpenParenthesis) => {
                let value = reader.function_call()?;
                match reader.cursor.peek() {
                    TokenKind::Dot | TokenKind::Pipe | TokenKind::At => reader.chain(value),
                    _ => reader.operators(value, 0),
                }
            }
            (TokenKind::Identifier, TokenKind::Dot | TokenKind::Pipe | TokenKind::At) => {
                let value = reader.variable()?;
                reader.chain(value)
            }
            (TokenKind::Lambda, _) => {
                reader.cursor.advance();
                reader.in_lambda = true;
                reader.primary_expression()?;
                reader.in_lambda = false;
                Ok(Value::Literal(Literal::Lambda))
            }
            (TokenKind::OpenBracket, _) => reader.list(),
            _ => reader.primary_expression(),
        })
    }

    /// The steps after a value: `|node()`, `.property()`, `@udf()`.
    fn chain(&mut self, mut value: Value) -> Result<Value, Fault> {
        loop {
            let link = match self.cursor.peek() {
                TokenKind::Dot => Link::Property,
                TokenKind::Pipe => Link::Chain,
                TokenKind::At => Link::Udf,
                _ => return Ok(value),
            };
            value = self.step(link, value)?;
        }
    }

    /// One step, whose sign may be missing.
    fn step(&mut self, link: Link, value: Value) -> Result<Value, Fault> {
        let start = self.cursor.token().start;
        if self.cursor.peek() != TokenKind::Identifier {
            self.cursor.advance();
        }
        let name_token = self.cursor.expect(TokenKind::Identifier, "a name")?;
        let name = self.cursor.slice(name_token).to_owned();
        if link == Link::Property && self.cursor.peek() != TokenKind::OpenParenthesis {
            let message = format!("a property needs parentheses; write `.{}()`", short(&name));
            return Err(Fault::new(start, message));
        }
        let arguments = self.arguments()?;
        let end = self.cursor.end_of_previous();
        let Value::Node(node) = value else {
            let message = format!(
                "`{}` is called on {}; write it after a node, such as stream|from()",
                short(&name),
                value.describe()
            );
            return Err(Fault::new(name_token.start, message));
        };
        self.pipeline.step(node, Step { link, name, start, end, arguments }).map(Value::Node)
    }

    /// `(argument, ...)`
    fn arguments(&mut self) -> Result<Vec<(usize, Value)>, Fault> {
        self.cursor.expect(TokenKind::OpenParenthesis, "`(` and the arguments, if any, and `)`")?;
        let arguments = self.comma_separated(TokenKind::CloseParenthesis)?;
        self.cursor.expect(TokenKind::CloseParenthesis, "`,` or `)`")?;
        Ok(arguments)
    }

    /// Expressions up to `close`. A list alone stands for its items, as in Kapacitor.
    fn comma_separated(&mut self, close: TokenKind) -> Result<Vec<(usize, Value)>, Fault> {
        let mut values = Vec::new();
        while self.cursor.peek() != close {
            let at = self.cursor.token().start;
            // In a lambda, an argument has no chain and no list, and nothing in it is computed.
            let value = if self.in_lambda { self.primary_expression()? } else { self.expression()? };
            values.push((at, value));
            if self.cursor.peek() != TokenKind::Comma {
                break;
            }
            self.cursor.advance();
        }
        match values.as_mut_slice() {
            [(at, Value::Literal(Literal::List(items)))] => {
                let (at, items) = (*at, std::mem::take(items));
                Ok(items.into_iter().map(|item| (at, Value::Literal(item))).collect())
            }
            _ => Ok(values),
        }
    }

    /// `name(arguments)` of a function that belongs to no node. None is computed.
    pub fn function_call(&mut self) -> Result<Value, Fault> {
        self.cursor.advance();
        self.arguments()?;
        Ok(Value::Unread(Unread::Function))
    }

    /// Reads something that may have the like in itself.
    pub fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == MAX_DEPTH {
            let message = format!("this is nested more than {MAX_DEPTH} deep; write it with variables");
            return Err(Fault::new(self.cursor.token().start, message));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }
}

/// The type of `var name type`, if there is such a type.
fn var_type(at: usize, name: &str) -> Result<&'static str, Fault> {
    const TYPES: [&str; 9] =
        ["bool", "int", "float", "string", "duration", "regex", "lambda", "list", "star"];
    TYPES.into_iter().find(|known| *known == name).ok_or_else(|| {
        Fault::new(
            at,
            format!("`{}` is no type of a variable; write one of {}", short(name), TYPES.join(", ")),
        )
    })
}
