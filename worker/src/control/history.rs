//! The history of the control item: one line for each change, written in the same transaction.
//!
//! Because of the history, a deleted item is noticed and can be recreated as it was.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::aws::attribute::{check_format, text_of};
use crate::aws::fault::Fault;
use crate::control::item::{Attributes, ControlError, ControlItem, ITEM, Paused};
use crate::control::table::{ControlTable, SK};

/// The partition of the lines.
pub(crate) const HISTORY: &str = "history";

/// The sort key of the line of a revision.
pub(crate) fn line_key(revision: i64) -> String {
    format!("{revision:010}")
}

/// What happened to the control item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RulesetChangeKind)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// A ruleset became active.
    Publish,
    /// An earlier ruleset became active again.
    Rollback,
    /// A ruleset became the shadow ruleset.
    Shadow,
    /// The shadow ruleset was removed.
    Unshadow,
    /// Automatic decisions were paused.
    Pause,
    /// Automatic decisions were resumed.
    Resume,
}

/// One line of history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RulesetChange)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// What happened.
    pub event: Event,
    /// Who did it.
    pub by: String,
    /// Why.
    pub message: String,
    /// The ruleset concerned, by SHA-256.
    pub ruleset: Option<String>,
    /// The previously active ruleset, by SHA-256.
    pub before: Option<String>,
    /// The control item's revision after it.
    pub revision: i64,
}

impl Line {
    /// The pause that it started, if any.
    pub fn paused(&self) -> Option<Paused> {
        (self.event == Event::Pause).then(|| Paused {
            reason: self.message.clone(),
            by: self.by.clone(),
            at: self.at.clone(),
        })
    }

    /// The control item after this change.
    pub(crate) fn change(&self, item: &mut ControlItem) {
        item.revision = self.revision;
        match self.event {
            Event::Publish | Event::Rollback => item.active.clone_from(&self.ruleset),
            Event::Shadow | Event::Unshadow => item.shadow.clone_from(&self.ruleset),
            Event::Pause | Event::Resume => item.paused = self.paused(),
        }
    }

    /// Reads a stored line; none if it is not one.
    fn read(item: &Attributes) -> Option<Line> {
        serde_json::from_str(&text_of(item, "line")?).ok()
    }
}

impl ControlTable {
    /// Reads the control item, consistently. If there never was one, it is the default: automatic, no published
    /// ruleset.
    ///
    /// # Errors
    ///
    /// [`ControlError`] when the call fails, or the item was edited or deleted by hand.
    pub async fn read_control_item(&self) -> Result<ControlItem, ControlError> {
        match self.control_attributes().await? {
            Some(item) => ControlItem::read(&item),
            None if self.last_revision().await?.is_some() => Err(ControlError::Vanished),
            None => Ok(ControlItem::default()),
        }
    }

    /// The current control item, whether or not it is valid.
    pub(crate) async fn control_attributes(&self) -> Result<Option<Attributes>, Fault> {
        self.get(ITEM, ITEM).await
    }

    /// Every change of the control item, oldest first.
    ///
    /// # Errors
    ///
    /// [`ControlError`] when the call fails, or a newer version wrote a line: without it, a deleted item would be
    /// recreated as it was at another time.
    pub async fn history(&self) -> Result<Vec<Line>, ControlError> {
        let items = self.query_consistently(HISTORY).await?;
        for item in &items {
            let what = || format!("line {} of the history", text_of(item, SK).unwrap_or_default());
            check_format(item).map_err(|newer| ControlError::Newer { what: what(), newer })?;
        }
        Ok(items.iter().filter_map(Line::read).collect())
    }

    /// The line of a revision, if there is one.
    pub(crate) async fn line(&self, revision: i64) -> Result<Option<Line>, Fault> {
        Ok(self.get(HISTORY, &line_key(revision)).await?.as_ref().and_then(Line::read))
    }

    /// The revision of the last line; none if there is no history.
    pub(crate) async fn last_revision(&self) -> Result<Option<i64>, Fault> {
        let last = self.last_of(HISTORY).await?;
        Ok(last.map(|last| text_of(&last, SK).and_then(|key| key.parse().ok()).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_make_the_item_again() {
        let line = |revision, event, ruleset: Option<&str>| Line {
            at: "t".to_owned(),
            event,
            by: "ada".to_owned(),
            message: format!("m{revision}"),
            ruleset: ruleset.map(str::to_owned),
            before: None,
            revision,
        };
        let lines = [
            line(1, Event::Publish, Some("aa")),
            line(2, Event::Pause, None),
            line(3, Event::Shadow, Some("cc")),
            line(4, Event::Publish, Some("bb")),
        ];
        let mut item = ControlItem::default();
        lines.iter().for_each(|line| line.change(&mut item));
        let paused = Paused { reason: "m2".to_owned(), by: "ada".to_owned(), at: "t".to_owned() };
        let (active, shadow) = (Some("bb".to_owned()), Some("cc".to_owned()));
        assert_eq!(item, ControlItem { revision: 4, active, shadow, paused: Some(paused) });
        line(5, Event::Unshadow, None).change(&mut item);
        line(6, Event::Resume, None).change(&mut item);
        assert_eq!((item.shadow, item.paused, item.revision), (None, None, 6));
    }
}
