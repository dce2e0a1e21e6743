//! Letters as people and programs see them.

use serde::Serialize;

use crate::cli::render::{json, line, plain, spread, table};
use crate::cli::{Failed, Format};
use crate::dead_letters::letter::{Content, Letter, Verdict};

/// The longest order id and reason in the table, in characters.
const ORDER_CHARS: usize = 40;
const REASON_CHARS: usize = 100;

/// A letter, what it is about, and what to do with it.
pub(super) struct Read {
    pub(super) letter: Letter,
    pub(super) content: Content,
    pub(super) verdict: Verdict,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    id: &'a str,
    queue: &'static str,
    sent_at: Option<String>,
    order_id: Option<&'a str>,
    transaction_id: Option<&'a str>,
    reason: &'a str,
    redrivable: bool,
}

impl Read {
    fn order_id(&self) -> Option<&str> {
        match &self.content {
            Content::Task(task) => Some(&task.order_id),
            Content::Closed { .. } | Content::Unusable(_) => None,
        }
    }

    fn execution(&self) -> Option<&str> {
        match &self.content {
            Content::Task(task) => Some(&task.transaction_id),
            Content::Closed { execution } => Some(execution),
            Content::Unusable(_) => None,
        }
    }

    fn sent_at(&self) -> Option<String> {
        self.letter.sent_at.map(|at| format!("{at:.0}"))
    }
}

pub(super) fn list(letters: &[Read], format: Format) -> Result<String, Failed> {
    if format == Format::Json {
        let listed = letters.iter().map(|read| Listed {
            id: &read.letter.id,
            queue: read.letter.kind.as_str(),
            sent_at: read.sent_at(),
            order_id: read.order_id(),
            transaction_id: read.execution(),
            reason: &read.verdict.reason,
            redrivable: read.verdict.is_redrivable,
        });
        return Ok(json(&listed.collect::<Vec<_>>())?);
    }
    if letters.is_empty() {
        return Ok("no dead letters\n".to_owned());
    }
    let rows = letters.iter().map(|read| {
        [
            read.letter.id.clone(),
            read.letter.kind.as_str().to_owned(),
            read.sent_at().unwrap_or_default(),
            line(read.order_id().unwrap_or("-"), ORDER_CHARS),
            if read.verdict.is_redrivable { "yes" } else { "no" }.to_owned(),
            line(&read.verdict.reason, REASON_CHARS),
        ]
    });
    let rows: Vec<_> = rows.collect();
    Ok(table(["ID", "QUEUE", "SENT", "ORDER", "REDRIVE", "REASON"], &rows))
}

pub(super) fn show(read: &Read) -> String {
    let mut text = format!("id         {}\nqueue      {}\n", read.letter.id, read.letter.kind.as_str());
    for (name, value) in [
        ("sent", read.sent_at()),
        ("execution", read.execution().map(str::to_owned)),
        ("reason", Some(read.verdict.reason.clone())),
    ] {
        if let Some(value) = value {
            text.push_str(&format!("{name:<9}  {}\n", plain(&value)));
        }
    }
    text.push_str(&format!("redrive    {}\n\n", if read.verdict.is_redrivable { "yes" } else { "no" }));
    let shown = read.letter.shown();
    text.push_str(&plain(&if shown.starts_with(['{', '[']) { spread(&shown) } else { shown }));
    text.push('\n');
    text
}
