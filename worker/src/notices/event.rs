//! What an event says: ids, codes, deadlines and, unless masked, amounts; never a token, an order or a reason.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};
use statemachine::task::Task;
use statemachine::token::TaskId;

use crate::aws::eventbridge::Event;
use crate::control::amount::Amount;
use crate::plain_text::plain;
use crate::tasks::notice::Notice;

/// The source of every event.
pub(super) const SOURCE: &str = "countersign";
/// How many tasks an event names; it counts the others. A thousand bytes each, of the 256 KiB that an event may have.
const NAMED: usize = 20;

/// What is to be told of a task.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) notice: Notice,
    /// Without its order and what else may be large.
    pub(super) task: Task,
    /// Unless it is masked.
    amount: Option<String>,
}

impl Told {
    pub(super) fn of(notice: Notice, task: Task, amount: &Amount) -> Told {
        let raw = task.order_text().and_then(|order| RawValue::from_string(order.into_owned()).ok());
        let amount = raw.and_then(|order| amount.in_order(&order));
        let task = Task { order: None, evaluation: None, shadow: None, comments: vec![], ..task };
        Told { notice, task, amount }
    }

    /// The same for the same notice of the same escalation.
    pub(super) fn key(&self) -> (TaskId, &'static str, String) {
        let at = self.task.escalation.as_ref().map(|escalation| escalation.at.clone());
        (self.task.id.clone(), self.notice.label(), at.unwrap_or_default())
    }
}

/// An event and its tasks.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) notice: Notice,
    pub(super) tasks: Vec<Told>,
    pub(super) event: Event,
}

/// The messages about these tasks: one each, or one of each kind for all.
pub(super) fn messages(due: Vec<Told>, as_one: bool, console: Option<&str>) -> Vec<Message> {
    let message = |notice, tasks: Vec<Told>| {
        let event = Event { detail_type: kind(notice), detail: detail(notice, &tasks, console) };
        Message { notice, tasks, event }
    };
    if !as_one {
        return due.into_iter().map(|told| message(told.notice, vec![told])).collect();
    }
    let mut of: BTreeMap<&str, (Notice, Vec<Told>)> = BTreeMap::new();
    for told in due {
        of.entry(told.notice.label()).or_insert((told.notice, vec![])).1.push(told);
    }
    of.into_values().map(|(notice, tasks)| message(notice, tasks)).collect()
}

fn kind(notice: Notice) -> &'static str {
    match notice {
        Notice::Escalated => "Task Escalated",
        Notice::Deadline => "Task Deadline Near",
        Notice::Expired => "Task Expired Undecided",
    }
}

fn detail(notice: Notice, tasks: &[Told], console: Option<&str>) -> Json {
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    for told in tasks {
        *codes.entry(code(&told.task)).or_default() += 1;
    }
    let named: Vec<Json> = tasks.iter().take(NAMED).map(|told| named(told, console)).collect();
    let url = match tasks {
        [_] => named.first().and_then(|task| task["url"].as_str()).map(str::to_owned),
        _ => console.map(|console| format!("{console}/console")),
    };
    let mut detail = json!({
        "count": tasks.len(), "codes": codes, "text": words(notice, &named, tasks.len(), &codes, url.as_deref()),
        "tasks": named,
    });
    if let Some(url) = url {
        detail["url"] = url.into();
    }
    detail
}

/// What the event says of one task.
fn named(Told { task, amount, .. }: &Told, console: Option<&str>) -> Json {
    let deadline = task.deadline.and_then(|at| Timestamp::from_second(at).ok()).map(|at| at.to_string());
    let fields = [
        ("taskId", Some(task.id.to_string())),
        ("orderId", Some(task.order_id.clone())),
        ("executionArn", Some(task.transaction_id.clone())),
        ("code", Some(code(task))),
        ("rule", task.escalation.as_ref().and_then(|escalation| escalation.rule.clone())),
        ("amount", amount.clone()),
        ("deadline", deadline),
        ("url", console.map(|console| format!("{console}/console/tasks/{}", task.id))),
    ];
    let mut named = Map::new();
    for (name, value) in fields {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            named.insert(name.to_owned(), task.token.strike(&value).into_owned().into());
        }
    }
    Json::Object(named)
}

/// Why the task was left to people; empty if it never was.
fn code(task: &Task) -> String {
    let code = task.escalation.as_ref().map(|escalation| escalation.code.as_str());
    task.token.strike(code.unwrap_or_default()).into_owned()
}

/// The event in words, for a mail. Without quotation marks, which a transformer of EventBridge does not escape.
fn words(
    notice: Notice,
    named: &[Json],
    count: usize,
    codes: &BTreeMap<String, usize>,
    url: Option<&str>,
) -> String {
    let text = |name: &str| named.first().and_then(|task| task[name].as_str()).unwrap_or_default();
    let codes: Vec<String> = codes
        .iter()
        .filter(|(code, _)| !code.is_empty())
        .map(|(code, tasks)| format!("{tasks} {code}"))
        .collect();
    let codes = if codes.is_empty() { String::new() } else { format!(" ({})", codes.join(", ")) };
    let (order, deadline) = (text("orderId"), text("deadline"));
    let mut words = match (notice, count) {
        (Notice::Escalated, 1) => format!("Order {order} waits for a person: {}.", text("code")),
        (Notice::Escalated, _) => format!("{count} orders wait for a person{codes}."),
        (Notice::Deadline, 1) => format!("Order {order} still waits for a person: {}.", text("code")),
        (Notice::Deadline, _) => {
            format!("{count} orders still wait for a person, and their deadlines are within the hour{codes}.")
        }
        (Notice::Expired, 1) => {
            format!("Order {order} expired: its workflow stopped waiting, and nobody had decided.")
        }
        (Notice::Expired, _) => {
            format!("{count} orders expired: their workflows stopped waiting, and nobody had decided{codes}.")
        }
    };
    if count == 1 && !text("amount").is_empty() {
        words.push_str(&format!(" Amount {}.", text("amount")));
    }
    if count == 1 && notice != Notice::Expired && !deadline.is_empty() {
        words.push_str(&format!(" Decide by {deadline}."));
    }
    if let Some(url) = url {
        words.push_str(&format!(" {url}"));
    }
    plain(&words).replace(['"', '\n', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use rules::{Files, Ruleset};
    use statemachine::message::Message as Stored;
    use statemachine::task::{Escalation, ReceivedAt};

    use super::*;

    fn task(order_id: &str, order: &str) -> Task {
        let token = "AAAAKgAAAAIAAAAAAAAAAQ-a-token-that-is-long-enough";
        let body = json!({ "taskToken": token, "orderId": order_id, "startTime": "2026-11-22T10:00:00Z",
            "transactionId": "arn:aws:states:eu-central-1:123456789012:execution:orders:a" });
        let received_at =
            ReceivedAt { text: "2026-11-22T10:00:00.000Z".to_owned(), epoch_seconds: 1_795_341_600 };
        let mut task = Task::new(Stored::parse(&body.to_string()).unwrap(), received_at, None);
        task.order = Some(order.replace("TOKEN", token).into());
        task.deadline = Some(1_795_345_200);
        task.escalation = Some(Escalation {
            code: "high-amount".to_owned(),
            reason: format!("the amount 5000 of {token}"),
            rule: Some("limits".to_owned()),
            ruleset: None,
            at: "2026-11-22T10:00:01.000Z".to_owned(),
        });
        task
    }

    fn amount(schema: &str) -> Amount {
        let files = [
            ("rules/a.rhai", "pass();"),
            ("ruleset.toml", "amounts = [\"order.amount\"]\n"),
            ("schema/order.toml", schema),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        Amount::of(&Ruleset::from_files(Files::from_iter(files)).unwrap())
    }

    #[test]
    fn an_event_tells_of_one_task_without_its_token_its_reason_and_its_order() {
        let amount = amount("[fields]\namount = \"decimal\"\nnote = \"text\"\n");
        let task = task("o-\"1\u{202e}", r#"{"amount":5000.00,"note":"TOKEN"}"#);
        let due = vec![Told::of(Notice::Escalated, task, &amount)];
        let messages = messages(due, false, Some("https://approvals.example"));
        let [message] = &messages[..] else { panic!("{messages:?}") };
        let (event, id) = (&message.event, &message.tasks[0].task.id);
        assert_eq!(event.detail_type, "Task Escalated");
        let url = format!("https://approvals.example/console/tasks/{id}");
        assert_eq!(event.detail["tasks"][0]["amount"], "5000.00");
        assert_eq!(event.detail["tasks"][0]["url"], url);
        assert_eq!((&event.detail["count"], &event.detail["codes"]["high-amount"]), (&json!(1), &json!(1)));
        let words = format!(
            "Order o- 1\u{fffd} waits for a person: high-amount. Amount 5000.00. Decide by 2026-11-22T11:00:00Z. {url}"
        );
        assert_eq!(event.detail["text"], words);
        let all = event.detail.to_string();
        for hidden in ["AAAAKg", "the amount", "note"] {
            assert!(!all.contains(hidden), "{hidden} in {all}");
        }
    }

    #[test]
    fn a_masked_amount_is_not_told() {
        let amount = amount("[fields]\namount = { type = \"decimal\", masked = true }\n");
        let due = vec![Told::of(Notice::Deadline, task("o-1", r#"{"amount":5000.00}"#), &amount)];
        let all = messages(due, false, None)[0].event.detail.to_string();
        assert!(!all.contains("5000") && !all.contains("url") && all.contains("o-1"), "{all}");
    }

    #[test]
    fn many_tasks_are_one_event_of_each_kind_that_names_some_and_counts_all() {
        let amount = amount("[fields]\namount = \"decimal\"\n");
        let order = r#"{"amount":1}"#;
        let told = |notice, order_id: &str| Told::of(notice, task(order_id, order), &amount);
        let mut due: Vec<_> =
            (0..500).map(|number| told(Notice::Escalated, &format!("o-{number}"))).collect();
        due.push(told(Notice::Expired, "gone"));
        let messages = messages(due, true, Some("https://approvals.example"));
        assert_eq!(messages.iter().map(|message| message.tasks.len()).collect::<Vec<_>>(), [500, 1]);
        let detail = &messages[0].event.detail;
        assert_eq!((&detail["count"], detail["tasks"].as_array().unwrap().len()), (&json!(500), NAMED));
        assert_eq!(
            detail["text"],
            "500 orders wait for a person (500 high-amount). https://approvals.example/console"
        );
        assert!(detail.to_string().len() < 64 * 1_024);
    }
}
