//! The words that an expression must not use as plain attribute names (Reserved words, developer guide).

use std::collections::BTreeSet;
use std::sync::LazyLock;

static WORDS: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| include_str!("reserved_words.txt").split_ascii_whitespace().collect());

/// Returns whether a name needs an alias, in upper or lower case.
pub(super) fn is_reserved(name: &str) -> bool {
    WORDS.contains(name.to_ascii_uppercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_developer_guide_are_reserved() {
        assert_eq!(WORDS.len(), 573);
        assert!(is_reserved("status") && is_reserved("Order") && is_reserved("list"));
        assert!(!is_reserved("taskId") && !is_reserved("decision"));
    }
}
