//! What a rule or a person decided, as it is stored and as the workflow receives it.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::item::{self, Item, Malformed};
use crate::token::{TaskId, TaskToken};

pub use crate::status::Outcome;

/// The longest reason a decision keeps, in characters. Each may take six in JSON, and a failure's cause ends at
/// 32,768 (Step Functions API model).
pub const MAX_REASON_CHARS: usize = 4_000;

/// Who decided.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum DecidedBy {
    /// The rules: `rule`.
    Rule,
    /// A person, by name.
    Person(String),
}

impl From<String> for DecidedBy {
    fn from(text: String) -> DecidedBy {
        if text == "rule" { DecidedBy::Rule } else { DecidedBy::Person(text) }
    }
}

impl From<DecidedBy> for String {
    fn from(by: DecidedBy) -> String {
        match by {
            DecidedBy::Rule => "rule".to_owned(),
            DecidedBy::Person(name) => name,
        }
    }
}

/// A decision, written once and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// A ULID made before the first write; output and cause carry it, so that history can prove whose answer landed.
    pub id: String,
    /// What was decided.
    pub outcome: Outcome,
    /// A stable kebab-case name, for metrics and tests.
    pub code: String,
    /// The words for people.
    pub reason: String,
    /// The rule that decided; none for a person.
    pub rule: Option<String>,
    /// The ruleset's SHA-256; none for a person.
    pub ruleset: Option<String>,
    /// Who decided.
    pub decided_by: DecidedBy,
    /// When, RFC 3339 in UTC.
    pub decided_at: String,
    /// The bytes that are sent: made once, with the decision, and read back from the table for each attempt.
    pub payload: String,
}

/// A decision before it is one: everything but the payload, which follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// See [`Decision::id`].
    pub id: String,
    /// See [`Decision::outcome`].
    pub outcome: Outcome,
    /// See [`Decision::code`].
    pub code: String,
    /// Cut to [`MAX_REASON_CHARS`].
    pub reason: String,
    /// See [`Decision::rule`].
    pub rule: Option<String>,
    /// See [`Decision::ruleset`].
    pub ruleset: Option<String>,
    /// See [`Decision::decided_by`].
    pub decided_by: DecidedBy,
    /// See [`Decision::decided_at`].
    pub decided_at: String,
}

/// The JSON that the workflow receives: the success output, and the text of the failure's cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each field is the decision's of the same name")]
pub struct Payload {
    pub outcome: Outcome,
    pub code: String,
    pub reason: String,
    pub rule: Option<String>,
    pub ruleset: Option<String>,
    pub decided_by: DecidedBy,
    pub decided_at: String,
    pub decision_id: String,
    pub order_id: String,
    pub task_id: TaskId,
}

impl Draft {
    /// Seals the draft for one task: from here on the payload is fixed. Its texts may quote the order, and the order
    /// may hold the token: it is struck out.
    ///
    /// # Panics
    ///
    /// Never: strings and enums always serialise.
    pub fn seal(mut self, order_id: &str, token: &TaskToken) -> Decision {
        self.code = token.strike(&self.code).into_owned();
        self.reason = token.strike(&self.reason).into_owned();
        if self.reason.chars().count() > MAX_REASON_CHARS {
            self.reason = self.reason.chars().take(MAX_REASON_CHARS - 1).chain(['…']).collect();
        }
        let payload = serde_json::to_string(&Payload {
            outcome: self.outcome,
            code: self.code.clone(),
            reason: self.reason.clone(),
            rule: self.rule.clone(),
            ruleset: self.ruleset.clone(),
            decided_by: self.decided_by.clone(),
            decided_at: self.decided_at.clone(),
            decision_id: self.id.clone(),
            order_id: order_id.to_owned(),
            task_id: token.task_id(),
        })
        .expect("strings and enums always serialise");
        let Draft { id, outcome, code, reason, rule, ruleset, decided_by, decided_at } = self;
        Decision { id, outcome, code, reason, rule, ruleset, decided_by, decided_at, payload }
    }
}

impl Decision {
    /// The error name that a rejection's callback carries.
    pub fn failure_name(&self) -> &'static str {
        Failure::Rejected.name()
    }

    /// Tells whether an output or a cause from an execution's history is this decision.
    ///
    /// By `decisionId` alone: Step Functions may reformat the JSON, the id is ours.
    pub fn is_proven_by(&self, output_or_cause: &str) -> bool {
        serde_json::from_str::<serde_json::Value>(output_or_cause)
            .is_ok_and(|json| json.get("decisionId").and_then(|id| id.as_str()) == Some(&self.id))
    }

    /// The `decision` attribute.
    pub fn to_item(&self) -> Item {
        let mut map = Item::new();
        let by: String = self.decided_by.clone().into();
        for (name, text) in [
            ("id", Some(self.id.as_str())),
            ("outcome", Some(self.outcome.as_str())),
            ("code", Some(&self.code)),
            ("reason", Some(&self.reason)),
            ("rule", self.rule.as_deref()),
            ("ruleset", self.ruleset.as_deref()),
            ("decidedBy", Some(&by)),
            ("decidedAt", Some(&self.decided_at)),
            ("payload", Some(&self.payload)),
        ] {
            item::put_text(&mut map, name, text);
        }
        map
    }

    /// Reads the `decision` attribute.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when a field is missing, of another type, or not what the payload says: such a decision is never
    /// sent.
    pub fn from_item(map: &Item) -> Result<Decision, Malformed> {
        let outcome = Outcome::parse(&item::text(map, "outcome")?)
            .ok_or(Malformed::Not("outcome", "approved or rejected"))?;
        let decision = Decision {
            id: item::text(map, "id")?,
            outcome,
            code: item::text(map, "code")?,
            reason: item::text(map, "reason")?,
            rule: item::optional_text(map, "rule")?,
            ruleset: item::optional_text(map, "ruleset")?,
            decided_by: item::text(map, "decidedBy")?.into(),
            decided_at: item::text(map, "decidedAt")?,
            payload: item::text(map, "payload")?,
        };
        let payload = decision.read_payload()?;
        for (name, agrees) in [
            ("decision.id", payload.decision_id == decision.id),
            ("decision.outcome", payload.outcome == decision.outcome),
            ("decision.code", payload.code == decision.code),
            ("decision.reason", payload.reason == decision.reason),
            ("decision.rule", payload.rule == decision.rule),
            ("decision.ruleset", payload.ruleset == decision.ruleset),
            ("decision.decidedBy", payload.decided_by == decision.decided_by),
            ("decision.decidedAt", payload.decided_at == decision.decided_at),
        ] {
            if !agrees {
                return Err(Malformed::Not(name, "what the decision's payload says"));
            }
        }
        Ok(decision)
    }

    /// Whether this is a decision of the task with this id and order; an edit by hand may have copied another's.
    ///
    /// # Errors
    ///
    /// [`Malformed`] names what differs.
    pub fn check_task(&self, task_id: &TaskId, order_id: &str) -> Result<(), Malformed> {
        let payload = self.read_payload()?;
        if payload.task_id != *task_id {
            return Err(Malformed::Not("decision.payload", "of this task"));
        }
        if payload.order_id != order_id {
            return Err(Malformed::Not("orderId", "what the decision's payload says"));
        }
        Ok(())
    }

    fn read_payload(&self) -> Result<Payload, Malformed> {
        serde_json::from_str(&self.payload)
            .map_err(|_| Malformed::Not("decision.payload", "the JSON of a decision"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::TaskToken;

    fn draft(reason: &str) -> Draft {
        Draft {
            id: "01JD".to_owned(),
            outcome: Outcome::Rejected,
            code: "sanctioned-country".to_owned(),
            reason: reason.to_owned(),
            rule: Some("restricted-goods".to_owned()),
            ruleset: Some("7f3a".to_owned()),
            decided_by: DecidedBy::Rule,
            decided_at: "2026-11-22T10:00:00.000Z".to_owned(),
        }
    }

    fn sealed(reason: &str) -> Decision {
        draft(reason).seal("o-1", &TaskToken::new("abc").unwrap())
    }

    #[test]
    fn the_payload_is_the_contract() {
        assert_eq!(
            sealed("one line to IR").payload,
            concat!(
                r#"{"outcome":"rejected","code":"sanctioned-country","reason":"one line to IR","rule":"restricted-goods","#,
                r#""ruleset":"7f3a","decidedBy":"rule","decidedAt":"2026-11-22T10:00:00.000Z","decisionId":"01JD","#,
                r#""orderId":"o-1","taskId":"ba7816bf8f01cfea414140de5dae2223"}"#
            )
        );
    }

    #[test]
    fn a_cause_always_fits_step_functions() {
        // The worst case of JSON: each control character takes six.
        let decision = sealed(&"\u{1}".repeat(100_000));
        assert_eq!(decision.reason.chars().count(), MAX_REASON_CHARS);
        assert!(decision.payload.chars().count() < 32_768 - 1_024 * 6);
    }

    #[test]
    fn only_the_same_decision_proves_itself() {
        let decision = sealed("no");
        assert!(decision.is_proven_by(&decision.payload));
        assert!(decision.is_proven_by("{ \"decisionId\" : \"01JD\" }"));
        for other in ["", "null", "{}", "01JD", r#"{"decisionId":"01JE"}"#, r#"{"x":{"decisionId":"01JD"}}"#]
        {
            assert!(!decision.is_proven_by(other), "{other}");
        }
    }

    #[test]
    fn a_stored_decision_reads_back_whole() {
        let decision = sealed("no");
        assert_eq!(Decision::from_item(&decision.to_item()), Ok(decision.clone()));
        for name in ["id", "outcome", "payload", "decidedBy"] {
            let mut item = decision.to_item();
            item.remove(name);
            assert!(Decision::from_item(&item).is_err(), "{name}");
        }
    }

    #[test]
    fn a_decision_that_disagrees_with_its_payload_is_none() {
        let decision = sealed("no");
        let names = ["id", "code", "reason", "rule", "ruleset", "decidedBy", "decidedAt", "payload"];
        for name in names {
            let mut item = decision.to_item();
            item::put_text(&mut item, name, Some("by hand"));
            let error = Decision::from_item(&item).unwrap_err().to_string();
            assert!(error.starts_with(&format!("attribute decision.{name} is not ")), "{error}");
        }
        let mut item = decision.to_item();
        item::put_text(&mut item, "outcome", Some("approved"));
        let error = Decision::from_item(&item).unwrap_err();
        assert_eq!(error, Malformed::Not("decision.outcome", "what the decision's payload says"));
        item.remove("rule");
        assert!(Decision::from_item(&item).is_err());
    }

    #[test]
    fn a_sealed_text_never_holds_the_token() {
        let token = TaskToken::new("AAAAKgAAAAIAAAAA/secret+token==").unwrap();
        let mut draft = draft("the note is <AAAAKgAAAAIAAAAA/secret+token==>");
        draft.code = "AAAAKgAAAAIAAAAA/secret+token==".to_owned();
        let decision = draft.seal("o-1", &token);
        assert_eq!(
            (decision.reason.as_str(), decision.code.as_str()),
            ("the note is <(hidden)>", "(hidden)")
        );
        assert!(!token.is_in(&format!("{decision:?}")));
    }
}
