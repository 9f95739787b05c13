//! A place between the tokens of a text.

use crate::error::Fault;
use crate::lexer::{Token, TokenKind, lex};
use crate::literal::short;

pub(crate) struct Cursor<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Result<Self, Fault> {
        Ok(Self { text, tokens: lex(text)?, next: 0 })
    }

    /// Where the token before the cursor ends in the text.
    pub fn end_of_previous(&self) -> usize {
        self.next.checked_sub(1).map_or(0, |previous| self.tokens[previous].end)
    }

    pub fn token(&self) -> Token {
        self.tokens[self.next]
    }

    pub fn peek(&self) -> TokenKind {
        self.token().kind
    }

    pub fn peek_second(&self) -> TokenKind {
        self.tokens.get(self.next + 1).map_or(TokenKind::End, |token| token.kind)
    }

    /// The next token, which is then behind. The end stays.
    pub fn advance(&mut self) -> Token {
        let token = self.token();
        if token.kind != TokenKind::End {
            self.next += 1;
        }
        token
    }

    pub fn expect(&mut self, kind: TokenKind, wanted: &str) -> Result<Token, Fault> {
        if self.peek() == kind { Ok(self.advance()) } else { Err(self.unexpected(wanted)) }
    }

    pub fn unexpected(&self, wanted: &str) -> Fault {
        let token = self.token();
        let found = match token.kind {
            TokenKind::End => "the end of the text".to_owned(),
            _ => format!("`{}`", short(self.slice(token))),
        };
        Fault::new(token.start, format!("{found} can't be here; write {wanted}"))
    }

    pub fn slice(&self, token: Token) -> &'a str {
        &self.text[token.start..token.end]
    }
}
