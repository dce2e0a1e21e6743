//! What the handbook says, and an example of it.

/// The order that is decided.
pub(super) const ORDER: &str = r#"{"amount":1200.50,"coupon":null,"ship-to":"DE","note":"to DE","items":[
    {"sku":"A","price":2.50,"quantity":1},{"sku":"B","price":10,"quantity":3}],"codes":["x","y"],"id":"ab-12"}"#;

/// The rule of a folder that holds something else beside it.
pub(super) const RULE: &str = "if order.amount > 5 { approve(\"a\"); }\n";

/// The handbook's words; a condition that is true, or fails with these words.
pub(super) const CONDITIONS: &[(&str, &str, &str)] = &[
    ("conditions are true or false, nothing else", "order.note", " "),
    ("0.1 + 0.2 == 0.3, 10 / 4 == 2.5", "0.1 + 0.2 == 0.3 && 10 / 4 == 2.5 && 2 ** 3 == 8 && 7 % 4 == 3", ""),
    ("joins two texts; nothing else is joined", "\"a\" + \"b\" == \"ab\"", ""),
    ("joins two texts; nothing else is joined", "\"a\" + 1 == \"a1\"", "two numbers or two texts"),
    ("lists and records of your own", "[1, 2][1] == 2 && #{ a: 1 }.a == 1", ""),
    (
        "membership in a list; !in is its opposite",
        "\"x\" in [\"x\"] && \"z\" !in [\"x\"] && \"KP\" in lists.all",
        "",
    ),
    ("b where a is nothing", "(order.coupon ?? \"none\") == \"none\"", ""),
    ("of equal types only; anything else is an error", "order.amount > \"5\"", "cannot compare"),
    ("order.amount / 3` fails whenever the result has no end", "order.amount / 11 > 5", "digits"),
    ("`divide(order.amount, 3, 2)`", "divide(order.amount, 3, 2) == 400.17", ""),
    ("`in` searches lists", "\"DE\" in order.note", "contains"),
    ("use `order.note.contains(\"DE\")`", "order.note.contains(\"DE\")", ""),
    (
        "A function for `filter`, `find`, `some` or `all` must return true or false",
        "order.items.some(|i| i.sku)",
        "not true or false",
    ),
    ("is an error where the coupon is missing", "`${order.coupon}` == \"\"", "missing value"),
    ("`` `${order.coupon ?? \"none\"}` `` is not", "`${order.coupon ?? \"none\"}` == \"none\"", ""),
    ("Reading a field that does not exist is an error too", "order.voucher == \"x\"", "no field"),
    ("comparing with a field that exists but is empty", "order.coupon == \"x\"", "cannot compare nothing"),
    ("Check first with `order.has(\"coupon\")`", "!order.has(\"coupon\") && order.has(\"amount\")", ""),
    ("`order.get(\"coupon\", \"none\")`", "order.get(\"coupon\", \"none\") == \"none\"", ""),
    (
        "18:00-08:00 is after 20:00Z",
        "date(\"2026-11-22T18:00:00-08:00\") > date(\"2026-11-22T20:00:00Z\")",
        "",
    ),
    (
        "A date without a time is its first moment in UTC",
        "date(\"2026-11-22\") == \"2026-11-22T00:00:00Z\"",
        "",
    ),
    ("`task.now < \"2026-12-24\"`", "task.now < \"2026-12-24\"", ""),
    ("and so are the entries of a list", "date(\"2026-12-24T00:00:00Z\") in [\"2026-12-24\"]", ""),
    ("Two texts that contain dates cannot be ordered", "\"2026-11-22\" < \"2026-12-24\"", "date"),
    ("read it with brackets: `order[\"ship-to\"]`", "order[\"ship-to\"] == \"DE\"", ""),
    (
        "the sum of a field, or of a list of numbers",
        "order.items.sum(\"price\") == 12.5 && [1, 2].sum() == 3",
        "",
    ),
    ("the sum of the products of two fields", "order.items.sum_product(\"price\", \"quantity\") == 32.5", ""),
    (
        "the greatest and the least value; nothing for an empty list",
        "order.items.max_of(\"price\") == 10 && order.items.min_of(\"price\") == 2.5 && (order.items.filter(|i| false).max_of(\"price\") ?? 0) == 0",
        "",
    ),
    (
        "the records whose field is in the list; also works with `[\"a\", \"b\"]`",
        "order.items.where_in(\"sku\", [\"A\"]).len() == 1",
        "",
    ),
    (
        "whether there is such a record",
        "order.items.any_in(\"sku\", [\"A\"]) && !order.items.any_in(\"sku\", lists.all)",
        "",
    ),
    (
        "the texts, joined by commas",
        "order.items.join(\"sku\") == \"A, B\" && order.codes.join() == \"x, y\"",
        "",
    ),
    (
        "the first of them, or nothing",
        "order.items.find(|i| i.price > 5).sku == \"B\" && (order.items.find(|i| i.price > 50) ?? 0) == 0",
        "",
    ),
    (
        "for an empty list `some` is false and `all` is true",
        "let none = []; !none.some(|x| true) && none.all(|x| false)",
        "",
    ),
    (
        "the result of a function for each entry; then `.sum()` or `.join()`",
        "order.items.map(|i| i.price * 2).sum() == 25",
        "",
    ),
    (
        "combines a start value with each entry in turn",
        "order.items.reduce(|total, i| total + i.price, 0) == 12.5",
        "",
    ),
    (
        "`contains` is `in`",
        "order.codes.contains(\"x\") && order.codes[0] == \"x\" && order.codes.len() == 2 && !order.codes.is_empty()",
        "",
    ),
    (
        "with at least two decimal places, and never rounded",
        "money(5) == \"5.00\" && money(1.005) == \"1.005\"",
        "",
    ),
    (
        "with exactly `places`; halves are rounded up",
        "money(1.005, 2) == \"1.01\" && money(2, 3) == \"2.000\"",
        "",
    ),
    (
        "the number in a text, or the whole number; an error if there is none",
        "decimal(\"12.50\") == 12.5 && parse_int(\"12\") == 12",
        "",
    ),
    (
        "the number in a text, or the whole number; an error if there is none",
        "parse_int(\"12.5\") == 12",
        "not a whole number",
    ),
    (
        "the whole days (UTC), or the whole hours",
        "days_between(\"2026-11-20\", task.now) == 2 && hours_between(\"2026-11-22\", task.now) == 10",
        "",
    ),
    (
        "1 for Monday to 7 for Sunday, and the hour, 0 to 23",
        "weekday(task.now, \"Europe/Berlin\") == 7 && hour(task.now, \"Europe/Berlin\") == 11",
        "",
    ),
    (
        "`abs`, `min`, `max`, `floor`, `ceiling`, `int`, `fraction`",
        "abs(-2) == 2 && min(1, 2) == 1 && max(1, 2) == 2 && floor(1.5) == 1 && ceiling(1.5) == 2 && int(-1.5) == -1 && fraction(1.5) == 0.5",
        "",
    ),
    (
        "`round` rounds halves to even",
        "round(2.5, 0) == 2 && round_half_up(2.5, 0) == 3 && round_half_down(2.5, 0) == 2 && round_up(2.1, 0) == 3 && round_down(2.9, 0) == 2",
        "",
    ),
    (
        "positions count characters from 0",
        "\"größe\".index_of(\"e\") == 4 && \"größe\".len() == 5 && \"größe\".starts_with(\"gr\") && \"größe\".ends_with(\"e\")",
        "",
    ),
    (
        "make texts from texts or from values",
        "\" a-b \".trim().replace(\"-\", \"\").to_upper() == \"AB\" && \"abc\".sub_string(1, 2) == \"bc\" && \"a,b\".split(\",\").len() == 2 && 5.to_string() == \"5\" && \"A\".to_lower() == \"a\"",
        "",
    ),
    (
        "whether a regular expression matches the whole text",
        "\"DE12\".matches(\"[A-Z]{2}[0-9]+\") && !\"xDE12\".matches(\"[A-Z]{2}[0-9]+\")",
        "",
    ),
    ("`/` of whole numbers gives a decimal", "7 / 2 == 3.5", ""),
    ("Texts that contain numbers cannot be ordered with `<`", "\"900\" < \"1000\"", "decimal"),
    (
        "a comment: # at the start of a line, or after a blank",
        "\"A#12\" in lists.all && \"New York\" in lists.all",
        "",
    ),
    ("in a date", "date(\"2026-12-24\") in lists.dates", ""),
];

/// The handbook's words; a file beside a rule; how the finding about it begins.
pub(super) const FOLDERS: &[(&str, &str, &str, &str)] = &[
    (
        "both are whole days, and a time of day is an error",
        "rules/b.rhai",
        "//! from: 2026-12-01T10:00\npass();\n",
        "error",
    ),
    ("A header line further down is an error", "rules/b.rhai", "let x = 1;\n//! mode: off\n", "error"),
    ("a comment that looks like one (`// mode: off`)", "rules/b.rhai", "// mode: off\npass();\n", "error"),
    (
        "`while`, `loop`, `do`, `try`, `throw`, `switch`, `eval`, `import`, `print`",
        "rules/b.rhai",
        "while true { }\n",
        "error",
    ),
    (
        "`check` rejects a rule that tries",
        "rules/b.rhai",
        "let n = 1;\nif order.items.some(|i| i.price > n) { pass(); }\nn = 2;\n",
        "error[changed-capture]",
    ),
    ("another folder (`rule/`)", "rule/b.rhai", RULE, "error"),
    ("a folder inside `rules/`", "rules/more/b.rhai", RULE, "error"),
    ("another suffix (`.rhia`, `.RHAI`, `.csv`)", "rules/b.rhia", RULE, "error"),
    ("another name (`schema/orders.toml`)", "schema/orders.toml", "[fields]\namount = \"money\"\n", "error"),
    ("such as a `Makefile` or an `order.json`", "order.json", "{}\n", "warning"),
    (
        "editors' backup copies (`.10-first.rhai.swp`, `10-first.rhai~`) give a warning",
        "rules/b.rhai~",
        RULE,
        "warning",
    ),
    ("An empty file is an error", "rules/b.rhai", "", "error"),
    ("a rule without a statement", "rules/b.rhai", "//! id: b\n", "error"),
    ("a list without an entry", "lists/l.txt", "# nothing\n", "error"),
    ("an invisible character", "rules/b.rhai", "// a\u{200b}b\npass();\n", "error"),
    ("an entry in quotes", "lists/l.txt", "\"KP\"\n", "error"),
    ("an entry that ends in a separator", "lists/l.txt", "KP,\n", "error"),
    ("an entry that looks like several (`KP, SY`)", "lists/l.txt", "KP, SY\n", "warning"),
    ("like another format or a pattern (`- KP`, `K*`,", "lists/l.txt", "- KP\n", "warning[marked-entry]"),
    ("like another format or a pattern (`- KP`, `K*`,", "lists/l.txt", "K*\n", "warning[marked-entry]"),
    ("`KP = Korea`: no list has patterns", "lists/l.txt", "KP = Korea\n", "warning[marked-entry]"),
    (
        "It cannot be one of the codes that Countersign itself gives",
        "rules/b.rhai",
        "if order.amount > 5 { escalate(\"automation-paused\", \"no\"); }\n",
        "error[reserved-code]",
    ),
    ("look-alike letters from another alphabet", "lists/l.txt", "\u{41a}P\nSY\n", "warning"),
    ("entries that differ only in case or Unicode form", "lists/l.txt", "KP\nkp\n", "warning"),
    (
        "`default`, `\"escalate\"` or, only if written out and with a warning, `\"approve\"`",
        "ruleset.toml",
        "default = \"approve\"\n",
        "warning",
    ),
    ("`check` warns of a text that may reveal one", "schema/order.toml", "", ""),
];

/// The handbook's words; an order; how the answer begins.
pub(super) const ORDERS: &[(&str, &str, &str)] = &[
    (
        "the schema's type `money` accepts both",
        r#"{"big":"12345678901234567.89"}"#,
        "approve read 12345678901234567.89",
    ),
    (
        "up to 28 digits",
        r#"{"big":"12345678901234567890123456.78"}"#,
        "approve read 12345678901234567890123456.78",
    ),
    (
        "is an `invalid-task`, even if neither a rule nor the schema names that number",
        r#"{"x":1.23456789012345678901234567890123}"#,
        "escalate invalid-task",
    ),
    ("So is an order in which a record has the same key twice", r#"{"x":1,"x":1}"#, "escalate invalid-task"),
    ("the least and the greatest value", r#"{"n":0}"#, "escalate invalid-task order.n is 0, less than 1"),
    ("blanks at both ends are removed first", r#"{"t":" de "}"#, "approve read 0 DE"),
    ("a regular expression that the whole text matches", r#"{"t":"DEU"}"#, "escalate invalid-task"),
    ("the allowed values", r#"{"c":"USD"}"#, "escalate invalid-task order.c is 'USD', not one of EUR"),
    ("no two entries are equal", r#"{"l":["a","a"]}"#, "escalate invalid-task"),
    ("the least number of characters, or of entries", r#"{"l":[]}"#, "escalate invalid-task"),
    (
        "fields that the schema does not name are allowed, and rules cannot see them",
        r#"{"unknown":5}"#,
        "approve read 0",
    ),
    ("it then reads as nothing", r#"{"big":null}"#, "approve read 0"),
];

pub(super) type Rules = &'static [(&'static str, &'static str)];

/// The handbook's words; rules, each with its id; the answer.
pub(super) const TOGETHER: &[(&str, Rules, &str)] = &[
    (
        "A rule gives one of four answers, and ends there",
        &[("a", "approve(\"a\", \"because\");\nreject(\"b\", \"because\");\n")],
        "approve a because",
    ),
    (
        "the rule has no answer; the end of the file means the same",
        &[("a", "pass();\n"), ("b", "let x = 1;\n")],
        "escalate no-rule-approved no rule had an answer",
    ),
    (
        "reject, then escalate, then approve",
        &[
            ("a", "approve(\"a\", \"because\");\n"),
            ("b", "escalate(\"b\", \"because\");\n"),
            ("c", "reject(\"c\", \"because\");\n"),
        ],
        "reject c because",
    ),
    (
        "reject, then escalate, then approve",
        &[("a", "approve(\"a\", \"because\");\n"), ("b", "escalate(\"b\", \"because\");\n")],
        "escalate b because",
    ),
    (
        "the rule with the lowest `priority` wins, then the first `id`",
        &[("a", "reject(\"a\", \"because\");\n"), ("b", "//! priority: 99\nreject(\"b\", \"because\");\n")],
        "reject b because",
    ),
    (
        "the rule with the lowest `priority` wins, then the first `id`",
        &[("b", "reject(\"b\", \"because\");\n"), ("a", "reject(\"a\", \"because\");\n")],
        "reject a because",
    ),
    (
        "a cheap condition without which the rule does not run",
        &[("a", "//! when: order.amount > 5000\nreject(\"a\", \"because\");\n")],
        "escalate no-rule-approved no rule had an answer",
    ),
    (
        "`shadow` (runs and is recorded, but does not count yet), `audit` (never counts), `off`",
        &[
            ("a", "//! mode: shadow\nreject(\"a\", \"because\");\n"),
            ("b", "//! mode: audit\nreject(\"b\", \"because\");\n"),
            ("c", "//! mode: off\nreject(\"c\", \"because\");\n"),
            ("d", "approve(\"d\", \"because\");\n"),
        ],
        "approve d because",
    ),
    (
        "`from` and `until`, the first and last day on which it runs",
        &[("a", "//! from: 2026-11-22\n//! until: 2026-11-22\napprove(\"a\", \"because\");\n")],
        "approve a because",
    ),
    (
        "`from` and `until`, the first and last day on which it runs",
        &[("a", "//! until: 2026-11-21\napprove(\"a\", \"because\");\n")],
        "escalate no-rule-approved no rule had an answer",
    ),
    (
        "also indented or after a licence comment",
        &[("a", "/* Licence */\n\n   //! mode: off\nreject(\"a\", \"because\");\n")],
        "escalate no-rule-approved no rule had an answer",
    ),
    (
        "If a rule fails, its verdict is to escalate; a stronger rejection by another rule still wins",
        &[("a", "let x = order.voucher;\n"), ("b", "approve(\"b\", \"because\");\n")],
        "escalate rule-error rules/a.rhai:1:15: order has no field 'voucher' (it has amount, codes, coupon, id, items, note, ship-to)",
    ),
    (
        "If a rule fails, its verdict is to escalate; a stronger rejection by another rule still wins",
        &[("a", "let x = order.voucher;\n"), ("b", "reject(\"b\", \"because\");\n")],
        "reject b because",
    ),
    (
        "it sees its parameters, order, task, lists and parameter files",
        &[("a", "fn f(a) { a * p.two + order.amount }\nif f(1) == 1202.5 { approve(\"a\"); }\n")],
        "approve a",
    ),
    (
        "it sees variables too",
        &[("a", "let least = 5;\nif order.items.some(|i| i.price > least) { approve(\"a\"); }\n")],
        "approve a",
    ),
];
