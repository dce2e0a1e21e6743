//! Splits the text of an expression into tokens.

/// One token, borrowed from the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword, a function or a plain attribute name.
    Word(&'a str),
    /// `#name`
    Alias(&'a str),
    /// `:value`
    Value(&'a str),
    /// `[3]`
    Index(usize),
    /// Anything else, one or two characters.
    Symbol(&'a str),
}

#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    /// Each token with the position where it starts.
    tokens: Vec<(usize, Token<'a>)>,
    next: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Result<Lexer<'a>, String> {
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(first) = text[at..].chars().next() {
            if first.is_whitespace() {
                at += first.len_utf8();
                continue;
            }
            let rest = &text[at..];
            let (token, length) =
                token(rest).ok_or_else(|| format!("Syntax error; token: \"{first}\", near: \"{rest}\""))?;
            tokens.push((at, token));
            at += length;
        }
        Ok(Lexer { text, tokens, next: 0 })
    }

    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).map(|(_, token)| *token)
    }

    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    /// Takes the symbol if it is next.
    pub(super) fn accept(&mut self, symbol: &str) -> bool {
        let is_next = self.peek() == Some(Token::Symbol(symbol));
        self.next += usize::from(is_next);
        is_next
    }

    /// Takes the keyword, in upper or lower case, if it is next.
    pub(super) fn accept_word(&mut self, keyword: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.next += usize::from(is_next);
        is_next
    }

    /// Takes a name and its opening bracket if they are next. Function names are case-sensitive.
    pub(super) fn accept_function(&mut self) -> Option<&'a str> {
        match (self.peek(), self.tokens.get(self.next + 1)) {
            (Some(Token::Word(name)), Some((_, Token::Symbol("(")))) => {
                self.next += 2;
                Some(name)
            }
            _ => None,
        }
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.accept(symbol) { Ok(()) } else { Err(self.syntax_error()) }
    }

    /// DynamoDB's error message about the next token.
    pub(super) fn syntax_error(&self) -> String {
        match self.tokens.get(self.next) {
            None => "Syntax error; token: \"<EOF>\"".to_owned(),
            Some((at, _)) => {
                let end = self.tokens.get(self.next + 1).map_or(self.text.len(), |(end, _)| *end);
                let from = self.next.checked_sub(1).map_or(0, |before| self.tokens[before].0);
                let token = self.text[*at..end].trim_end();
                format!("Syntax error; token: \"{token}\", near: \"{}\"", self.text[from..end].trim_end())
            }
        }
    }
}

/// The first token of a text that begins with one, and its length.
fn token(rest: &str) -> Option<(Token<'_>, usize)> {
    let word_end = |from: usize| {
        rest[from..]
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .map_or(rest.len(), |length| from + length)
    };
    match rest.as_bytes()[0] {
        b'#' | b':' => {
            let end = word_end(1);
            let text = &rest[..end];
            let token = if rest.starts_with('#') { Token::Alias(text) } else { Token::Value(text) };
            (end > 1).then_some((token, end))
        }
        byte if byte.is_ascii_alphabetic() || byte == b'_' => {
            let end = word_end(0);
            Some((Token::Word(&rest[..end]), end))
        }
        b'[' => {
            let end = rest.find(']')?;
            Some((Token::Index(rest[1..end].trim().parse().ok()?), end + 1))
        }
        b'<' | b'>' if rest.starts_with("<>") || rest[1..].starts_with('=') => {
            Some((Token::Symbol(&rest[..2]), 2))
        }
        b'=' | b'<' | b'>' | b'(' | b')' | b',' | b'.' | b'+' | b'-' => Some((Token::Symbol(&rest[..1]), 1)),
        _ => None,
    }
}
