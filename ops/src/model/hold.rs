//! A call held at a door: how a test stops the world at one crash window and goes on from there.

use tokio::sync::watch;

use super::faults::{Failure, Matcher};
use super::wire::Call;

/// Where a call is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The service has not seen it.
    BeforeApply,
    /// The service has applied it, the caller has no answer.
    AfterApply,
}

#[derive(Debug, Clone)]
enum State {
    Armed,
    Held(Box<Call>),
    Released,
    Failed(Failure),
}

/// The test's end: released when it is dropped.
#[derive(Debug)]
pub struct Hold {
    state: watch::Sender<State>,
}

/// The world's end.
#[derive(Debug)]
pub(super) struct Watch {
    matcher: Matcher,
    door: Door,
    /// How many matching calls pass before one is held.
    skip: u64,
    state: watch::Sender<State>,
}

/// Arms a hold of the `nth` matching call, from 1.
pub(super) fn arm(matcher: Matcher, nth: u64, door: Door) -> (Hold, Watch) {
    let (state, _) = watch::channel(State::Armed);
    (Hold { state: state.clone() }, Watch { matcher, door, skip: nth.saturating_sub(1), state })
}

impl Hold {
    /// Waits until a call is held, and gives it.
    ///
    /// # Panics
    ///
    /// When the hold was released before.
    pub async fn reached(&self) -> Call {
        let mut state = self.state.subscribe();
        let held = state.wait_for(|state| !matches!(state, State::Armed)).await;
        match &*held.expect("this end keeps the channel open") {
            State::Held(call) => (**call).clone(),
            State::Armed | State::Released | State::Failed(_) => panic!("the hold is over already"),
        }
    }

    /// Tells whether a call is held now.
    pub fn is_holding(&self) -> bool {
        matches!(*self.state.borrow(), State::Held(_))
    }

    /// Lets the call go on.
    pub fn release(&self) {
        self.state.send_replace(State::Released);
    }

    /// Lets the caller see a failure instead of an answer. Before its application, the call is never applied.
    pub fn fail(&self, failure: Failure) {
        self.state.send_replace(State::Failed(failure));
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.state.send_if_modified(|state| {
            let is_open = matches!(state, State::Armed | State::Held(_));
            if is_open {
                *state = State::Released;
            }
            is_open
        });
    }
}

impl Watch {
    /// Takes the call when it is the one to hold. Gives what to wait on.
    pub(super) fn take(&mut self, call: &Call, door: Door) -> Option<Held> {
        let is_armed = matches!(*self.state.borrow(), State::Armed);
        if !is_armed || self.door != door || !self.matcher.matches(call) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.state.send_replace(State::Held(Box::new(call.clone())));
        Some(Held { state: self.state.clone() })
    }

    /// Tells whether the hold has nothing more to do.
    pub(super) fn is_over(&self) -> bool {
        matches!(*self.state.borrow(), State::Released | State::Failed(_))
    }
}

/// A call that is held.
#[derive(Debug)]
pub(super) struct Held {
    state: watch::Sender<State>,
}

impl Held {
    /// Waits until the test lets it go; gives the failure the caller is to see, if any.
    pub(super) async fn wait(self) -> Option<Failure> {
        let mut state = self.state.subscribe();
        let end = state.wait_for(|state| matches!(state, State::Released | State::Failed(_))).await;
        match &*end.expect("this end keeps the channel open") {
            State::Failed(failure) => Some(*failure),
            State::Armed | State::Held(_) | State::Released => None,
        }
    }
}
