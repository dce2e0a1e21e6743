//! Reads a JSON text piece by piece, or as one value.

use std::borrow::Cow;

use rust_decimal::Decimal;

use super::{Json, MAX_DEPTH, Problem, record};
use crate::names::composed;
use crate::number;

/// Reads a text that is one JSON value.
pub(crate) fn parse(text: &str) -> Result<Json<'_>, Problem> {
    let mut parser = Parser::new(text);
    let value = parser.value()?;
    if parser.is_at_end() { Ok(value) } else { parser.syntax() }
}

/// Reads a text piece by piece.
pub(crate) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str) -> Parser<'a> {
        Parser { text, at: 0, depth: 0 }
    }

    /// Nothing follows but blanks.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.at == self.text.len()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(crate) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn syntax<T>(&self) -> Result<T, Problem> {
        Err(Problem::Syntax(self.at))
    }

    /// Takes `expected` if it comes next.
    fn takes(&mut self, expected: u8) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, expected: u8) -> Result<(), Problem> {
        if self.takes(expected) { Ok(()) } else { self.syntax() }
    }

    /// Reads any value.
    pub(crate) fn value(&mut self) -> Result<Json<'a>, Problem> {
        self.skip_blanks();
        match self.peek() {
            Some(b'{') => self.nested(Parser::record),
            Some(b'[') => self.nested(Parser::list),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number().map(Json::Number),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => self.syntax(),
        }
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, Problem> {
        if !self.text[self.at..].starts_with(word) {
            return self.syntax();
        }
        self.at += word.len();
        Ok(value)
    }

    /// Reads the content of a pair of brackets, the first of which comes next.
    pub(crate) fn nested<T, E: From<Problem>>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Problem::Depth.into());
        }
        self.at += 1;
        self.skip_blanks();
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// Reads a list's entries, each by `read`, and the bracket behind them.
    pub(crate) fn entries<E: From<Problem>>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.takes(b']') {
            return Ok(());
        }
        loop {
            read(self)?;
            self.skip_blanks();
            if self.takes(b']') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// Reads a record's fields, the name of each here and its value by `read`, and the bracket behind them.
    pub(crate) fn fields<E: From<Problem>>(
        &mut self,
        mut read: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.takes(b'}') {
            return Ok(());
        }
        loop {
            self.skip_blanks();
            let name = self.string()?;
            self.skip_blanks();
            self.expect(b':')?;
            read(self, name)?;
            self.skip_blanks();
            if self.takes(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn list(&mut self) -> Result<Json<'a>, Problem> {
        let mut values = Vec::new();
        self.entries(|parser| {
            values.push(parser.value().map_err(|problem| problem.inside("[]"))?);
            Ok::<(), Problem>(())
        })?;
        Ok(Json::List(values))
    }

    fn record(&mut self) -> Result<Json<'a>, Problem> {
        let mut fields = Vec::new();
        self.fields(|parser, name| {
            let value = parser.value().map_err(|problem| problem.inside(&name))?;
            fields.push((name, value));
            Ok::<(), Problem>(())
        })?;
        record(fields)
    }

    fn digits(&mut self) -> Result<(), Problem> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.syntax() } else { Ok(()) }
    }

    /// Reads the number that comes next.
    pub(crate) fn number(&mut self) -> Result<Decimal, Problem> {
        let start = self.at;
        self.takes(b'-');
        if !self.takes(b'0') {
            self.digits()?;
        }
        if self.takes(b'.') {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if !self.takes(b'+') {
                self.takes(b'-');
            }
            self.digits()?;
        }
        number::parse(&self.text[start..self.at]).ok_or(Problem::Inexact(String::new()))
    }

    /// Reads the text in quotes that comes next.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, Problem> {
        self.expect(b'"')?;
        let mut unescaped = String::new();
        let mut start = self.at;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            self.at += rest.iter().take_while(|byte| !matches!(**byte, b'"' | b'\\' | ..b' ')).count();
            match self.peek() {
                Some(b'"') => {
                    let rest = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(if unescaped.is_empty() {
                        composed(rest)
                    } else {
                        composed(&(unescaped + rest)).into_owned().into()
                    });
                }
                Some(b'\\') => {
                    unescaped.push_str(&self.text[start..self.at]);
                    self.at += 1;
                    unescaped.push(self.escape()?);
                    start = self.at;
                }
                _ => return self.syntax(),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Problem> {
        let escape = self.peek();
        self.at += 1;
        Ok(match escape {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => {
                self.at -= 1;
                return self.syntax();
            }
        })
    }

    /// One character, from one unit of UTF-16 or from two.
    fn unicode(&mut self) -> Result<char, Problem> {
        let first = self.unit()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first).ok_or(Problem::Syntax(self.at));
        }
        self.expect(b'\\')?;
        self.expect(b'u')?;
        let second = self.unit()?;
        if !(0xDC00..0xE000).contains(&second) {
            return self.syntax();
        }
        char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))
            .ok_or(Problem::Syntax(self.at))
    }

    fn unit(&mut self) -> Result<u32, Problem> {
        let digits = self.text.get(self.at..self.at + 4).filter(|text| !text.starts_with('+'));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or(Problem::Syntax(self.at))?;
        self.at += 4;
        Ok(unit)
    }
}
