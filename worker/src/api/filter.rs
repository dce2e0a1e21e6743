//! Which tasks of a list a caller wants, where no index says it: each page is read and searched.

use jiff::Timestamp;
use rules::same_person;
use statemachine::task::Claim;

use super::ApiState;
use super::error::Failure;
use crate::tasks::list::{ListedTask, Query};

/// The most pages of the list that are read for one page of wanted tasks.
const MOST_READS: usize = 10;

/// What a wanted task must be; everything where nothing is given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The code of the escalation or of the decision.
    pub(crate) code: Option<String>,
    /// The rule of the escalation or of the decision.
    pub(crate) rule: Option<String>,
    /// The name of the state machine.
    pub(crate) workflow: Option<String>,
    /// Received before this time.
    pub(crate) received_before: Option<Timestamp>,
    /// Whose claim lasts. The lists do not have the claims: each task that is else wanted is read for it.
    pub(crate) claimed: Option<Claimed>,
}

/// Whose claim of a wanted task lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// Nobody's.
    ByNobody,
    /// That of the person with this name.
    By(String),
}

impl Claimed {
    fn is(&self, claim: Option<&Claim>) -> bool {
        match self {
            Claimed::ByNobody => claim.is_none(),
            Claimed::By(name) => claim.is_some_and(|claim| claim.subject == same_person(name)),
        }
    }
}

impl Wanted {
    fn is(&self, task: &ListedTask) -> bool {
        let (decision, escalation) = (task.decision.as_ref(), task.escalation.as_ref());
        let has_code = |wanted: &String| {
            decision.is_some_and(|decision| decision.code == *wanted)
                || escalation.is_some_and(|escalation| escalation.code == *wanted)
        };
        let has_rule = |wanted: &String| {
            decision.is_some_and(|decision| decision.rule.as_ref() == Some(wanted))
                || escalation.is_some_and(|escalation| escalation.rule.as_ref() == Some(wanted))
        };
        // arn:aws:states:region:account:execution:workflow:name
        let workflow = task.transaction_id.split(':').nth(6);
        let is_early = |before: Timestamp| task.received_at.parse::<Timestamp>().is_ok_and(|at| at < before);
        self.code.as_ref().is_none_or(has_code)
            && self.rule.as_ref().is_none_or(has_rule)
            && self.workflow.as_ref().is_none_or(|wanted| workflow == Some(wanted))
            && self.received_before.is_none_or(is_early)
    }
}

/// Reads a page of at most `limit` wanted tasks. It may be short, or empty, although more follow: while there is a cursor,
/// they may.
pub(crate) async fn read(
    state: &ApiState,
    query: &Query,
    wanted: &Wanted,
    limit: usize,
    cursor: Option<String>,
) -> Result<(Vec<ListedTask>, Option<String>), Failure> {
    let (mut tasks, mut cursor) = (Vec::new(), cursor);
    for _ in 0..MOST_READS {
        let page = state.task_list.page(query, limit - tasks.len(), cursor.as_deref()).await?;
        let mut found: Vec<ListedTask> = page.tasks.into_iter().filter(|task| wanted.is(task)).collect();
        if let Some(claimed) = &wanted.claimed {
            found = with_claim(state, found, claimed).await?;
        }
        tasks.append(&mut found);
        cursor = page.cursor;
        if cursor.is_none() || tasks.len() >= limit {
            break;
        }
    }
    Ok((tasks, cursor))
}

/// Those of the tasks whose claim is as wanted.
async fn with_claim(
    state: &ApiState,
    tasks: Vec<ListedTask>,
    claimed: &Claimed,
) -> Result<Vec<ListedTask>, Failure> {
    let details = state.task_list.details(tasks.iter().map(|task| task.id.clone()).collect()).await?;
    let now = state.clock.now().as_second();
    let claim = |task: &ListedTask| details.get(&task.id)?.claim.as_ref().filter(|claim| claim.until > now);
    Ok(tasks.into_iter().filter(|task| claimed.is(claim(task))).collect())
}
