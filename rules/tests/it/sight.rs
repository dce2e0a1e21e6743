//! What check says, whatever it is asked: it ends soon, never panics, and uses no word of the engine.

use rules::check::{Format, check};

use crate::evaluate::files;

const SCHEMA: &str = "[fields]\namount = \"money\"\ncountry = \"text\"\nsince = \"date\"\nvip = \"boolean\"\n\
                      coupon = { type = \"text\", optional = true }\ncodes = { type = \"list\", of = \"text\" }\n\
                      \"items[].price\" = \"money\"\n\"items[].sku\" = \"text\"\n\"customer.tier\" = \"text\"\n";
/// Values of each kind.
const VALUES: [&str; 16] = [
    "5",
    "1.5",
    "\"text\"",
    "true",
    "()",
    "[1]",
    "#{ a: 1 }",
    "0..3",
    "|x| x",
    "order",
    "order.amount",
    "order.country",
    "order.since",
    "order.coupon",
    "order.items",
    "lists.vip",
];
/// Parts of the engine's own messages and types.
const WORDS: [&str; 14] = [
    "&str",
    "ImmutableString",
    "i64",
    "INT",
    "Decimal",
    "decimal)",
    "Fn(",
    "FnPtr",
    "Dynamic",
    "rust_decimal",
    "rhai",
    "Array",
    "map)",
    "function not found",
];

fn findings(script: &str) -> String {
    let set = files(&[("a.rhai", script), ("schema/order.toml", SCHEMA), ("lists/vip.txt", "A\n")]);
    check(set, "2026-11-22").render(Format::Text)
}

#[test]
fn no_message_uses_a_word_of_the_engine() {
    let operators = ["+", "-", "*", "/", "%", "==", "<", "&&", "||", "??", "in", "&"];
    let methods = [
        "len()",
        "sum()",
        "sum(\"price\")",
        "to_upper()",
        "filter(|x| x)",
        "map(|x| x.price)",
        "push(1)",
        "has(\"amount\")",
        "get(\"amount\", 1)",
        "starts_with(5)",
        "price",
        "split(1)",
        "join()",
        "round(2)",
    ];
    let functions = ["money", "decimal", "days_between", "max", "abs", "date", "weekday", "hour"];
    let mut told = 0;
    for a in VALUES {
        let alone = methods.map(|method| format!("let _{} = a.{method};\n", method.len()));
        let texts = "approve(\"x\", a); for i in a { escalate(\"y\", `${i}`); } if a { approve(a); } a[a];\n";
        told += look(&format!("let a = {a};\n{}{texts}", alone.concat()));
        for b in VALUES {
            let binary = operators.map(|operator| format!("if a {operator} b {{ pass(); }}\n")).concat();
            let calls =
                functions.map(|function| format!("if {function}(a, b) == b {{ pass(); }}\n")).concat();
            told += look(&format!("let a = {a}; let b = {b};\n{binary}{calls}"));
        }
    }
    assert!(told > 2_000, "check says little: {told}");
}

/// How many lines check says of a script, none of which is the engine's.
fn look(script: &str) -> usize {
    let told = findings(script);
    let lines = told.lines().filter(|line| line.starts_with("error") || line.contains("help:"));
    for line in lines.clone() {
        let word = WORDS.iter().find(|word| line.contains(*word));
        assert_eq!(word, None, "{script}\n{told}");
    }
    lines.count()
}

#[test]
fn functions_that_call_each_other_twice_end_soon() {
    let mut script = String::from("fn f0(x) { x }\n");
    for n in 1..31 {
        let before = n - 1;
        script.push_str(&format!(
            "fn f{n}(x) {{ if f{before}([x]) == 1 && f{before}(\"{n}\") == 2 {{ f{before}(x) }} else {{ [x].map(f{before}) }} }}\n"
        ));
    }
    script.push_str("if f30(order.items) == 1 { pass(); }\n");
    assert!(findings(&script).contains("cannot compare a list with a number"));
}
