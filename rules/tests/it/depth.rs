//! Rules of absurd shape are refused or run; none of them exhausts the stack.

use rules::Ruleset;

use crate::evaluate::{files, task};

#[test]
fn absurd_nesting_never_ends_the_process() {
    let many = |text: &str| text.repeat(20_000);
    let scripts = [
        ("plus", format!("let x = 1{};", many(" + 1"))),
        ("and", format!("let x = true{};", many(" && true"))),
        ("power", format!("let x = 1{};", many(" ** 1"))),
        ("not", format!("let x = {}true;", many("!"))),
        ("minus", format!("let x = {}1;", many("- "))),
        ("brackets", format!("let x = {}1{};", many("("), many(")"))),
        ("blocks", format!("{}{}", many("{"), many("}"))),
        ("arrays", format!("let x = {}{};", many("["), many("]"))),
        ("maps", format!("let x = {}1{};", many("#{a:"), many("}"))),
        ("dots", format!("let x = order{};", many(".a"))),
        ("methods", format!("let x = order{};", many(".len()"))),
        ("indices", format!("let x = order{};", many("[0]"))),
        ("else", format!("if false {{ }} {}", many("else if false { } "))),
        ("ifs", format!("{}{}", many("if true {"), many("}"))),
        ("closures", format!("let x = {}1;", many("|a| "))),
        ("coalesce", format!("let x = 1{};", many(" ?? 1"))),
        ("strings", format!("let x = {}1{};", many("`${"), many("}`"))),
        ("calls", format!("let x = {}1{};", many("abs("), many(")"))),
        ("statements", many("let x = 1;\n")),
        ("comments", many("/* ")),
        ("lines of comments", many("// x\n")),
    ];
    for (name, script) in scripts {
        if let Ok(ruleset) = Ruleset::from_files(files(&[("r.rhai", &script)])) {
            let evaluation = ruleset.evaluate(&task(Some("{}")));
            assert_ne!(evaluation.verdict.outcome(), rules::Outcome::Approve, "{name}");
        }
    }
}
