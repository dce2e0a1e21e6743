//! One evaluation as it is kept with its task: what each rule said, which facts were read, on which engine.

use serde::{Deserialize, Serialize};

use crate::shared_text::SharedText;
use crate::short_text::ShortText;
use crate::verdict::{Cause, Outcome, Verdict};

/// The longest stored form, in bytes. A task's item also holds an order of up to 350,000 bytes within DynamoDB's 400 KB.
pub const MAX_STORED_BYTES: usize = 16 * 1024;

/// How one rule ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ended", rename_all = "lowercase")]
pub enum Ended {
    /// It had nothing to say.
    Pass,
    /// It is off, out of its dates, or its `when` was false.
    Skipped,
    /// It gave a verdict.
    Gave {
        /// What it wants.
        outcome: Outcome,
        /// A stable kebab-case name.
        code: String,
        /// The words for people.
        text: String,
    },
    /// It failed; that is a wish to escalate.
    Failed {
        /// How.
        cause: Cause,
        /// Where and why, with the file and line where they are known.
        text: String,
    },
}

/// One rule's part in an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleVerdict {
    /// The rule's id.
    pub rule: SharedText,
    /// The first eight hexadecimal digits of its file's SHA-256.
    pub hash: SharedText,
    /// Whether it took part in the decision; a rule in `shadow` or `audit` mode is only recorded.
    pub counts: bool,
    /// How it ended.
    #[serde(flatten)]
    pub ended: Ended,
}

/// A fact that some rule looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FactRead {
    /// Such as `order.customer.tier` or `order.items[].price`.
    pub path: SharedText,
    /// Its value as text, shortened; none for records, lists, list elements and masked facts.
    pub value: Option<ShortText>,
}

/// What a ruleset came to for one task. Equal for equal ruleset, engine and facts, whenever it is repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The decision, or why a person must take it.
    pub verdict: Verdict,
    /// The ruleset's SHA-256, 64 hexadecimal digits.
    pub ruleset: SharedText,
    /// What else the answer depends on: the engine's version, host functions and limits, 16 hexadecimal digits.
    pub engine: SharedText,
    /// Each rule's part, in the order they ran.
    pub verdicts: Vec<RuleVerdict>,
    /// The facts that were looked at, by path.
    pub facts: Vec<FactRead>,
    /// The wall clock's backstop ended it: a repetition may come to another answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed: bool,
    /// The stored form left something out to stay below [`MAX_STORED_BYTES`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(rules: usize, text: &str) -> Evaluation {
        let ended = |n: usize| match n % 2 {
            0 => Ended::Pass,
            _ => Ended::Gave { outcome: Outcome::Escalate, code: "look".to_owned(), text: text.to_owned() },
        };
        let rule = |n| RuleVerdict {
            rule: format!("rule-{n}").into(),
            hash: "0".repeat(8).into(),
            counts: true,
            ended: ended(n),
        };
        Evaluation {
            verdict: Verdict::escalate(Cause::RuleError, text.to_owned(), Some("rule-1".to_owned())),
            ruleset: "a".repeat(64).into(),
            engine: "b".repeat(16).into(),
            verdicts: (0..rules).map(rule).collect(),
            facts: vec![FactRead { path: "order.amount".into(), value: Some("5".into()) }],
            timed: false,
            truncated: false,
        }
    }

    #[test]
    fn a_stored_evaluation_reads_back_whole() {
        let evaluation = evaluation(8, "because");
        assert_eq!(Evaluation::from_json(&evaluation.to_json()).unwrap(), evaluation);
    }

    #[test]
    fn a_large_evaluation_is_cut_and_says_so() {
        for (rules, text) in [(1_000, "short"), (10, "long ".repeat(2_000).as_str()), (300, "\u{1}\u{1}long")]
        {
            let json = evaluation(rules, text).to_json();
            assert!(json.len() <= MAX_STORED_BYTES, "{} bytes for {rules} rules", json.len());
            let read = Evaluation::from_json(&json).unwrap();
            assert!(read.truncated);
            assert_eq!(read.verdict.code(), "rule-error");
        }
    }
}
