//! The token struck out of texts: a workflow that passes its whole context object passes the token with its order.

use std::borrow::Cow;

use super::{SHORTEST_TOKEN_BYTES, TaskToken};

/// The replacement for the token.
const STRUCK: &str = "(hidden)";

impl TaskToken {
    /// Tells whether a text holds the token. A text shorter than any token is no secret, and may stand there by chance.
    pub fn is_in(&self, text: &str) -> bool {
        self.0.len() >= SHORTEST_TOKEN_BYTES && text.contains(&self.0)
    }

    /// A text without the token: `(hidden)` stands in its place.
    pub fn strike<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.is_in(text) { text.replace(&self.0, STRUCK).into() } else { text.into() }
    }

    /// JSON text without the token, also where a string writes it with escapes (`\/`, `\u003d`). All else keeps its
    /// very text, such as the digits of numbers. In a text that is not JSON, as [`TaskToken::strike`].
    pub fn strike_json<'t>(&self, json: &'t str) -> Cow<'t, str> {
        let struck = self.strike(json);
        if !struck.contains('\\') || self.0.len() < SHORTEST_TOKEN_BYTES {
            return struck;
        }
        match self.strike_escaped(&struck) {
            Some(text) => text.into(),
            None => struck,
        }
    }

    /// Decodes each string of a JSON text; none where no string holds the token.
    fn strike_escaped(&self, json: &str) -> Option<String> {
        let (mut out, mut rest, mut has_struck) = (String::new(), json, false);
        while let Some(start) = rest.find('"') {
            let Some(length) = string_end(&rest[start..]) else { break };
            let end = start + length;
            let literal = &rest[start..end];
            out.push_str(&rest[..start]);
            let decoded: Option<String> = serde_json::from_str(literal).ok();
            match decoded.filter(|decoded| self.is_in(decoded)) {
                Some(decoded) => {
                    let text = serde_json::Value::from(self.strike(&decoded));
                    out.push_str(&text.to_string());
                    has_struck = true;
                }
                None => out.push_str(literal),
            }
            rest = &rest[end..];
        }
        out.push_str(rest);
        has_struck.then_some(out)
    }
}

/// Where a string literal ends, its closing quote included; none where it does not.
fn string_end(literal: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in literal.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "AAAAKgAAAAIAAAAA/secret+token==";

    fn token() -> TaskToken {
        TaskToken::new(TOKEN).unwrap()
    }

    #[test]
    fn a_token_is_struck_out_of_keys_and_texts() {
        let json = format!(r#"{{"{TOKEN}": 1.50, "a": ["x {TOKEN} y"]}}"#);
        assert_eq!(token().strike_json(&json), r#"{"(hidden)": 1.50, "a": ["x (hidden) y"]}"#);
        assert_eq!(token().strike(&format!("<{TOKEN}>")), "<(hidden)>");
    }

    #[test]
    fn a_token_with_escapes_is_struck_out_and_numbers_keep_their_digits() {
        for escaped in [
            TOKEN.replace('/', "\\/"),
            TOKEN.replace('=', "\\u003d"),
            TOKEN.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect(),
        ] {
            let json = format!(r#"{{"n": 100.00, "a": "say \"{escaped}\" twice", "b": "\\"}}"#);
            let expected = r#"{"n": 100.00, "a": "say \"(hidden)\" twice", "b": "\\"}"#;
            assert_eq!(token().strike_json(&json), expected, "{json}");
        }
    }

    #[test]
    fn what_holds_no_token_keeps_its_very_text() {
        for json in [r#"{"a": "\u0041\n", "n": 1e400}"#, "{not \\ json", "\"\\", "", "\\\"\"\"\""] {
            assert_eq!(token().strike_json(json), json);
        }
        // A token that is no secret must not change an order.
        assert_eq!(TaskToken::new("US").unwrap().strike_json(r#"{"country":"US"}"#), r#"{"country":"US"}"#);
    }
}
