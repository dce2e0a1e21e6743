//! The comments of a script, as distinct from texts that look like comments.

/// A comment, with its leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Comment<'a> {
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    /// `// to the end of its line`, or `/* over several */`.
    pub(crate) text: &'a str,
    /// Some code precedes it.
    pub(crate) is_late: bool,
}

/// What the scanner is inside of.
enum Inside {
    /// Code; in a text's `${…}`, how many braces are open.
    Code(usize),
    /// A text between backticks, which may hold code.
    Backticks,
}

/// All comments, in order.
pub(crate) fn comments(script: &str) -> Vec<Comment<'_>> {
    let mut scanner =
        Scanner { script, at: 0, found: Vec::new(), has_code: false, counted: 0, line: 1, line_start: 0 };
    let mut inside = vec![Inside::Code(0)];
    while let Some(c) = scanner.peek() {
        let is_nested = inside.len() > 1;
        match inside.last_mut() {
            Some(Inside::Backticks) => {
                scanner.has_code = true;
                if scanner.rest().starts_with("${") {
                    scanner.at += 2;
                    inside.push(Inside::Code(0));
                } else {
                    scanner.at += c.len_utf8();
                    // Two in a row are one that is part of the text; skipping both is right for that, too.
                    if c == '`' {
                        inside.pop();
                    } else if c == '\\' {
                        scanner.skip_char();
                    }
                }
            }
            Some(Inside::Code(braces)) => match c {
                '/' if scanner.comment() => {}
                '`' => {
                    scanner.at += 1;
                    inside.push(Inside::Backticks);
                }
                '{' => {
                    *braces += 1;
                    scanner.code(c);
                }
                '}' if *braces == 0 && is_nested => {
                    scanner.at += 1;
                    inside.pop();
                }
                '}' => {
                    *braces = braces.saturating_sub(1);
                    scanner.code(c);
                }
                '"' | '#' => scanner.text(c),
                c => scanner.code(c),
            },
            None => return scanner.found,
        }
    }
    scanner.found
}

struct Scanner<'a> {
    script: &'a str,
    at: usize,
    found: Vec<Comment<'a>>,
    has_code: bool,
    /// The lines up to here are counted: which one it is in, and where that begins.
    counted: usize,
    line: usize,
    line_start: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.script[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_char(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn code(&mut self, c: char) {
        self.has_code |= !c.is_whitespace();
        self.at += c.len_utf8();
    }

    /// Takes a comment, if one begins here.
    fn comment(&mut self) -> bool {
        let rest = self.rest();
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block(rest)
        } else {
            return false;
        };
        let between = &self.script[self.counted..self.at];
        self.line += between.matches('\n').count();
        if let Some(index) = between.rfind('\n') {
            self.line_start = self.counted + index + 1;
        }
        self.counted = self.at;
        self.found.push(Comment {
            line: self.line,
            column: self.script[self.line_start..self.at].chars().count() + 1,
            text: &rest[..length],
            is_late: self.has_code,
        });
        self.at += length;
        true
    }

    /// Skips a text in quotes, or a raw one between `#\"` and `\"#`; of other code, one character.
    fn text(&mut self, c: char) {
        let rest = self.rest();
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        self.has_code = true;
        if c == '#' && !rest[hashes..].starts_with('"') {
            self.at += 1;
            return;
        }
        if hashes > 0 {
            let end = format!("\"{}", "#".repeat(hashes));
            let length = rest[hashes + 1..].find(&end).map(|found| hashes + 1 + found + end.len());
            self.at += length.unwrap_or(rest.len());
            return;
        }
        self.at += 1;
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                '"' => return,
                '\\' => self.skip_char(),
                _ => {}
            }
        }
    }
}

/// The length of a block comment; comments inside it count.
fn block(text: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_told_apart_from_texts() {
        let script = "// one\n  /* two /* in */ \u{e9} */ let x = \"// no\"; // three\nlet y = `// no ${ \"}\" /* four */ } // no\n\
                      //! no`;\nlet z = #\"\"// no\"#; let q = #{ a: 1 }; // five\n\"\\\"// no\";//! six";
        let found: Vec<(usize, usize, &str, bool)> =
            comments(script).iter().map(|c| (c.line, c.column, c.text, c.is_late)).collect();
        let expected = [
            (1, 1, "// one", false),
            (2, 3, "/* two /* in */ \u{e9} */", false),
            (2, 41, "// three", true),
            (3, 23, "/* four */", true),
            (5, 40, "// five", true),
            (6, 11, "//! six", true),
        ];
        assert_eq!(found, expected);
    }
}
