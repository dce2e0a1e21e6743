//! Text from outside, made safe to show.

/// Removes control characters: the text of an order must not move a reviewer's cursor or colour a decision.
pub(crate) fn plain(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\t')
            // Characters that change the direction of the text after them.
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}
