//! Random guards on random orders, against an oracle that knows nothing of the engine: its own numbers, its own rules
//! for what may be compared with what. A guard that holds must escalate, one that does not must approve, and one that
//! cannot be told must fail.
//!
//! `GUARDS=1000000` evaluates more of them, `SEED=7` others.

mod guard;
mod random;
mod value;

use std::fmt::Write as _;

use rules::{Cause, Ended, Files, Outcome, Ruleset};

use self::guard::{Guard, NAMES};
use self::random::{Random, an_order, guard};
use self::value::Value;
use crate::evaluate::{files, task};

const RULES: usize = 50;
const ORDERS: usize = 25;

/// A ruleset with one guard a rule.
fn ruleset(guards: &[Guard]) -> Files {
    let mut entries = files(&[("params/limits.toml", "most = 5.5\n")]);
    entries.insert("lists/names.txt".to_owned(), NAMES.join("\n").into_bytes());
    for (n, guard) in guards.iter().enumerate() {
        let mut script = format!("//! id: r-{n:02}\nlet least = 2;\n");
        let _ = write!(script, "if {} {{\n    escalate(\"hit\", \"it holds\");\n}}\n", guard.script());
        script.push_str(
            "if least == 2 && limits.most > 0 && \"DE\" in lists.names {\n    approve(\"ok\");\n}\n",
        );
        entries.insert(format!("rules/{n:02}.rhai"), script.into_bytes());
    }
    entries
}

fn environment(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn random_guards_decide_as_an_oracle_says() {
    let seed = environment("SEED").unwrap_or(20_261_122);
    let wanted = environment("GUARDS").unwrap_or(50_000);
    let mut random = Random(seed);
    let (mut evaluated, mut held, mut failed) = (0_u64, 0_u64, 0_u64);
    while evaluated < wanted {
        let guards: Vec<Guard> = (0..RULES).map(|_| guard(&mut random, false, 2)).collect();
        let compiled = Ruleset::from_files(ruleset(&guards));
        let compiled = compiled.unwrap_or_else(|refused| panic!("SEED={seed}: {refused}"));
        for _ in 0..ORDERS {
            let order = an_order(&mut random);
            let json = order.json();
            let evaluation = compiled.evaluate(&task(Some(&json)));
            assert_eq!(evaluation.verdicts.len(), RULES, "SEED={seed}: {json}: {:?}", evaluation.verdict);
            for (guard, verdict) in guards.iter().zip(&evaluation.verdicts) {
                let told = match guard.told(&order, None) {
                    Some(Value::Bool(holds)) => Some(holds),
                    _ => None,
                };
                let answer = match &verdict.ended {
                    Ended::Gave { outcome: Outcome::Escalate, .. } => Some(true),
                    Ended::Gave { outcome: Outcome::Approve, .. } => Some(false),
                    Ended::Failed { cause: Cause::RuleError, .. } => None,
                    other => panic!("SEED={seed}: {other:?}"),
                };
                let ended = &verdict.ended;
                assert_eq!(answer, told, "SEED={seed}\n{}\n{json}\n{ended:?}", guard.script());
                evaluated += 1;
                held += u64::from(told == Some(true));
                failed += u64::from(told.is_none());
            }
        }
    }
    let enough = held > evaluated / 10 && failed > evaluated / 20 && held + failed < evaluated * 9 / 10;
    assert!(enough, "too one-sided: {held} held and {failed} failed of {evaluated}");
}
