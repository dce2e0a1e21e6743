//! Makes text from outside safe to show in a terminal, and formats tables.

pub(super) use crate::plain_text::plain;

/// A number of things: `1 record`, `2 records`.
pub(super) fn count(number: impl std::fmt::Display, thing: &str) -> String {
    let number = number.to_string();
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Spreads JSON text over several lines and keeps each value as it was written. Parsing and serialising it again would
/// drop one of two equal keys, and change other keys and numbers.
pub(super) fn spread(json: &str) -> String {
    let mut spread = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let (mut in_string, mut is_escaped) = (false, false);
    let mut rest = json.chars().peekable();
    while let Some(c) = rest.next() {
        if in_string {
            spread.push(c);
            in_string = is_escaped || c != '"';
            is_escaped = c == '\\' && !is_escaped;
            continue;
        }
        match c {
            ' ' | '\t' | '\n' | '\r' => {}
            '{' | '[' => {
                while rest.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                spread.push(c);
                if let Some(end) = rest.next_if(|next| matches!(next, '}' | ']')) {
                    spread.push(end);
                } else {
                    depth += 1;
                    new_line(&mut spread, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut spread, depth);
                spread.push(c);
            }
            ',' => {
                spread.push(c);
                new_line(&mut spread, depth);
            }
            ':' => spread.push_str(": "),
            _ => {
                in_string = c == '"';
                spread.push(c);
            }
        }
    }
    spread
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

/// Fits a text on one line of at most `max_chars` characters.
pub(super) fn line(text: &str, max_chars: usize) -> String {
    let line: String = plain(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= max_chars {
        return line;
    }
    line.chars().take(max_chars.saturating_sub(1)).chain(['…']).collect()
}

/// Formats a table: a heading, then columns as wide as their widest cell, two spaces apart.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|title| title.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let written = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let heading = written(&heading.map(str::to_owned));
    rows.iter().map(written).fold(heading, |table, row| table + row.as_str())
}

/// Formats JSON for programs, over several lines.
pub(super) fn json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mred\u{7}\r\u{202e}b\n\tc"), "a�[31mred���b\n\tc");
        assert_eq!(line(" two \n lines\t", 80), "two lines");
        assert_eq!(line("eleven chars", 11), "eleven cha…");
    }

    #[test]
    fn columns_align() {
        let rows = [["1".to_owned(), "é".to_owned()], ["22".to_owned(), String::new()]];
        assert_eq!(table(["A", "BEE"], &rows), "A   BEE\n1   é\n22\n");
    }

    #[test]
    fn json_is_shown_as_it_is_written() {
        let json = r#"{"amount":9000,"amount": 40.00,"n":{"$serde_json::private::Number":"1e2"},"l":[ ],"o":{},
            "t":"a, {\"b\": [1]}\\","s":[1 ,-0.0,{"x":null}]}"#;
        let shown = [
            "{",
            "  \"amount\": 9000,",
            "  \"amount\": 40.00,",
            "  \"n\": {",
            "    \"$serde_json::private::Number\": \"1e2\"",
            "  },",
            "  \"l\": [],",
            "  \"o\": {},",
            r#"  "t": "a, {\"b\": [1]}\\","#,
            "  \"s\": [",
            "    1,",
            "    -0.0,",
            "    {",
            "      \"x\": null",
            "    }",
            "  ]",
            "}",
        ];
        assert_eq!(spread(json), shown.join("\n"));
        assert_eq!(spread("\"a\""), "\"a\"");
    }
}
