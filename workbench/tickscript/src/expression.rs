//! Expressions: literals, variables, lists, operators and parentheses.

use crate::call::OptionValue;
use crate::error::Fault;
use crate::lexer::{Operator, TokenKind};
use crate::literal::{self, short};
use crate::reader::Reader;
use crate::value::{self, Literal, Unread, Value};

/// Maximum number of bytes that all uses of variables in a script may copy.
const MAX_COPIED: usize = 16 << 20;

impl Reader<'_> {
    /// `['a', name, *]`
    pub fn list(&mut self) -> Result<Value, Fault> {
        self.cursor.advance();
        let mut items = Vec::new();
        while self.cursor.peek() != TokenKind::CloseBracket {
            let token = self.cursor.token();
            let item = match token.kind {
                TokenKind::Identifier | TokenKind::String | TokenKind::Star => self.operand()?,
                _ => return Err(self.cursor.unexpected("a text, a variable or * in the list")),
            };
            let Value::Literal(item) = item else {
                let message = format!("{} can't be in a list; write text in single quotes", item.describe());
                return Err(Fault::new(token.start, message));
            };
            items.push(item);
            if self.cursor.peek() != TokenKind::Comma {
                break;
            }
            self.cursor.advance();
        }
        self.cursor.expect(TokenKind::CloseBracket, "`,` or `]`")?;
        Ok(Value::Literal(Literal::List(items)))
    }

    /// Operands and operators.
    pub fn primary_expression(&mut self) -> Result<Value, Fault> {
        let first = self.operand()?;
        self.operators(first, 0)
    }

    /// Operators of at least this precedence after `left`, from left to right; those that bind more tightly first.
    pub fn operators(&mut self, mut left: Value, lowest: u8) -> Result<Value, Fault> {
        while let TokenKind::Operator(operator) = self.cursor.peek()
            && precedence(operator) >= lowest
        {
            let at = self.cursor.advance().start;
            let mut right = self.operand()?;
            while let TokenKind::Operator(next) = self.cursor.peek()
                && precedence(next) > precedence(operator)
            {
                right = self.operators(right, precedence(next))?;
            }
            left = self.computed(at, || value::binary(operator, left, right))?;
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Value, Fault> {
        let token = self.cursor.token();
        let text = self.cursor.slice(token);
        if token.kind == TokenKind::Identifier {
            return match self.cursor.peek_second() {
                TokenKind::OpenParenthesis => self.deeper(Self::function_call),
                _ => self.variable(),
            };
        }
        let literal = match token.kind {
            TokenKind::OpenParenthesis => {
                return self.deeper(|reader| {
                    reader.cursor.advance();
                    let value = reader.primary_expression()?;
                    reader.cursor.expect(TokenKind::CloseParenthesis, "an operator or `)`")?;
                    Ok(value)
                });
            }
            TokenKind::Operator(Operator::Minus) | TokenKind::Not => {
                return self.deeper(|reader| {
                    reader.cursor.advance();
                    let operand = reader.operand()?;
                    let operator = if token.kind == TokenKind::Not { value::not } else { value::negate };
                    reader.computed(token.start, || operator(operand))
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
            _ => return Err(self.cursor.unexpected("a value")),
        };
        self.cursor.advance();
        literal.map_err(|message| Fault::new(token.start, message))
    }

    pub fn variable(&mut self) -> Result<Value, Fault> {
        let token = self.cursor.advance();
        if self.in_lambda {
            return Ok(Value::Unread(Unread::Lambda));
        }
        let name = self.cursor.slice(token);
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
    fn computed(&self, at: usize, compute: impl FnOnce() -> Result<Value, String>) -> Result<Value, Fault> {
        if self.in_lambda {
            return Ok(Value::Unread(Unread::Lambda));
        }
        compute().map_err(|message| Fault::new(at, message))
    }

    /// Counts bytes that uses of variables copy: a text that is joined with itself doubles with each variable. All
    /// other values together are no longer than the script.
    pub fn copying(&mut self, at: usize, bytes: usize) -> Result<(), Fault> {
        self.copied += bytes;
        if self.copied > MAX_COPIED {
            return Err(Fault::new(
                at,
                "the values of this script are too long; write shorter texts and lists",
            ));
        }
        Ok(())
    }
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
