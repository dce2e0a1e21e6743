//! The console's page of rules: what decides, and what it says of an order.

use axum::http::StatusCode;

use crate::browser::{Browser, hidden};
use crate::office::Office;

const RULES: [(&str, &str); 2] = [
    (
        "rules/limits.rhai",
        "// <small> ones\nif order.amount <= 100 { approve(\"small\", \"a small order\") }",
    ),
    ("schema/order.toml", "[fields]\namount = \"decimal\"\n"),
];

#[tokio::test(start_paused = true)]
async fn the_rules_page_shows_what_decides_and_what_it_says_of_an_order() {
    let office = Office::open_under(&RULES, |clock| clock, |_| {});
    let before = (office.world.items("tasks"), office.world.items("control"));
    let mut ada = Browser::signed_in(&office, "name=ada").await;
    let page = ada.get("/console/rules").await;
    for shown in [
        "decides",
        "rules/limits.rhai",
        "// &#60;small&#62; ones",
        "<span class=\"word\">if</span>",
        "Nothing was published",
    ] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    let token = hidden(&page, "form_token");
    let tried = async |browser: &mut Browser<'_>, order: &str| {
        browser.post("/console/rules", &format!("form_token={token}&order={order}")).await
    };
    let small = tried(&mut ada, "%7B%22amount%22%3A%2012.50%7D").await;
    assert_eq!(small.status, StatusCode::OK, "{}", small.text);
    for shown in ["badge approve", "a small order", "by the rule limits", "read order.amount = 12.5"] {
        assert!(small.text.contains(shown), "{shown}: {}", small.text);
    }
    let large = tried(&mut ada, "%7B%22amount%22%3A%20500%7D").await;
    assert!(
        large.text.contains("badge escalate") && large.text.contains("no-rule-approved"),
        "{}",
        large.text
    );
    let broken = tried(&mut ada, "%7B").await;
    assert_eq!(broken.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(broken.text.contains("This is not JSON"), "{}", broken.text);
    let foreign = ada.post("/console/rules", "form_token=x&order=%7B%7D").await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    assert_eq!(ada.get("/console/rules?version=ffff").await.status, StatusCode::NOT_FOUND);
    assert!(before == (office.world.items("tasks"), office.world.items("control")), "nothing is stored");
}

#[tokio::test(start_paused = true)]
async fn what_people_decided_is_held_against_the_rules() {
    let office = Office::open_under(&RULES, |clock| clock, |_| {});
    let mut ada = Browser::signed_in(&office, "name=ada").await;
    let path = "/console/rules/agreement";
    assert!(ada.get("/console/rules").await.text.contains(path));
    assert!(ada.get(path).await.text.contains("None lately"));
    for (order, outcome) in [("o-1", "approved"), ("o-2", "rejected"), ("<o-3>", "rejected")] {
        let (_, task) = office.escalate(order, None).await;
        let body = format!(r#"{{"outcome":"{outcome}","reason":"seen","by":"bob"}}"#);
        assert_eq!(office.decide(&task, &body).await.status, StatusCode::OK);
    }
    office.escalate("o-4", None).await;
    let page = ada.get(path).await;
    for shown in [
        "3 had been left to people",
        "high-amount",
        "<dt>Would decide</dt><dd>3</dd>",
        "<dt>The same way</dt><dd>1</dd>",
        "Decided otherwise by people",
        "&#60;o-3&#62;",
    ] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    let otherwise = page.text.split("Decided otherwise").nth(1).expect("a table");
    assert!(otherwise.contains("o-2") && !otherwise.contains("o-1"), "{}", page.text);
}
