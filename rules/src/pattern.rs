//! Regular expressions of rules and schemas: each matches a whole text, in time linear in its length.

use regex::{Regex, RegexBuilder};

/// The memory that a pattern may take once it is compiled; far above any that people can read.
const MAX_BYTES: usize = 1024 * 1024;

/// Compiles a pattern that a whole text must match. Err says what is wrong with it.
pub(crate) fn whole(pattern: &str) -> Result<Regex, String> {
    let build = |text: &str| RegexBuilder::new(text).size_limit(MAX_BYTES).build();
    // By itself first: `a)|(b` is only one once it is framed.
    build(pattern).and_then(|_| build(&format!(r"\A(?:{pattern})\z"))).map_err(|error| match error {
        regex::Error::Syntax(message) => {
            let last = message.lines().last().unwrap_or_default();
            format!("not a pattern: {}", last.trim_start_matches("error: "))
        }
        _ => "a pattern that is too large".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_speaks_of_the_whole_text() {
        for (pattern, text, matches) in [
            ("[A-Z]{2}", "DE", true),
            ("[A-Z]{2}", "DEU", false),
            ("[A-Z]{2}", "DE\n", false),
            ("a|b", "ac", false),
            ("^a$", "a", true),
            ("(?i)de", "De", true),
            (r"\w+", "größe", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(whole(pattern).unwrap().is_match(text), matches, "{pattern} {text:?}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        for (pattern, problem) in [
            ("[", "not a pattern: unclosed character class"),
            ("a)|(b", "not a pattern: unopened group"),
            (r"(a)\1", "not a pattern: backreferences are not supported"),
            ("(?x)a # ", "not a pattern: unclosed group"),
            ("(((\\w{100}){100}){100}){100}", "a pattern that is too large"),
        ] {
            assert_eq!(whole(pattern).unwrap_err(), problem, "{pattern}");
        }
    }

    #[test]
    fn no_pattern_takes_more_than_linear_time() {
        let evil = whole("(a*)*b").unwrap();
        assert!(!evil.is_match(&"a".repeat(8 * 1024)));
    }
}
