//! What one rule may use: a counted number of steps, with a wall clock far behind it.
//!
//! Steps are counted here and not by rhai: its own count starts anew inside the callbacks of native functions. A count
//! is the same on every machine, so that an evaluation can be repeated; the clock only guards against what counting
//! misses, and an evaluation that it ended says so.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rhai::{Dynamic, Engine};

/// The steps of one rule: about 500 times what a usual rule takes, enough to walk 2,000 lines of an order.
pub(crate) const MAX_STEPS: u64 = 50_000;
/// The longest text in a rule, in bytes; without a limit 28 doublings take 268 MB.
pub(crate) const MAX_STRING_BYTES: usize = 8 * 1024;
/// The wall clock for one rule: a few hundred times what [`MAX_STEPS`] take.
const BACKSTOP: Duration = Duration::from_secs(5);
/// The clock is read once in so many steps.
const CLOCK_EVERY: u64 = 1_024;

/// Nested arrays count in full at each change: more than this is quadratic time.
pub(crate) const MAX_ARRAY_SIZE: usize = 500;

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
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
        if steps.is_multiple_of(CLOCK_EVERY) && DEADLINE.get().is_some_and(|deadline| now() > deadline) {
            TIMED.set(true);
            return Some(Dynamic::UNIT);
        }
        None
    });
}

/// Starts a rule's budget on this thread.
pub(crate) fn start() {
    STEPS.set(0);
    TIMED.set(false);
    DEADLINE.set(Some(now() + BACKSTOP));
}

/// Charges the work of a host function that goes through `steps` values; the next step of the script stops if it is
/// too much.
pub(crate) fn charge(steps: usize) {
    STEPS.set(STEPS.get().saturating_add(steps as u64));
}

/// The clock ended the rule, not its steps.
pub(crate) fn was_timed() -> bool {
    TIMED.get()
}

#[expect(clippy::disallowed_methods, reason = "a backstop behind the counted budget; its hits are marked")]
fn now() -> Instant {
    Instant::now()
}
