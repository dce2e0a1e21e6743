//! Evaluations that are recorded: whatever becomes faster inside, records and explanations stay the same, byte by byte.
//!
//! The rulesets in `recorded/` are this test's own and never change. Each decides the same orders: a plain one, and that
//! one with one or two values replaced, removed or written twice.

use std::fmt::Write as _;
use std::path::Path;

use rules::explain::explain;
use rules::{Outcome, Ruleset};
use sha2::{Digest as _, Sha256};

use crate::evaluate::task;

/// The plain order: each part between bars is a field, which a change may touch.
const ORDER: &str = r#"{|"amount":240.50|,"currency":"EUR"|,"since":"2026-01-16"|,"name":"Ada"|,"note":"call"|,"codes":["a","b"]|,"vip":true|,"customer":{"id":"c-1","tier":"silver","country":"DE","ageDays":200}|,"items":[{"sku":"A","category":"books","quantity":1,"price":40.50},{"sku":"B","category":"toys","quantity":2,"price":100.00}]|}"#;

/// What a change puts in the place of what.
const CHANGES: [(&str, &str); 36] = [
    ("240.50", "40.50"),
    ("240.50", "6000.00"),
    ("240.50", "\"240.50\""),
    ("240.50", "null"),
    ("240.50", "-1"),
    ("240.50", "240.505"),
    ("240.50", "1e2"),
    ("\"amount\"", "\"amuont\""),
    ("\"EUR\"", "\"GBP\""),
    ("\"EUR\"", "\"XXX\""),
    ("\"2026-01-16\"", "\"2020-02-30\""),
    ("\"2026-01-16\"", "\"2020-02-29T12:00:00+01:00\""),
    ("\"Ada\"", "\"  xenia \""),
    ("\"Ada\"", "5"),
    ("\"call\"", "\"urgent \\u00e9 \\\"quoted\\\"\""),
    ("\"call\"", "\"late\""),
    ("[\"a\",\"b\"]", "[\"risky\",\"\\t\"]"),
    ("[\"a\",\"b\"]", "[]"),
    ("true", "false"),
    ("true", "null"),
    ("\"silver\"", "\"gold\""),
    ("\"silver\"", "\"platinum\""),
    ("\"DE\"", "\"KP\""),
    ("\"DE\"", "\" de \""),
    ("\"ageDays\":200", "\"ageDays\":5"),
    ("\"ageDays\":200", "\"ageDays\":2.5"),
    ("\"books\"", "\"perfume\""),
    ("\"books\"", "\"lasers\""),
    ("\"toys\"", "\"perfume\""),
    ("\"sku\":\"B\"", "\"sku\":\"A\""),
    ("\"quantity\":2", "\"quantity\":20"),
    ("\"quantity\":2", "\"gift\":true,\"quantity\":2"),
    ("100.00", "99.995"),
    ("100.00", "1234567890123456789012345678901"),
    ("\"currency\"", "\"amount\""),
    ("{\"sku\"", "[\"sku\""),
];

/// The plain order, every single change, every pair of changes and every field left out.
fn orders() -> Vec<String> {
    let mut orders = vec![ORDER.replace('|', "")];
    for (place, (before, after)) in CHANGES.iter().enumerate() {
        let once = ORDER.replacen(before, after, 1);
        let others = CHANGES[place + 1..].iter().map(|(before, after)| once.replacen(before, after, 1));
        orders.extend(others.chain([once.clone()]).map(|order| order.replace('|', "")));
    }
    let fields: Vec<&str> = ORDER.split('|').collect();
    for left_out in 1..fields.len() - 1 {
        let kept = fields.iter().enumerate().filter(|(place, _)| *place != left_out);
        orders.push(kept.map(|(_, field)| *field).collect::<String>().replacen("{,", "{", 1));
    }
    orders
}

#[test]
fn records_and_explanations_stay_the_same_byte_by_byte() {
    let mut told = String::new();
    for name in ["shop", "free", "facts"] {
        let ruleset = Ruleset::load(&Path::new("tests/it/recorded").join(name)).unwrap();
        let (mut records, mut explanations, mut outcomes) = (Sha256::new(), Sha256::new(), [0; 3]);
        let engine = |text: String| text.replace(ruleset.engine_fingerprint(), "ENGINE");
        let orders = orders();
        for (place, order) in orders.iter().map(|order| Some(order.as_str())).chain([None]).enumerate() {
            let evaluation = ruleset.evaluate(&task(order));
            let outcome = Outcome::ALL.iter().position(|outcome| *outcome == evaluation.verdict.outcome());
            outcomes[outcome.unwrap()] += 1;
            records.update(engine(evaluation.to_json()));
            // Each explanation compiles its ruleset again.
            if place % 16 == 0 {
                explanations.update(engine(explain(&ruleset, &task(order)).to_string()));
            }
        }
        let hex = |digest: Sha256| {
            digest.finalize().iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        };
        let [approved, rejected, escalated] = outcomes;
        writeln!(told, "{name}: {approved} approved, {rejected} rejected, {escalated} escalated").unwrap();
        writeln!(told, "  records      {}", hex(records)).unwrap();
        writeln!(told, "  explanations {}", hex(explanations)).unwrap();
    }
    insta::assert_snapshot!(told);
}
