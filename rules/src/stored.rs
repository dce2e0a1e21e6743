//! The stored form of an evaluation, as `serde_json` would write it, in a fifth of the time: most of its texts have
//! nothing to escape, and its names never do.

use crate::evaluation::{Ended, Evaluation, MAX_STORED_BYTES, RuleVerdict};
use crate::short_text::shorten;
use crate::verdict::{Outcome, Verdict};

/// Room for most evaluations, so that the text rarely grows.
const USUAL_BYTES: usize = 2 * 1024;

impl Evaluation {
    /// The JSON text to store with the task, at most [`MAX_STORED_BYTES`] long.
    ///
    /// What does not fit goes in this order, and `truncated` says so: the rules that passed, the values of facts, the
    /// ends of long texts, the facts, the verdicts that did not decide.
    pub fn to_json(&self) -> String {
        let mut json = written(self);
        if json.len() <= MAX_STORED_BYTES {
            return json;
        }
        let mut kept = self.clone();
        let cuts: [fn(&mut Evaluation); 5] = [
            |kept| kept.verdicts.retain(|rule| !matches!(rule.ended, Ended::Pass | Ended::Skipped)),
            |kept| kept.facts.iter_mut().for_each(|fact| fact.value = None),
            |kept| kept.shorten_texts(400),
            |kept| kept.facts.clear(),
            |kept| kept.verdicts.clear(),
        ];
        for cut in cuts {
            if json.len() <= MAX_STORED_BYTES {
                break;
            }
            kept.truncated = true;
            cut(&mut kept);
            json = written(&kept);
        }
        json
    }

    /// Reads a stored evaluation.
    ///
    /// # Errors
    ///
    /// When the text is not one that [`Evaluation::to_json`] wrote.
    pub fn from_json(text: &str) -> Result<Evaluation, serde_json::Error> {
        serde_json::from_str(text)
    }

    fn shorten_texts(&mut self, max_chars: usize) {
        let verdict = match &mut self.verdict {
            Verdict::Approve { text, .. } | Verdict::Reject { text, .. } | Verdict::Escalate { text, .. } => {
                text
            }
        };
        shorten(verdict, max_chars);
        for rule in &mut self.verdicts {
            match &mut rule.ended {
                Ended::Pass | Ended::Skipped => {}
                Ended::Gave { text, .. } | Ended::Failed { text, .. } => shorten(text, max_chars),
            }
        }
    }
}

/// An evaluation as JSON.
fn written(evaluation: &Evaluation) -> String {
    let Evaluation { verdict, ruleset, engine, verdicts, facts, timed, truncated } = evaluation;
    let mut out = String::with_capacity(USUAL_BYTES);
    out.push_str(r#"{"verdict":"#);
    write_verdict(&mut out, verdict);
    member(&mut out, r#","ruleset":"#, ruleset);
    member(&mut out, r#","engine":"#, engine);
    list(&mut out, r#","verdicts":["#, verdicts, write_rule);
    list(&mut out, r#","facts":["#, facts, |out, fact| {
        member(out, r#"{"path":"#, &fact.path);
        optional(out, r#","value":"#, fact.value.as_deref());
        out.push('}');
    });
    if *timed {
        out.push_str(r#","timed":true"#);
    }
    if *truncated {
        out.push_str(r#","truncated":true"#);
    }
    out.push('}');
    out
}

fn write_verdict(out: &mut String, verdict: &Verdict) {
    member(out, r#"{"outcome":"#, verdict.outcome().as_str());
    member(out, r#","code":"#, verdict.code());
    member(out, r#","text":"#, verdict.text());
    optional(out, r#","rule":"#, verdict.rule());
    if let Verdict::Escalate { cause, .. } = verdict {
        optional(out, r#","cause":"#, cause.map(|cause| cause.as_str()));
    }
    out.push('}');
}

fn write_rule(out: &mut String, rule: &RuleVerdict) {
    member(out, r#"{"rule":"#, &rule.rule);
    member(out, r#","hash":"#, &rule.hash);
    out.push_str(if rule.counts { r#","counts":true"# } else { r#","counts":false"# });
    match &rule.ended {
        Ended::Pass => out.push_str(r#","ended":"pass"}"#),
        Ended::Skipped => out.push_str(r#","ended":"skipped"}"#),
        Ended::Gave { outcome, code, text } => {
            member(out, r#","ended":"gave","outcome":"#, Outcome::as_str(*outcome));
            member(out, r#","code":"#, code);
            member(out, r#","text":"#, text);
            out.push('}');
        }
        Ended::Failed { cause, text } => {
            member(out, r#","ended":"failed","cause":"#, cause.as_str());
            member(out, r#","text":"#, text);
            out.push('}');
        }
    }
}

fn list<T>(out: &mut String, name: &str, values: &[T], write: impl Fn(&mut String, &T)) {
    out.push_str(name);
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(out, value);
    }
    out.push(']');
}

fn optional(out: &mut String, name: &str, text: Option<&str>) {
    match text {
        Some(text) => member(out, name, text),
        None => {
            out.push_str(name);
            out.push_str("null");
        }
    }
}

/// A name, with what stands before it, and a text.
fn member(out: &mut String, name: &str, text: &str) {
    out.push_str(name);
    // Without a branch for each byte, so that many are looked at in one step.
    let is_plain = |byte: u8| (byte >= 0x20) & (byte != b'"') & (byte != b'\\');
    if text.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::to_string(text).expect("a text always serialises"));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evaluation::FactRead;
    use crate::verdict::Cause;

    fn ended(kind: usize, text: &str) -> Ended {
        let (outcome, text) = (Outcome::ALL[kind % 3], text.to_owned());
        match kind {
            0 => Ended::Pass,
            1 => Ended::Skipped,
            2..5 => Ended::Gave { outcome, code: "a-code".to_owned(), text },
            _ => Ended::Failed { cause: Cause::ALL[kind % 5], text },
        }
    }

    fn verdict(kind: usize, text: &str) -> Verdict {
        let (code, rule, text) = ("a-code".to_owned(), text.to_owned(), text.to_owned());
        match kind {
            0 => Verdict::Approve { code, text, rule: None },
            1 => Verdict::Approve { code, text, rule: Some(rule) },
            2 => Verdict::Reject { code, text, rule },
            3 => Verdict::Escalate { code, text, rule: Some(rule), cause: None },
            _ => Verdict::Escalate { code, text, rule: None, cause: Some(Cause::ALL[kind % 5]) },
        }
    }

    proptest! {
        /// Stored evaluations are compared as texts: not one byte may differ.
        #[test]
        fn it_is_what_serde_json_writes(
            texts in proptest::collection::vec("(?s:.{0,40})", 1..6),
            kinds in proptest::collection::vec(0_usize..10, 0..6),
            kind in 0_usize..9,
            flags in any::<[bool; 3]>(),
        ) {
            let text = |place: usize| texts[place % texts.len()].as_str();
            let verdicts = kinds.iter().enumerate().map(|(place, kind)| RuleVerdict {
                rule: text(place).into(),
                hash: "0123abcd".into(),
                counts: flags[0],
                ended: ended(*kind, text(place + 1)),
            });
            let facts = kinds.iter().enumerate().map(|(place, kind)| FactRead {
                path: text(place).into(),
                value: (kind % 2 == 0).then(|| text(place + 2).into()),
            });
            let evaluation = Evaluation {
                verdict: verdict(kind, text(kind)),
                ruleset: text(0).into(),
                engine: text(1).into(),
                verdicts: verdicts.collect(),
                facts: facts.collect(),
                timed: flags[1],
                truncated: flags[2],
            };
            prop_assert_eq!(written(&evaluation), serde_json::to_string(&evaluation).unwrap());
        }
    }
}
