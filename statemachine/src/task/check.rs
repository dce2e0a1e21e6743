//! Whether the attributes of a stored item go together. No step of the system writes what is refused here: somebody
//! edited the item by hand.

use crate::decision::{DecidedBy, Decision, Outcome};
use crate::item::Malformed;
use crate::task::{Task, attribute};
use crate::worklist::Worklist;

impl Task {
    pub(super) fn check(&self) -> Result<(), Malformed> {
        let state = self.state();
        if !state.is_possible() {
            return Err(Malformed::Impossible(state));
        }
        for (name, text) in [
            (attribute::ORDER_ID, &self.order_id),
            (attribute::START_TIME, &self.start_time),
            (attribute::TRANSACTION_ID, &self.transaction_id),
        ] {
            // These are logged and listed.
            if self.token.is_in(text) {
                return Err(Malformed::HoldsToken(name));
            }
        }
        if let Some(decision) = &self.decision {
            decision.check_task(&self.id, &self.order_id)?;
            self.check_second(decision)?;
        }
        match Worklist::of(state) {
            Some(list) => self.check_open(list),
            None => self.check_settled(),
        }
    }

    /// Where two people must approve, no person approves alone.
    fn check_second(&self, decision: &Decision) -> Result<(), Malformed> {
        let is_by_person = matches!(decision.decided_by, DecidedBy::Person(_));
        let is_alone = self.needs_second() && self.first_approval.is_none();
        if is_by_person && decision.outcome == Outcome::Approved && is_alone {
            return Err(Malformed::Missing(attribute::FIRST_APPROVAL));
        }
        Ok(())
    }

    /// An open task is in its list, since the sweeper would not find it otherwise, and has no time to live.
    fn check_open(&self, list: Worklist) -> Result<(), Malformed> {
        if self.list.as_ref() != Some(&list.key_of(&self.id)) {
            return Err(Malformed::Not(attribute::LIST, "the worklist of its status and delivery"));
        }
        if self.list_at.is_none() {
            return Err(Malformed::Missing(attribute::LIST_AT));
        }
        if self.expires_at.is_some() {
            return Err(Malformed::Not(attribute::EXPIRES_AT, "absent while the task is open"));
        }
        Ok(())
    }

    fn check_settled(&self) -> Result<(), Malformed> {
        let name = self.list.as_deref().and_then(|list| list.split('#').next());
        if Worklist::ALL.iter().any(|list| Some(list.name()) == name) {
            return Err(Malformed::Not(attribute::LIST, "the day on which the task settled"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::decision::Draft;
    use crate::item::{Item, Value};
    use crate::message::Message;
    use crate::status::{Delivery, State, Status};
    use crate::task::{BOTH, FirstApproval, ReceivedAt};
    use crate::worklist::settled_key;

    use super::*;

    const TOKEN: &str = "AAAAKgAAAAIAAAAA/secret+token==";

    fn new() -> Task {
        let body = format!(
            r#"{{"transactionId":"arn:aws:states:us-east-1:1:execution:shop:e","taskToken":"{TOKEN}","startTime":"2026","orderId":"o-1","order":1}}"#
        );
        let received_at = ReceivedAt { text: "2026-11-22T10:00:00.123Z".to_owned(), epoch_seconds: 0 };
        Task::new(Message::parse(&body).unwrap(), received_at, None)
    }

    /// A task in this state and this list, whether or not there is such a one.
    fn task(state: State, list: Option<String>) -> Task {
        let mut task = new();
        let draft = |outcome| Draft {
            id: "01JD".to_owned(),
            outcome,
            code: "c".to_owned(),
            reason: "r".to_owned(),
            rule: None,
            ruleset: None,
            decided_by: DecidedBy::Person("ben".to_owned()),
            decided_at: "2026-11-22T10:00:01.000Z".to_owned(),
        };
        task.decision = state.outcome.map(|outcome| draft(outcome).seal(&task.order_id, &task.token));
        (task.status, task.delivery, task.list) = (state.status, state.delivery, list);
        task.first_approval = state.has_first.then(|| FirstApproval {
            subject: "ada".to_owned(),
            by: "Ada".to_owned(),
            reason: String::new(),
            code: "c".to_owned(),
            at: "2026-11-22T10:00:00.500Z".to_owned(),
        });
        task
    }

    /// Every status, outcome, delivery and list: what events lead to is read, in its own list, and nothing else is.
    #[test]
    fn of_all_combinations_only_those_that_the_steps_write_are_read() {
        let id = new().id;
        let open = Worklist::ALL.map(|list| list.key_of(&id));
        let day = settled_key("2026-11-22", &id);
        let lists: Vec<Option<String>> = open.into_iter().chain([day]).map(Some).chain([None]).collect();
        let mut read = 0;
        for status in Status::ALL {
            for outcome in [None, Some(Outcome::Approved), Some(Outcome::Rejected)] {
                for delivery in [None].into_iter().chain(Delivery::ALL.map(Some)) {
                    for (has_first, list) in lists.iter().flat_map(|list| [(false, list), (true, list)]) {
                        let state = State { status, outcome, delivery, has_first };
                        let task = task(state, list.clone());
                        let is_open_key = list.as_deref().is_some_and(|list| !list.starts_with("2026"));
                        let is_its_list = match Worklist::of(state) {
                            Some(its) => *list == Some(its.key_of(&id)),
                            None => !is_open_key,
                        };
                        let is_read = Task::from_item(&task.to_item()).is_ok();
                        assert_eq!(is_read, state.is_possible() && is_its_list, "{state}, list {list:?}");
                        read += u32::from(is_read);
                    }
                }
            }
        }
        // PENDING and ESCALATED undecided, DUE and UNVERIFIED; seven settled states with a day or none.
        // The same with a first approval, except what is PENDING: undecided, and four with a decision.
        assert_eq!(read, (2 + 8 + 7 * 2) + (1 + 4 + 7 * 2));
    }

    fn refused(change: impl Fn(&mut Item)) -> String {
        let state = State {
            status: Status::Pending,
            outcome: Some(Outcome::Approved),
            delivery: Some(Delivery::Due),
            has_first: false,
        };
        let task = task(state, Some(Worklist::Due.key_of(&new().id)));
        let mut item = task.to_item();
        assert_eq!(Task::from_item(&item), Ok(task));
        change(&mut item);
        let error = Task::from_item(&item).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        error
    }

    #[test]
    fn nobody_approves_alone_what_needs_two() {
        let read = |outcome, has_first| {
            let delivery = Some(Delivery::Due);
            let state = State { status: Status::Escalated, outcome: Some(outcome), delivery, has_first };
            let mut task = task(state, Some(Worklist::Due.key_of(&new().id)));
            task.approvals = Some(BOTH);
            Task::from_item(&task.to_item()).map(drop)
        };
        let missing = Err(Malformed::Missing("firstApproval"));
        assert_eq!(read(Outcome::Approved, false), missing);
        assert_eq!(read(Outcome::Approved, true), Ok(()));
        assert_eq!(read(Outcome::Rejected, false), Ok(()));
    }

    #[test]
    fn what_the_system_never_writes_is_named() {
        let put = |name: &'static str, value: Value| {
            move |item: &mut Item| drop(item.insert(name.to_owned(), value.clone()))
        };
        assert_eq!(refused(|item| drop(item.remove("listAt"))), "attribute listAt is missing");
        assert_eq!(
            refused(put("expiresAt", Value::Number("7".to_owned()))),
            "attribute expiresAt is not absent while the task is open"
        );
        assert_eq!(
            refused(put("orderId", Value::Text("o-2".to_owned()))),
            "attribute orderId is not what the decision's payload says"
        );
        for name in ["orderId", "startTime", "transactionId"] {
            assert_eq!(
                refused(put(name, Value::Text(format!("x{TOKEN}")))),
                format!("attribute {name} holds the task token")
            );
        }
        let copied = |item: &mut Item| {
            let Some(Value::Map(decision)) = item.get_mut("decision") else { panic!("it is decided") };
            let Some(Value::Text(payload)) = decision.get_mut("payload") else { panic!("it has a payload") };
            *payload = payload.replace(new().id.as_str(), "ba7816bf8f01cfea414140de5dae2223");
        };
        assert_eq!(refused(copied), "attribute decision.payload is not of this task");
    }
}
