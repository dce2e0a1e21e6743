//! Verdicts by rule, outcome and code: the one metric whose labels come from the active ruleset.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use rules::codes::Named;
use rules::{Cause, Outcome, Ruleset};

/// The most series; one for each outcome is kept for the verdicts that get none of their own.
pub(super) const MOST_SERIES: usize = 200;
/// A verdict that no rule gave.
const NO_RULE: &str = "none";
/// The rule and the code of a verdict without a series of its own.
const OTHER: &str = "other";

/// The counts. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdicts(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    /// The rules of the active ruleset.
    rules: BTreeSet<String>,
    series: BTreeMap<Named, u64>,
}

impl Verdicts {
    /// Shows the verdicts that a ruleset can give, and no longer those that only others could.
    pub(super) fn of(&self, ruleset: &Ruleset) {
        let mut known = ruleset.named_verdicts();
        known.extend(Outcome::ALL.map(|outcome| named(OTHER, outcome, OTHER)));
        let mut counts = self.lock();
        counts.rules = ruleset.rule_ids().map(str::to_owned).collect();
        let Counts { rules, series } = &mut *counts;
        series.retain(|verdict, _| known.contains(verdict) || is_of_engine(verdict, rules));
        for outcome in Outcome::ALL {
            series.entry(named(OTHER, outcome, OTHER)).or_default();
        }
        for verdict in known {
            if series.len() < MOST_SERIES {
                series.entry(verdict).or_default();
            }
        }
    }

    /// Counts a verdict. Returns whether it has a series of its own.
    pub(super) fn count(&self, rule: Option<&str>, outcome: Outcome, code: &str) -> bool {
        let verdict = named(rule.unwrap_or(NO_RULE), outcome, code);
        let mut counts = self.lock();
        let Counts { rules, series } = &mut *counts;
        let has_room = series.len() < MOST_SERIES;
        let own = series.contains_key(&verdict) || (has_room && is_of_engine(&verdict, rules));
        let counted = if own { verdict } else { named(OTHER, outcome, OTHER) };
        let count = series.entry(counted).or_default();
        *count = count.saturating_add(1);
        own
    }

    /// How many verdicts each rule gave, by outcome in the order of [`Outcome::ALL`].
    pub(super) fn by_rule(&self) -> BTreeMap<String, [u64; Outcome::ALL.len()]> {
        let mut rules: BTreeMap<String, [u64; Outcome::ALL.len()]> = BTreeMap::new();
        for (Named { rule, outcome, .. }, count) in &self.lock().series {
            let counts = rules.entry(rule.clone()).or_default();
            for (of, sum) in Outcome::ALL.into_iter().zip(counts) {
                *sum += if of == *outcome { *count } else { 0 };
            }
        }
        rules
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().expect("no holder of the counts panics")
    }
}

/// A verdict that no script writes out: a rule failed, no rule gave one, or the ruleset's default or budget decided.
fn is_of_engine(verdict: &Named, rules: &BTreeSet<String>) -> bool {
    let Named { rule, outcome, code } = verdict;
    let is_cause = Cause::ALL.iter().any(|cause| cause.as_str() == code);
    match outcome {
        Outcome::Approve => rule == NO_RULE && code == "default-approve",
        Outcome::Reject => false,
        Outcome::Escalate if rule == NO_RULE => is_cause || code == "budget-exhausted",
        Outcome::Escalate => is_cause && rules.contains(rule),
    }
}

fn named(rule: &str, outcome: Outcome, code: &str) -> Named {
    Named { rule: rule.to_owned(), outcome, code: code.to_owned() }
}

impl EncodeMetric for Verdicts {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (Named { rule, outcome, code }, count) in &self.lock().series {
            let labels = [("rule", rule.as_str()), ("outcome", outcome.as_str()), ("code", code.as_str())];
            encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, u64>(count, None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruleset(rules: &[(String, String)]) -> Ruleset {
        let files = rules.iter().map(|(id, text)| (format!("rules/{id}.rhai"), text.clone().into_bytes()));
        Ruleset::from_files(files.collect()).unwrap()
    }

    fn one(id: &str, text: &str) -> Ruleset {
        ruleset(&[(id.to_owned(), text.to_owned())])
    }

    fn shown(verdicts: &Verdicts) -> Vec<String> {
        let counts = verdicts.lock();
        let own = counts.series.iter().filter(|(verdict, _)| verdict.rule != OTHER);
        own.map(|(verdict, count)| {
            format!("{} {} {} {count}", verdict.rule, verdict.outcome.as_str(), verdict.code)
        })
        .collect()
    }

    #[test]
    fn a_ruleset_s_verdicts_begin_at_zero_and_end_with_it() {
        let verdicts = Verdicts::default();
        verdicts.of(&one("a", "if order.x { approve(\"small\") } escalate(\"large\", \"look\");"));
        assert_eq!(shown(&verdicts), ["a approve small 0", "a escalate large 0"]);
        assert!(verdicts.count(Some("a"), Outcome::Approve, "small"));
        assert!(verdicts.count(Some("a"), Outcome::Escalate, "rule-error"));
        assert!(verdicts.count(None, Outcome::Escalate, "no-rule-approved"));
        assert!(!verdicts.count(Some("a"), Outcome::Approve, "computed"));
        assert!(!verdicts.count(Some("b"), Outcome::Escalate, "rule-error"));
        let by_rule = verdicts.by_rule();
        assert_eq!((by_rule["a"], by_rule[NO_RULE]), ([1, 0, 1], [0, 0, 1]));
        assert_eq!(by_rule[OTHER], [1, 0, 1]);
        verdicts.of(&one("a", "approve(\"small\");"));
        assert_eq!(
            shown(&verdicts),
            ["a approve small 1", "a escalate rule-error 1", "none escalate no-rule-approved 1"]
        );
        verdicts.of(&one("b", "approve(\"small\");"));
        assert_eq!(shown(&verdicts), ["b approve small 0", "none escalate no-rule-approved 1"]);
    }

    #[test]
    fn the_series_are_bounded() {
        let verdicts = Verdicts::default();
        let calls: String =
            (0..8).map(|n| format!("if order.x == {n} {{ approve(\"code-{n}\") }}\n")).collect();
        let rules: Vec<_> = (0..40).map(|n| (format!("rule-{n}"), calls.clone())).collect();
        verdicts.of(&ruleset(&rules));
        let counted: Vec<bool> = (0..40)
            .flat_map(|rule| (0..8).map(move |code| (rule, code)))
            .map(|(rule, code)| {
                verdicts.count(Some(&format!("rule-{rule}")), Outcome::Approve, &format!("code-{code}"))
            })
            .collect();
        assert_eq!(counted.iter().filter(|own| **own).count(), MOST_SERIES - Outcome::ALL.len());
        assert!(!verdicts.count(Some("rule-1"), Outcome::Escalate, "rule-error"), "no room");
        let counts = verdicts.lock();
        assert_eq!(counts.series.len(), MOST_SERIES);
        let other = counts.series[&named(OTHER, Outcome::Approve, OTHER)];
        assert_eq!(usize::try_from(other).unwrap(), 320 - (MOST_SERIES - Outcome::ALL.len()));
    }
}
