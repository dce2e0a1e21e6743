use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::Value;

use super::parser::parse;
use super::*;
use crate::names::composed;

/// What a reader of JSON that knows nothing of this one makes of the same text, where the two must agree.
fn same(json: &Json<'_>, value: &Value) -> bool {
    match (json, value) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(a), Value::Bool(b)) => a == b,
        (Json::Number(a), Value::Number(b)) => number::parse(b.as_str()) == Some(*a),
        (Json::Text(a), Value::String(b)) => *a == composed(b),
        (Json::List(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Record(a), Value::Object(b)) => {
            let like = |name: &str| b.iter().find(|(other, _)| composed(other) == name);
            a.len() == b.len() && a.iter().all(|(name, a)| like(name).is_some_and(|(_, b)| same(a, b)))
        }
        _ => false,
    }
}

#[test]
fn a_key_of_a_library_is_a_plain_key() {
    for name in ["$serde_json::private::Number", "$serde_json::private::RawValue", "$__toml_private_datetime"]
    {
        let text = format!(r#"{{"amount":{{"{name}":"40"}}}}"#);
        let amount = Json::Record(vec![(name.into(), Json::Text("40".into()))]);
        assert_eq!(parse(&text), Ok(Json::Record(vec![("amount".into(), amount)])));
    }
}

#[test]
fn what_cannot_be_read_is_named_with_its_path() {
    for (text, expected) in [
        (r#"{"a":1,"a":1}"#, "order.a occurs twice"),
        (r#"{"a":{"":1,"":2}}"#, "order.a.'' occurs twice"),
        (r#"{"a":1,"b":2,"\u0061":3}"#, "order.a occurs twice"),
        (r#"{"l":[{"x":1},{"y":[{"z":1,"z":2}]}]}"#, "order.l[].y[].z occurs twice"),
        ("{\"gr\u{f6}\u{df}e\":1,\"gro\u{308}\u{df}e\":2}", "order.gr\u{f6}\u{df}e occurs twice"),
        (r#"{"a":{"b":[1e30]}}"#, "order.a.b[] has more digits than can be kept exactly (28)"),
        (r"[0.00000000000000000000000000001]", "order[] has more digits than can be kept exactly (28)"),
        ("1e-30", "order has more digits than can be kept exactly (28)"),
        ("", "the order is not JSON: error at line 1, column 1"),
        ("{\n \"a\": nul}", "the order is not JSON: error at line 2, column 7"),
        ("{} x", "the order is not JSON: error at line 1, column 4"),
        ("\u{feff}{}", "the order is not JSON: error at line 1, column 1"),
    ] {
        let problem = parse(text).unwrap_err().describe("order", text, str::len);
        assert_eq!(problem, expected, "{text}");
    }
    let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
    assert_eq!(parse(&deep), Err(Problem::Depth));
    assert!(parse(&deep[1..257]).is_ok());
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "01",
        "-",
        "1.",
        ".5",
        "+1",
        "1e",
        "1e+",
        "--1",
        "NaN",
        "Infinity",
        "0x1",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u+123\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\n\"",
        "\"\t\"",
        "\"\u{1f}\"",
        "tru",
        "True",
        "[",
        "]",
        "{",
        "}",
        "[}",
        "1 1",
        "// x\n1",
        "\u{a0}1",
        "\"\\u{41}\"",
        "\"\\\"",
    ] {
        assert!(matches!(parse(text), Err(Problem::Syntax(_))), "{text}");
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text} is JSON after all");
    }
}

fn document() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,12})(\\.[0-9]{1,12})?([eE][+-]?[0-9])?",
        "\"([a-zäé𝄞]|\\\\[\"\\\\/bfnrt]|\\\\u00[4-6][0-9a-f]|\\\\ud834\\\\udd1e){0,6}\"",
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        let key = "[a-e]{1,2}|\\\\u0061";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(" ,"))),
            prop::collection::vec((key, inner), 0..4).prop_map(|all| {
                let fields: Vec<String> = all.into_iter().map(|(k, v)| format!("\"{k}\": {v}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

/// How a text is damaged: a byte's place, and the byte that replaces it.
fn damage() -> impl Strategy<Value = Vec<(usize, String)>> {
    let piece = prop_oneof![
        Just(String::new()),
        "[\\[\\]{}\",:\\\\ 0-9eE+.tfnu-]",
        Just("\"a\":1,".to_owned()),
        Just("1e40".to_owned()),
    ];
    prop::collection::vec((any::<usize>(), piece), 0..3)
}

fn damaged(mut text: String, damage: &[(usize, String)]) -> String {
    for (place, piece) in damage {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        if let Some(at) = places.get(place % places.len().max(1)) {
            let end = at + text[*at..].chars().next().map_or(0, char::len_utf8);
            text.replace_range(*at..end, piece);
        }
    }
    text
}

#[test]
fn mutated_json_is_read_as_another_reader_reads_it_or_refused() {
    let cases = ProptestConfig::default().cases.max(4_000);
    let config = ProptestConfig { failure_persistence: None, cases, ..ProptestConfig::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let (mut read, mut refused, mut twice) = (0, 0, 0);
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, rng);
    for _ in 0..cases {
        let text = (document(), damage()).new_tree(&mut runner).unwrap().current();
        let text = damaged(text.0, &text.1);
        let other = serde_json::from_str::<Value>(&text);
        match parse(&text) {
            Ok(json) => {
                read += 1;
                assert!(other.as_ref().is_ok_and(|value| same(&json, value)), "{text}: {json:?}, {other:?}");
            }
            // Only this reader refuses these, and only where the other sees JSON.
            Err(Problem::Twice(_)) => twice += 1,
            Err(Problem::Inexact(_) | Problem::Depth) => {}
            Err(Problem::Syntax(_)) => {
                refused += 1;
                assert!(other.is_err(), "{text}");
            }
        }
    }
    assert!(read > 500 && refused > 500 && twice > 20, "too one-sided: {read}, {refused}, {twice}");
}
