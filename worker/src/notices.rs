//! Tells people on an EventBridge bus what waits for them.
//!
//! Nothing waits for a notice: no record, no checkpoint, no callback. The stream's record of an escalation or an expiry
//! puts the task's id into [`Notices`], and so do the walks of the worklists for whatever lacks its mark. The publisher
//! reads each task again, puts the event on the bus, and only then marks the task.

mod event;
mod pace;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodbstreams::types::{OperationType, Record};
use futures::{FutureExt as _, StreamExt as _, stream};
use statemachine::task::{Task, attribute};
use statemachine::token::TaskId;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::event::{Message, SOURCE, Told};
use self::pace::Pace;
use crate::aws::eventbridge::{Event, EventBus, MOST_EVENTS};
use crate::clock::Clock;
use crate::control::active_rules::ActiveRules;
use crate::control::amount::Amount;
use crate::metrics::{Metrics, Published, Service};
use crate::tasks::item;
use crate::tasks::notice::Notice;
use crate::tasks::table::TaskTable;

/// The most tasks that wait to be published; the walks of the worklists find the others later.
const MOST_WAITING: usize = 2_000;
/// How many events this process remembers, so that a mark that cannot be written does not repeat them at every walk.
const REMEMBERED: usize = 16_384;
/// How many tasks are read or marked at once.
const AT_ONCE: usize = 4;
/// After a failed call. The tasks of that call are found again by the walks of the worklists.
const PAUSE: Duration = Duration::from_secs(10);

/// The tasks of which something may have to be published. Cheap to clone; without a bus it holds nothing.
#[derive(Debug, Clone, Default)]
pub struct Notices(Option<Arc<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    ids: Mutex<BTreeSet<TaskId>>,
    new: Notify,
}

impl Notices {
    /// With a bus or without one.
    pub fn new(has_bus: bool) -> Notices {
        Notices(has_bus.then(Arc::default))
    }

    /// Whether there is a bus.
    pub fn has_bus(&self) -> bool {
        self.0.is_some()
    }

    /// Something may have to be published of this task. Never waits.
    pub fn look_at(&self, id: &TaskId) {
        let Some(waiting) = &self.0 else { return };
        let mut ids = waiting.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.len() < MOST_WAITING && ids.insert(id.clone()) {
            waiting.new.notify_one();
        }
    }

    /// Takes note of a record that shows an escalation or an expiry.
    pub fn look_at_record(&self, record: &Record, clock: &Clock) {
        if self.0.is_none() || record.event_name() != Some(&OperationType::Modify) {
            return;
        }
        let image = record.dynamodb().and_then(|change| change.new_image());
        // Most records: they are not copied.
        let undecided = image.filter(|image| !image.contains_key(attribute::DECISION)).map(item::from_stream);
        if undecided.is_some_and(|image| Notice::due(&image, clock.now().as_second()).is_some())
            && let Some(id) = item::task_id(record)
        {
            self.look_at(&id);
        }
    }

    fn take(&self) -> BTreeSet<TaskId> {
        let Some(waiting) = &self.0 else { return BTreeSet::new() };
        std::mem::take(&mut *waiting.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn some(&self) {
        match &self.0 {
            Some(waiting) => waiting.new.notified().await,
            None => std::future::pending().await,
        }
    }
}

/// Publishes until it is told to stop.
#[derive(Debug)]
pub struct Publisher {
    /// What may have to be published.
    pub notices: Notices,
    /// The bus.
    pub bus: EventBus,
    /// The tasks table.
    pub tasks: TaskTable,
    /// Where orders have their amount, and what is masked.
    pub rules: ActiveRules,
    /// Where people reach the console; events then have links to it.
    pub console: Option<String>,
    /// The metrics.
    pub metrics: Metrics,
    /// The wall clock.
    pub clock: Clock,
    /// What was published lately.
    pub told: Remembered,
}

/// The notices that this process has published.
#[derive(Debug, Default)]
pub struct Remembered(Mutex<BTreeSet<(TaskId, &'static str, String)>>);

impl Remembered {
    fn note(&self, told: &Told) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(told.key());
    }

    fn holds(&self, told: &Told) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&told.key())
    }
}

impl Publisher {
    /// Works until `stop`. What is not published by then is found by the walks of another worker.
    pub async fn run(self, stop: CancellationToken) {
        let mut pace = Pace::default();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.notices.some() => {}
            }
            if timeout(pace.gather(), stop.cancelled()).await.is_ok() {
                return;
            }
            // A panic affects these notices only: they are found again.
            let batch = AssertUnwindSafe(self.publish(self.notices.take(), &mut pace)).catch_unwind();
            let is_well = batch.await.unwrap_or_else(|_| {
                error!("publishing notices panicked; the next walks find their tasks again");
                false
            });
            if !is_well && timeout(PAUSE, stop.cancelled()).await.is_ok() {
                return;
            }
        }
    }

    /// Publishes what is due of these tasks; false after a failed call.
    async fn publish(&self, ids: BTreeSet<TaskId>, pace: &mut Pace) -> bool {
        let amount = Amount::of(&self.rules.pin());
        let due = stream::iter(ids).map(|id| self.due(id, &amount)).buffered(AT_ONCE);
        let due: Vec<Told> = due.filter_map(async |due| due).collect().await;
        let (again, due): (Vec<Told>, Vec<Told>) = due.into_iter().partition(|told| self.told.holds(told));
        self.mark(&again).await;
        let as_one = pace.gathers(due.len());
        let messages: Vec<Message> = event::messages(due, as_one, self.console.as_deref());
        let mut is_well = true;
        for messages in messages.chunks(MOST_EVENTS) {
            let events: Vec<Event> = messages.iter().map(|message| message.event.clone()).collect();
            let put = self.bus.put(SOURCE, &events).await.unwrap_or_else(|fault| {
                warn!(error = %fault, "notices: {fault}; retried at the next walk of the worklists");
                vec![false; events.len()]
            });
            for (message, is_put) in messages.iter().zip(put) {
                is_well &= is_put;
                pace.put();
                self.note(message, is_put).await;
            }
        }
        is_well
    }

    /// What is due of a task, as the table has it now.
    async fn due(&self, id: TaskId, amount: &Amount) -> Option<Told> {
        let item = match self.tasks.item(&id).await {
            Ok(item) => item?,
            Err(fault) => {
                self.metrics.failed(Service::Table, fault.class);
                warn!(task.id = %id, error = %fault, "task {id}: {fault}; its notice is not published yet");
                return None;
            }
        };
        let notice = Notice::due(&item, self.clock.now().as_second())?;
        // The sweeper tells of a task that cannot be read.
        Some(Told::of(notice, Task::from_item(&item).ok()?, amount))
    }

    /// Notes what became of a message, in the metrics and with each of its tasks.
    async fn note(&self, message: &Message, is_put: bool) {
        let result = if is_put { Published::Published } else { Published::Failed };
        self.metrics.published(message.notice, result, message.tasks.len());
        if !is_put {
            return;
        }
        let (notice, tasks) = (message.notice.label(), message.tasks.len());
        info!(notice, tasks, "published: {notice}, {tasks} tasks");
        message.tasks.iter().for_each(|told| self.told.note(told));
        self.mark(&message.tasks).await;
    }

    /// Notes with each task that its notice is out.
    async fn mark(&self, told: &[Told]) {
        let marks = stream::iter(told).for_each_concurrent(AT_ONCE, async |Told { notice, task, .. }| {
            if let Err(error) = self.tasks.note_published(task, *notice, self.clock.now()).await {
                self.metrics.failed(Service::Table, error.class());
                warn!(task.id = %task.id, error = %error, "task {}: {error}; its notice may be published twice", task.id);
            }
        });
        marks.await;
    }
}
