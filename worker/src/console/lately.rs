//! The tasks that settled lately, the newest days first: what earlier decisions are searched in.

use crate::api::ApiState;
use crate::api::error::Failure;
use crate::clock;
use crate::tasks::list::{ListedTask, MAX_PAGE, Query};

/// The days that are searched: this one and those before.
const DAYS: i64 = 7;
/// The most pages that are read: each is of [`MAX_PAGE`] settled tasks.
const MOST_PAGES: usize = 10;

/// What a search read.
pub(super) struct Searched {
    /// How many settled tasks.
    pub(super) read: usize,
    /// The earliest day.
    pub(super) since: String,
}

/// Gives `take` each page of settled tasks, until it wants no more of them.
pub(super) async fn search(
    state: &ApiState,
    mut take: impl FnMut(Vec<ListedTask>) -> bool,
) -> Result<Searched, Failure> {
    let mut searched = Searched { read: 0, since: String::new() };
    let (mut pages, mut wants_more) = (0, true);
    for ago in 0..DAYS {
        let day = clock::day(state.clock.now() - jiff::SignedDuration::from_hours(24 * ago));
        searched.since.clone_from(&day);
        let query = Query::Settled { day, status: None };
        let mut cursor: Option<String> = None;
        loop {
            if pages == MOST_PAGES || !wants_more {
                return Ok(searched);
            }
            let page = state.task_list.page(&query, MAX_PAGE, cursor.as_deref()).await?;
            pages += 1;
            searched.read += page.tasks.len();
            wants_more = take(page.tasks);
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(searched)
}
