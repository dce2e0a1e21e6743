//! The text of a ruleset's file in parts that the style sheet colours: comments, texts, numbers, words of the language, and
//! what is called. It only cuts the text, and never changes it.

/// What a part is; the name is the class in the style sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Comment,
    Text,
    Number,
    Word,
    Call,
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) class: &'static str,
    pub(super) text: String,
}

/// The words of rhai that rules use.
const WORDS: [&str; 20] = [
    "as", "break", "const", "continue", "do", "else", "false", "fn", "for", "if", "in", "let", "loop",
    "private", "return", "switch", "this", "true", "until", "while",
];

/// The lines of a file; the end of its path says how it is read.
pub(super) fn lines(path: &str, text: &str) -> Vec<Vec<Part>> {
    let comment = match path.rsplit_once('.').map(|(_, end)| end) {
        Some("rhai") => "//",
        Some("toml") => "#",
        _ => return text.lines().map(|line| vec![part(Kind::Plain, line)]).collect(),
    };
    let (mut lines, mut in_block) = (vec![], false);
    for line in text.lines() {
        lines.push(parts(line, comment, &mut in_block));
    }
    lines
}

fn part(kind: Kind, text: &str) -> Part {
    let class = match kind {
        Kind::Plain => "",
        Kind::Comment => "comment",
        Kind::Text => "text",
        Kind::Number => "number",
        Kind::Word => "word",
        Kind::Call => "call",
    };
    Part { class, text: text.to_owned() }
}

fn parts(line: &str, comment: &str, in_block: &mut bool) -> Vec<Part> {
    let mut parts: Vec<(Kind, &str)> = vec![];
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = next(rest, first, comment, in_block);
        let (text, after) = rest.split_at(length);
        match parts.last_mut() {
            // What stands side by side in the line does so in the text: one part of both.
            Some((Kind::Plain, before)) if kind == Kind::Plain => {
                let start = line.len() - rest.len() - before.len();
                *before = &line[start..line.len() - after.len()];
            }
            _ => parts.push((kind, text)),
        }
        rest = after;
    }
    parts.into_iter().map(|(kind, text)| part(kind, text)).collect()
}

/// The kind and the length in bytes of what a rest of a line begins with.
fn next(rest: &str, first: char, comment: &str, in_block: &mut bool) -> (Kind, usize) {
    if *in_block || (comment == "//" && rest.starts_with("/*")) {
        let end = rest.find("*/").map(|at| at + 2);
        *in_block = end.is_none();
        return (Kind::Comment, end.unwrap_or(rest.len()));
    }
    if rest.starts_with(comment) {
        return (Kind::Comment, rest.len());
    }
    if matches!(first, '"' | '\'' | '`') {
        return (Kind::Text, text_length(rest, first));
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let length = |holds: &dyn Fn(char) -> bool| rest.find(|c: char| !holds(c)).unwrap_or(rest.len());
    if first.is_ascii_digit() {
        return (Kind::Number, length(&|c| is_word(c) || c == '.'));
    }
    if is_word(first) {
        let length = length(&is_word);
        let (word, after) = rest.split_at(length);
        let kind = match word {
            "true" | "false" => Kind::Word,
            word if comment == "//" && WORDS.contains(&word) => Kind::Word,
            _ if after.starts_with('(') => Kind::Call,
            _ => Kind::Plain,
        };
        return (kind, length);
    }
    (Kind::Plain, first.len_utf8())
}

/// The length of a text in quotation marks, to the end of the line if it has none at its end.
fn text_length(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !is_escaped {
            return at + c.len_utf8();
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str, text: &str) -> Vec<String> {
        let part = |part: &Part| match part.class {
            "" => part.text.clone(),
            class => format!("[{class} {}]", part.text),
        };
        lines(path, text).iter().map(|parts| parts.iter().map(part).collect()).collect()
    }

    #[test]
    fn parts_of_a_script_have_their_kind() {
        let script =
            "if order.amount <= 12.50 { approve(\"a\\\"b\", `ä`) } // small\n/* two\nlines */ let x = 1;";
        assert_eq!(
            shown("rules/a.rhai", script),
            [
                "[word if] order.amount <= [number 12.50] { [call approve]([text \"a\\\"b\"], [text `ä`]) } [comment // small]",
                "[comment /* two]",
                "[comment lines */] [word let] x = [number 1];",
            ]
        );
        assert_eq!(
            shown("ruleset.toml", "n = true # why\nname = \"x"),
            ["n = [word true] [comment # why]", "name = [text \"x]"]
        );
        assert_eq!(shown("README.md", "if \"x\""), ["if \"x\""]);
    }

    #[test]
    fn no_character_is_lost() {
        for text in ["", "é\"ü", "\\\"", "a(b)(c", "12ä.5", "'\\'", "/*", "*/ /* x */ y"] {
            for path in ["a.rhai", "a.toml", "a"] {
                let whole: String =
                    lines(path, text).iter().flatten().map(|part| part.text.as_str()).collect();
                assert_eq!(whole, text, "{path}");
            }
        }
    }
}
