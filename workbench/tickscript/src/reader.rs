//! Reads the statements of a script one after the other, as `tick/ast/parser.go` and `tick/eval.go` of Kapacitor
//! 1.5 do: expressions are computed where they stand, and steps of a chain go to the [`Pipeline`].

use std::collections::BTreeMap;

use crate::arguments::{Link, Step};
use crate::call::OptionValue;
use crate::error::Fault;
use crate::lexer::{Operator, Token, TokenKind, lex};
use crate::literal::{self, short};
use crate::pipeline::{Dbrp, Pipeline};
use crate::value::{self, Literal, Value};

/// Values of variables that are given to a script, by name.
pub type Vars = BTreeMap<String, Literal>;

/// Maximum length of a script or of its vars in bytes.
pub(crate) const MAX_TEXT: usize = 1 << 20;

/// Maximum depth of parentheses, arguments and signs in each other, so that reading them can't exhaust the stack.
const MAX_DEPTH: usize = 100;

/// Maximum number of bytes that all uses of variables and all joined texts of a script may copy.
const MAX_COPIED: usize = 16 << 20;

/// Reads a text from its beginning to its end.
pub(crate) struct Reader<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    vars: &'a Vars,
    scope: BTreeMap<&'a str, Value>,
    pipeline: Pipeline,
    depth: usize,
    copied: usize,
    /// Whether a lambda is being skipped: its expression is checked, but not computed.
    in_lambda: bool,
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
        let tokens = lex(text)?;
        let pipeline = Pipeline::new();
        Ok(Self { text, tokens, next: 0, vars, scope, pipeline, depth: 0, copied: 0, in_lambda: false })
    }

    /// All statements.
    pub(crate) fn script(mut self) -> Result<Pipeline, Fault> {
        while self.peek() != TokenKind::End {
            self.statement()?;
        }
        Ok(self.pipeline)
    }

    /// All statements; the text may begin with a call (with or without its `@`) or a `|`, to which a stream of all
    /// points then goes.
    pub(crate) fn fragment(mut self) -> Result<Pipeline, Fault> {
        let bare_call =
            self.peek() == TokenKind::Identifier && self.peek_second() == TokenKind::OpenParenthesis;
        if bare_call || matches!(self.peek(), TokenKind::Pipe | TokenKind::At) {
            let all_points = Value::Node(self.pipeline.all_points());
            let called = if bare_call { self.step(Link::Udf, all_points)? } else { all_points };
            self.chain(called)?;
        }
        self.script()
    }

    /// Values that are separated by commas.
    pub(crate) fn values(mut self) -> Result<Vec<(usize, Value)>, Fault> {
        let values = self.comma_separated(TokenKind::End)?;
        self.expect(TokenKind::End, "a comma, or nothing more")?;
        Ok(values)
    }

    fn statement(&mut self) -> Result<(), Fault> {
        match self.peek() {
            TokenKind::Var => self.declaration(),
            TokenKind::Dbrp => self.dbrp(),
            _ => self.expression().map(drop),
        }
    }

    /// `dbrp "database"."retentionPolicy"`
    fn dbrp(&mut self) -> Result<(), Fault> {
        let start = self.advance().start;
        let database = self.expect(TokenKind::Reference, "the database in double quotes")?;
        self.expect(TokenKind::Dot, "`.` and the retention policy in double quotes")?;
        let policy = self.expect(TokenKind::Reference, "the retention policy in double quotes")?;
        self.pipeline.dbrps.push(Dbrp {
            database: literal::reference(self.slice(database)),
            retention_policy: literal::reference(self.slice(policy)),
            start,
            end: policy.end,
        });
        Ok(())
    }

    /// `var name = expression` or `var name type`.
    fn declaration(&mut self) -> Result<(), Fault> {
        self.advance();
        let name_token = self.expect(TokenKind::Identifier, "the name of the variable")?;
        let name = self.slice(name_token);
        let given = self.vars.get(name);
        let (default, wanted) = if self.peek() == TokenKind::Assign {
            self.advance();
            let value = self.expression()?;
            let wanted = if let Value::Literal(literal) = &value { Some(literal.type_name()) } else { None };
            (Some(value), wanted)
        } else {
            let token = self.expect(TokenKind::Identifier, "`=` and a value, or a type such as `string`")?;
            (None, Some(var_type(token.start, self.slice(token))?))
        };
        if self.scope.contains_key(name) {
            let message = format!("`{name}` is declared a second time; give this variable another name");
            return Err(Fault::new(name_token.start, message));
        }
        let value = match (given, default) {
            (Some(given), default) => {
                let unread = matches!(default, Some(Value::Unread(_)));
                if !unread && wanted != Some(given.type_name()) {
                    let message = format!(
                        "the vars give `{name}` the type {}; its type is {}",
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
                let message = format!("the variable `{name}` has no value; give it one in the vars");
                return Err(Fault::new(name_token.start, message));
            }
        };
        self.scope.insert(name, value);
        Ok(())
    }

    /// What an argument or the right side of a declaration can be.
    fn expression(&mut self) -> Result<Value, Fault> {
        self.deeper(|reader| match (reader.peek(), reader.peek_second()) {
            (TokenKind::Identifier, TokenKind::OpenParenthesis) => {
                let value = reader.function_call()?;
                match reader.peek() {
                    TokenKind::Dot | TokenKind::Pipe | TokenKind::At => reader.chain(value),
                    _ => reader.operators(value, 0),
                }
            }
            (TokenKind::Identifier, TokenKind::Dot | TokenKind::Pipe | TokenKind::At) => {
                let value = reader.variable()?;
                reader.chain(value)
            }
            (TokenKind::Lambda, _) => {
                reader.advance();
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
            let link = match self.peek() {
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
        let start = self.token().start;
        if self.peek() != TokenKind::Identifier {
            self.advance();
        }
        let name_token = self.expect(TokenKind::Identifier, "a name")?;
        let name = self.slice(name_token).to_owned();
        if link == Link::Property && self.peek() != TokenKind::OpenParenthesis {
            return Ok(Value::Unread("a property without parentheses"));
        }
        let arguments = self.arguments()?;
        let end = self.tokens[self.next - 1].end;
        let Value::Node(node) = value else {
            let message = format!(
                "`{name}` is called on {}; write it after a node, such as stream|from()",
                value.describe()
            );
            return Err(Fault::new(name_token.start, message));
        };
        self.pipeline.step(node, Step { link, name, start, end, arguments }).map(Value::Node)
    }

    /// `(argument, ...)`
    fn arguments(&mut self) -> Result<Vec<(usize, Value)>, Fault> {
        self.expect(TokenKind::OpenParenthesis, "`(` and the arguments, if any, and `)`")?;
        let arguments = self.comma_separated(TokenKind::CloseParenthesis)?;
        self.expect(TokenKind::CloseParenthesis, "`,` or `)`")?;
        Ok(arguments)
    }

    /// Expressions up to `close`. A list alone stands for its items, as in Kapacitor.
    fn comma_separated(&mut self, close: TokenKind) -> Result<Vec<(usize, Value)>, Fault> {
        let mut values = Vec::new();
        while self.peek() != close {
            let at = self.token().start;
            // In a lambda, an argument has no chain and no list, and nothing in it is computed.
            let value = if self.in_lambda { self.primary_expression()? } else { self.expression()? };
            values.push((at, value));
            if self.peek() != TokenKind::Comma {
                break;
            }
            self.advance();
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
    fn function_call(&mut self) -> Result<Value, Fault> {
        self.advance();
        self.arguments()?;
        Ok(Value::Unread("a function call"))
    }

    /// `['a', name, *]`
    fn list(&mut self) -> Result<Value, Fault> {
        self.advance();
        let mut items = Vec::new();
        while self.peek() != TokenKind::CloseBracket {
            let token = self.token();
            let item = match token.kind {
                TokenKind::Identifier | TokenKind::String | TokenKind::Star => self.operand()?,
                _ => return Err(self.unexpected("a text in single quotes, a variable or * in the list")),
            };
            let Value::Literal(item) = item else {
                let message = format!("{} can't be in a list; write text in single quotes", item.describe());
                return Err(Fault::new(token.start, message));
            };
            items.push(item);
            if self.peek() != TokenKind::Comma {
                break;
            }
            self.advance();
        }
        self.expect(TokenKind::CloseBracket, "`,` or `]`")?;
        Ok(Value::Literal(Literal::List(items)))
    }

    /// Operands and operators.
    fn primary_expression(&mut self) -> Result<Value, Fault> {
        let first = self.operand()?;
        self.operators(first, 0)
    }

    /// Operators of at least this precedence after `left`, from left to right; those that bind more tightly first.
    fn operators(&mut self, mut left: Value, lowest: u8) -> Result<Value, Fault> {
        while let TokenKind::Operator(operator) = self.peek()
            && precedence(operator) >= lowest
        {
            let at = self.advance().start;
            let mut right = self.operand()?;
            while let TokenKind::Operator(next) = self.peek()
                && precedence(next) > precedence(operator)
            {
                right = self.operators(right, precedence(next))?;
            }
            left = self.computed(at, |_| value::binary(operator, left, right))?;
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Value, Fault> {
        let token = self.token();
        let text = self.slice(token);
        if token.kind == TokenKind::Identifier {
            return match self.peek_second() {
                TokenKind::OpenParenthesis => self.deeper(Self::function_call),
                _ => self.variable(),
            };
        }
        let literal = match token.kind {
            TokenKind::OpenParenthesis => {
                return self.deeper(|reader| {
                    reader.advance();
                    let value = reader.primary_expression()?;
                    reader.expect(TokenKind::CloseParenthesis, "an operator or `)`")?;
                    Ok(value)
                });
            }
            TokenKind::Operator(Operator::Minus) | TokenKind::Not => {
                return self.deeper(|reader| {
                    reader.advance();
                    let operand = reader.operand()?;
                    let operator = if token.kind == TokenKind::Not { value::not } else { value::negate };
                    reader.computed(token.start, |_| operator(operand))
                });
            }
            TokenKind::Reference => Ok(Value::Reference),
            TokenKind::Star => Ok(Value::Literal(Literal::Star)),
            TokenKind::Regex => Ok(Value::Literal(Literal::Regex)),
            TokenKind::True => Ok(Value::of(OptionValue::Bool(true))),
            TokenKind::False => Ok(Value::of(OptionValue::Bool(false))),
            TokenKind::String => Ok(Value::of(OptionValue::String(literal::string(text)))),
            TokenKind::Number => literal::number(text).map(Value::of),
            TokenKind::Duration => literal::duration(text).map(OptionValue::Duration).map(Value::of),
            _ => return Err(self.unexpected("a value")),
        };
        self.advance();
        literal.map_err(|message| Fault::new(token.start, message))
    }

    fn variable(&mut self) -> Result<Value, Fault> {
        let token = self.advance();
        if self.in_lambda {
            return Ok(Value::Unread("a lambda"));
        }
        let name = self.slice(token);
        let Some(value) = self.scope.get(name) else {
            let name = short(name);
            let message = format!(
                "`{name}` is not defined; write text in single quotes, and declare variables with `var`"
            );
            return Err(Fault::new(token.start, message));
        };
        let (size, value) = match value {
            Value::Literal(literal) => (literal.size(), value.clone()),
            other => (0, other.clone()),
        };
        self.copying(token.start, size)?;
        Ok(value)
    }

    /// The result of an operator, which nobody asks for in a lambda.
    fn computed(
        &mut self,
        at: usize,
        compute: impl FnOnce(&mut Self) -> Result<Value, String>,
    ) -> Result<Value, Fault> {
        if self.in_lambda {
            return Ok(Value::Unread("a lambda"));
        }
        let value = compute(self).map_err(|message| Fault::new(at, message))?;
        if let Value::Literal(literal) = &value {
            self.copying(at, literal.size())?;
        }
        Ok(value)
    }

    /// Counts bytes that variables and operators copy: texts that are joined with themselves grow exponentially.
    fn copying(&mut self, at: usize, bytes: usize) -> Result<(), Fault> {
        self.copied += bytes;
        if self.copied > MAX_COPIED {
            return Err(Fault::new(
                at,
                "the values of this script are too long; write shorter texts and lists",
            ));
        }
        Ok(())
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == MAX_DEPTH {
            let message = format!("this is nested more than {MAX_DEPTH} deep; write it with variables");
            return Err(Fault::new(self.token().start, message));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn token(&self) -> Token {
        self.tokens[self.next]
    }

    fn peek(&self) -> TokenKind {
        self.token().kind
    }

    fn peek_second(&self) -> TokenKind {
        self.tokens.get(self.next + 1).map_or(TokenKind::End, |token| token.kind)
    }

    /// The next token, which is then behind. The end stays.
    fn advance(&mut self) -> Token {
        let token = self.token();
        if token.kind != TokenKind::End {
            self.next += 1;
        }
        token
    }

    fn expect(&mut self, kind: TokenKind, wanted: &str) -> Result<Token, Fault> {
        if self.peek() == kind { Ok(self.advance()) } else { Err(self.unexpected(wanted)) }
    }

    fn unexpected(&self, wanted: &str) -> Fault {
        let token = self.token();
        let found = match token.kind {
            TokenKind::End => "the end of the text".to_owned(),
            _ => format!("`{}`", short(self.slice(token))),
        };
        Fault::new(token.start, format!("{found} can't be here; write {wanted}"))
    }

    fn slice(&self, token: Token) -> &'a str {
        &self.text[token.start..token.end]
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

fn precedence(operator: Operator) -> u8 {
    match operator {
        Operator::Or => 0,
        Operator::And => 1,
        Operator::Equal | Operator::NotEqual | Operator::Matches | Operator::MatchesNot => 2,
        Operator::Greater | Operator::GreaterEqual | Operator::Less | Operator::LessEqual => 3,
        Operator::Plus | Operator::Minus => 4,
        Operator::Times | Operator::Divide | Operator::Remainder => 5,
    }
}
