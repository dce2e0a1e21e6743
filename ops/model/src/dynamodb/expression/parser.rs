//! The recursive descent over the lexer's tokens.

use std::collections::BTreeSet;

use super::{Comparison, Condition, Operand, Parsed, Path, Refused, Source, Step, Update};
use crate::dynamodb::lexer::{Lexer, Token};
use crate::dynamodb::reserved;

pub(super) fn parse<T>(
    text: &str,
    read: impl FnOnce(&mut Parser<'_>) -> Result<T, Refused>,
) -> Result<Parsed<T>, Refused> {
    if text.is_empty() {
        return Err("The expression can not be empty;".to_owned());
    }
    let mut parser = Parser { lexer: Lexer::new(text)?, names: BTreeSet::new(), values: BTreeSet::new() };
    let tree = read(&mut parser)?;
    match parser.lexer.peek() {
        Some(_) => Err(parser.lexer.syntax_error()),
        None => Ok(Parsed { tree, names: parser.names, values: parser.values }),
    }
}

pub(super) struct Parser<'a> {
    lexer: Lexer<'a>,
    names: BTreeSet<String>,
    values: BTreeSet<String>,
}

impl Parser<'_> {
    pub(super) fn condition(&mut self) -> Result<Condition, Refused> {
        let mut left = self.conjunction()?;
        while self.lexer.accept_word("OR") {
            left = Condition::Or(Box::new(left), Box::new(self.conjunction()?));
        }
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Condition, Refused> {
        let mut left = self.negation()?;
        while self.lexer.accept_word("AND") {
            left = Condition::And(Box::new(left), Box::new(self.negation()?));
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Condition, Refused> {
        if self.lexer.accept_word("NOT") {
            return Ok(Condition::Not(Box::new(self.negation()?)));
        }
        if self.lexer.accept("(") {
            let inner = self.condition()?;
            self.lexer.expect(")")?;
            return Ok(inner);
        }
        if let Some(function) = self.lexer.accept_function() {
            match function {
                // `size` is an operand and not a condition.
                "size" => return self.size().and_then(|size| self.comparison(size)),
                _ => return self.function(function),
            }
        }
        let left = self.operand()?;
        self.comparison(left)
    }

    /// Parses a function that is a condition; its name and opening bracket have been read.
    fn function(&mut self, name: &str) -> Result<Condition, Refused> {
        let condition = match name {
            "attribute_exists" => Condition::Exists(self.path()?),
            "attribute_not_exists" => Condition::NotExists(self.path()?),
            "attribute_type" => {
                let path = self.path()?;
                self.lexer.expect(",")?;
                Condition::HasType(path, self.operand()?)
            }
            "begins_with" | "contains" => {
                let left = self.operand()?;
                self.lexer.expect(",")?;
                let right = self.operand()?;
                match name {
                    "contains" => Condition::Contains(left, right),
                    _ => Condition::BeginsWith(left, right),
                }
            }
            _ => return Err(format!("Invalid function name; function: {name}")),
        };
        self.lexer.expect(")")?;
        Ok(condition)
    }

    fn comparison(&mut self, left: Operand) -> Result<Condition, Refused> {
        if self.lexer.accept_word("BETWEEN") {
            let low = self.operand()?;
            return match self.lexer.accept_word("AND") {
                true => Ok(Condition::Between(left, low, self.operand()?)),
                false => Err(self.lexer.syntax_error()),
            };
        }
        if self.lexer.accept_word("IN") {
            self.lexer.expect("(")?;
            let choices = self.list(Parser::operand)?;
            self.lexer.expect(")")?;
            return Ok(Condition::In(left, choices));
        }
        let comparisons = [
            ("=", Comparison::Equal),
            ("<>", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            ("<", Comparison::Less),
            (">=", Comparison::GreaterOrEqual),
            (">", Comparison::Greater),
        ];
        for (symbol, comparison) in comparisons {
            if self.lexer.accept(symbol) {
                return Ok(Condition::Compare(comparison, left, self.operand()?));
            }
        }
        Err(self.lexer.syntax_error())
    }

    fn operand(&mut self) -> Result<Operand, Refused> {
        if let Some(Token::Value(name)) = self.lexer.peek() {
            self.lexer.advance();
            self.values.insert(name.to_owned());
            return Ok(Operand::Value(name.to_owned()));
        }
        match self.lexer.accept_function() {
            Some("size") => self.size(),
            Some(name) => Err(format!(
                "The function is not allowed to be used this way in an expression; function: {name}"
            )),
            None => Ok(Operand::Path(self.path()?)),
        }
    }

    fn size(&mut self) -> Result<Operand, Refused> {
        let path = self.path()?;
        self.lexer.expect(")")?;
        Ok(Operand::Size(path))
    }

    pub(super) fn path(&mut self) -> Result<Path, Refused> {
        let mut steps = vec![Step::Name(self.name()?)];
        loop {
            if self.lexer.accept(".") {
                steps.push(Step::Name(self.name()?));
            } else if let Some(Token::Index(index)) = self.lexer.peek() {
                self.lexer.advance();
                steps.push(Step::Index(index));
            } else {
                return Ok(Path(steps));
            }
        }
    }

    fn name(&mut self) -> Result<String, Refused> {
        match self.lexer.peek() {
            Some(Token::Alias(name)) => {
                self.lexer.advance();
                self.names.insert(name.to_owned());
                Ok(name.to_owned())
            }
            Some(Token::Word(word)) if reserved::is_reserved(word) => {
                Err(format!("Attribute name is a reserved keyword; reserved keyword: {word}"))
            }
            Some(Token::Word(word)) => {
                self.lexer.advance();
                Ok(word.to_owned())
            }
            _ => Err(self.lexer.syntax_error()),
        }
    }

    pub(super) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Refused>,
    ) -> Result<Vec<T>, Refused> {
        let mut all = vec![read(self)?];
        while self.lexer.accept(",") {
            all.push(read(self)?);
        }
        Ok(all)
    }

    pub(super) fn update(&mut self) -> Result<Update, Refused> {
        let mut update = Update::default();
        let mut seen = BTreeSet::new();
        while let Some(Token::Word(word)) = self.lexer.peek() {
            let section = word.to_ascii_uppercase();
            self.lexer.advance();
            match section.as_str() {
                "SET" => update.set = self.list(Parser::assignment)?,
                "REMOVE" => update.remove = self.list(Parser::path)?,
                "ADD" => update.add = self.list(|parser| Ok((parser.path()?, parser.operand()?)))?,
                "DELETE" => update.delete = self.list(|parser| Ok((parser.path()?, parser.operand()?)))?,
                _ => return Err(format!("Syntax error; token: \"{word}\"")),
            }
            if !seen.insert(section.clone()) {
                return Err(format!(
                    "The \"{section}\" section can only be used once in an update expression;"
                ));
            }
        }
        if seen.is_empty() { Err(self.lexer.syntax_error()) } else { Ok(update) }
    }

    fn assignment(&mut self) -> Result<(Path, Source), Refused> {
        let path = self.path()?;
        self.lexer.expect("=")?;
        let left = self.source()?;
        let source = if self.lexer.accept("+") {
            Source::Plus(Box::new(left), Box::new(self.source()?))
        } else if self.lexer.accept("-") {
            Source::Minus(Box::new(left), Box::new(self.source()?))
        } else {
            left
        };
        Ok((path, source))
    }

    fn source(&mut self) -> Result<Source, Refused> {
        if self.lexer.accept("(") {
            let inner = self.source()?;
            self.lexer.expect(")")?;
            return Ok(inner);
        }
        let source = match self.lexer.accept_function() {
            None => return Ok(Source::Operand(self.operand()?)),
            Some("if_not_exists") => {
                let path = self.path()?;
                self.lexer.expect(",")?;
                Source::IfNotExists(path, Box::new(self.source()?))
            }
            Some("list_append") => {
                let left = self.source()?;
                self.lexer.expect(",")?;
                Source::ListAppend(Box::new(left), Box::new(self.source()?))
            }
            Some(name) => {
                return Err(format!("The function is not allowed in an update expression; function: {name}"));
            }
        };
        self.lexer.expect(")")?;
        Ok(source)
    }
}
