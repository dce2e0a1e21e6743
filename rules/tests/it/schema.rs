//! What a schema asks of values besides their type, row by row.

use rules::{Ruleset, check};

use crate::evaluate::{files, task};

/// What comes of an order under a schema: `ok` and the text of `order.x`, or why the task is invalid.
fn read(fields: &str, order: &str) -> String {
    let schema = format!("[fields]\n{fields}\n");
    let script = "if order.get(\"x\", \"none\").to_string().len() >= 0 { approve(\"ok\", `${order.get(\"x\", \"none\")}`); }";
    let script = if fields.contains("list") || fields.contains("[]") { "approve(\"ok\");" } else { script };
    let ruleset = Ruleset::from_files(files(&[("a.rhai", script), ("schema/order.toml", &schema)]));
    let verdict = ruleset.unwrap_or_else(|refused| panic!("{refused}")).evaluate(&task(Some(order))).verdict;
    assert!(matches!(verdict.code(), "ok" | "invalid-task"), "{fields}: {verdict:?}");
    format!("{} {}", verdict.code(), verdict.text())
}

/// A field's settings, an order, and what comes of it.
const ROWS: &[(&str, &str, &str)] = &[
    (r#"x = { type = "money", min = "0.01", max = 100000 }"#, r#"{"x":0.01}"#, "ok 0.01"),
    (
        r#"x = { type = "money", min = "0.01", max = 100000 }"#,
        r#"{"x":-400}"#,
        "invalid-task order.x is -400.00, less than 0.01",
    ),
    (
        r#"x = { type = "money", min = "0.01", max = 100000 }"#,
        r#"{"x":"0.00"}"#,
        "invalid-task order.x is 0.00, less than 0.01",
    ),
    (
        r#"x = { type = "money", min = 0.01, max = 1e5 }"#,
        r#"{"x":100000.01}"#,
        "invalid-task order.x is 100000.01, more than 100000",
    ),
    (r#"x = { type = "integer", min = 1 }"#, r#"{"x":0}"#, "invalid-task order.x is 0, less than 1"),
    (r#"x = { type = "integer", min = 1 }"#, r#"{"x":1.0}"#, "ok 1"),
    (
        r#"x = { type = "decimal", max = -0.5 }"#,
        r#"{"x":-0.4}"#,
        "invalid-task order.x is -0.4, more than -0.5",
    ),
    (
        r#"x = { type = "money", min = 1, optional = true }"#,
        r#"{"x":0}"#,
        "invalid-task order.x is 0.00, less than 1",
    ),
    (r#"x = { type = "money", min = 1, optional = true }"#, r#"{"x":null}"#, "ok none"),
    (r#"x = { type = "text", trim = true, case = "upper" }"#, r#"{"x":" kp\t"}"#, "ok KP"),
    (r#"x = { type = "text", case = "lower" }"#, r#"{"x":"ÄB "}"#, "ok äb "),
    (
        r#"x = { type = "text", trim = true, min_length = 2 }"#,
        r#"{"x":"  ä  "}"#,
        "invalid-task order.x is 'ä', shorter than 2 characters",
    ),
    (r#"x = { type = "text", min_length = 2 }"#, r#"{"x":"äö"}"#, "ok äö"),
    (r#"x = { type = "text", pattern = "[A-Z]{2}" }"#, r#"{"x":"DE"}"#, "ok DE"),
    (
        r#"x = { type = "text", pattern = "[A-Z]{2}" }"#,
        r#"{"x":"DE "}"#,
        "invalid-task order.x is 'DE ', which does not match [A-Z]{2}",
    ),
    (
        r#"x = { type = "text", pattern = "[A-Z]{2}", masked = true }"#,
        r#"{"x":"secret"}"#,
        "invalid-task order.x is not a value that the schema allows",
    ),
    (
        r#"x = { type = "integer", min = 5, masked = true }"#,
        r#"{"x":4}"#,
        "invalid-task order.x is not a value that the schema allows",
    ),
    (
        r#"x = { type = "text", choices = ["EUR", "USD"], trim = true, case = "upper" }"#,
        r#"{"x":"eur "}"#,
        "ok EUR",
    ),
    (
        r#"x = { type = "date" }"#,
        r#"{"x":"22.11.2026"}"#,
        "invalid-task order.x is '22.11.2026', neither a date such as 2026-11-22 nor a moment in RFC 3339",
    ),
    (r#"l = { type = "list", of = "text", unique = true }"#, r#"{"l":["a","b"]}"#, "ok "),
    (
        r#"l = { type = "list", of = "text", unique = true, case = "lower" }"#,
        r#"{"l":["a","b","A"]}"#,
        "invalid-task order.l[] is 'a' in two entries",
    ),
    (
        r#"l = { type = "list", of = "text", unique = true }"#,
        "{\"l\":[\"Caf\u{e9}\",\"Cafe\u{301}\"]}",
        "invalid-task order.l[] is 'Caf\u{e9}' in two entries",
    ),
    (
        r#"l = { type = "list", of = "text", unique = true, trim = true, case = "upper" }"#,
        r#"{"l":["straße"," STRASSE"]}"#,
        "invalid-task order.l[] is 'STRASSE' in two entries",
    ),
    ("x = { type = \"text\", choices = [\"Cafe\u{301}\"] }", "{\"x\":\"Caf\u{e9}\"}", "ok Caf\u{e9}"),
    (
        r#"l = { type = "list", of = "decimal", unique = true, max = 9 }"#,
        r#"{"l":[1.0,1]}"#,
        "invalid-task order.l[] is '1' in two entries",
    ),
    (
        r#"l = { type = "list", of = "decimal", max = 9 }"#,
        r#"{"l":[1,10]}"#,
        "invalid-task order.l[] is 10, more than 9",
    ),
    (
        r#"l = { type = "list", of = "text", min_length = 2 }"#,
        r#"{"l":["a"]}"#,
        "invalid-task order.l has 1 entry, fewer than 2",
    ),
    (
        "\"l[].sku\" = { type = \"text\", unique = true }\nl = { type = \"list\", min_length = 1 }",
        r#"{"l":[]}"#,
        "invalid-task order.l has 0 entries, fewer than 1",
    ),
    (
        "\"l[].sku\" = { type = \"text\", unique = true }",
        r#"{"l":[{"sku":"A"},{"sku":"B"},{"sku":"A"}]}"#,
        "invalid-task order.l[].sku is 'A' in two entries",
    ),
    (
        "\"l[].id\" = { type = \"integer\", unique = true, masked = true }",
        r#"{"l":[{"id":7},{"id":7}]}"#,
        "invalid-task order.l[].id is the same in two entries",
    ),
    (
        "\"l[].id\" = { type = \"integer\", unique = true, optional = true }",
        r#"{"l":[{"id":7},{},{"id":null}]}"#,
        "ok ",
    ),
    (
        "\"l[].q\" = { type = \"integer\", min = 1 }",
        r#"{"l":[{"q":10},{"q":-10}]}"#,
        "invalid-task order.l[].q is -10, less than 1",
    ),
];

#[test]
fn a_value_is_as_the_schema_says_or_the_task_is_invalid() {
    for (fields, order, expected) in ROWS {
        assert_eq!(read(fields, order), *expected, "{fields} {order}");
    }
}

#[test]
fn mistakes_in_a_schema_are_told() {
    for (field, message) in [
        (r#"x = { type = "text", min = 1 }"#, "'x': min and max are for integer, decimal and money"),
        (r#"x = { type = "money", min = 2, max = 1 }"#, "'x': min is more than max"),
        (r#"x = { type = "money", min = "much" }"#, "min of 'x' is not a number"),
        (r#"x = { type = "money", min = true }"#, "min of 'x' is not a number"),
        (r#"x = { type = "integer", pattern = "a" }"#, "'x': pattern, trim and case are for text"),
        (r#"x = { type = "integer", trim = true }"#, "'x': pattern, trim and case are for text"),
        (r#"x = { type = "text", case = "title" }"#, "case of 'x' is not \"upper\" or \"lower\""),
        (
            r#"x = { type = "text", pattern = "[" }"#,
            "pattern of 'x' is not a pattern: unclosed character class",
        ),
        (r#"x = { type = "text", trim = 1 }"#, "trim of 'x' is not true or false"),
        (r#"x = { type = "text", min_length = 0 }"#, "min_length of 'x' is not a whole number of at least 1"),
        (r#"x = { type = "integer", min_length = 2 }"#, "'x': min_length is for text and list"),
        (
            r#"x = { type = "text", unique = true }"#,
            "'x': unique is for list, and for a field of a list's records",
        ),
        (
            r#"x = { type = "text", case = "upper", choices = ["eur"] }"#,
            "choices of 'x' has 'eur', which no value equals after trim and case",
        ),
        (
            r#"x = { type = "text", mim = 1 }"#,
            "'x' has the unknown setting 'mim' (it may have type, optional, masked, choices, scale, of, min, max, \
             min_length, pattern, trim, case, unique)",
        ),
    ] {
        let schema = format!("[fields]\n{field}\n");
        let checked = check::check(
            files(&[("a.rhai", "approve(\"x\");"), ("schema/order.toml", &schema)]),
            "2026-11-22",
        );
        let found: Vec<&str> = checked.findings.iter().map(|finding| finding.message.as_str()).collect();
        assert!(found.contains(&message), "{field}: {found:?}");
    }
}
