//! The step limit of one rule, with a time limit far behind it.
//!
//! Steps are counted here and not by rhai, whose own count restarts inside the callbacks of native functions. A count is
//! the same on every machine, so an evaluation can be repeated. The clock only guards against what counting misses, and
//! an evaluation that the clock ended says so.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rhai::{Dynamic, Engine};

/// The steps of one rule: about 500 times what a usual rule takes, enough to walk 2,000 lines of an order.
pub(crate) const MAX_STEPS: u64 = 50_000;
/// The time limit of one rule: a few hundred times what [`MAX_STEPS`] take.
const BACKSTOP: Duration = Duration::from_secs(5);
/// The clock is read once every so many steps.
const CLOCK_EVERY: u64 = 1_024;

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
    /// The count at which the clock is read next.
    static CLOCK_AT: Cell<u64> = const { Cell::new(CLOCK_EVERY) };
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
    static TIMED: Cell<bool> = const { Cell::new(false) };
}

/// Makes the engine count steps on the evaluating thread.
pub(crate) fn install(engine: &mut Engine) {
    engine.on_progress(|_| {
        let steps = STEPS.get() + 1;
        STEPS.set(steps);
        if steps > MAX_STEPS {
            return Some(Dynamic::UNIT);
        }
        if steps >= CLOCK_AT.get() && is_late() {
            TIMED.set(true);
            return Some(Dynamic::UNIT);
        }
        None
    });
}

/// Reads the clock. A rule's time begins here, at its first reading: the usual rule ends long before.
fn is_late() -> bool {
    CLOCK_AT.set(STEPS.get() + CLOCK_EVERY);
    let now = now();
    let deadline = DEADLINE.get().unwrap_or(now + BACKSTOP);
    DEADLINE.set(Some(deadline));
    now > deadline
}

/// Starts a rule's count and time on this thread.
pub(crate) fn start() {
    STEPS.set(0);
    TIMED.set(false);
    CLOCK_AT.set(CLOCK_EVERY);
    DEADLINE.set(None);
}

/// Counts the work of a host function that goes through `steps` values. If that exceeds the limit, the script stops at
/// its next step.
pub(crate) fn charge(steps: usize) {
    STEPS.set(STEPS.get().saturating_add(steps as u64));
}

/// Whether the time limit ended the rule, not the step limit.
pub(crate) fn was_timed() -> bool {
    TIMED.get()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a backstop behind the counted steps; an evaluation that it ended says so"
)]
fn now() -> Instant {
    Instant::now()
}
