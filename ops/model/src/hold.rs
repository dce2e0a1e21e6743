//! Holds a call at a door: a test stops the world in one crash window and continues from there.

use tokio::sync::watch;

use super::faults::{Failure, Matcher};
use super::wire::Call;

/// Where a call is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Before the service has seen the call.
    BeforeApply,
    /// After the service has applied the call, before the caller receives the response.
    AfterApply,
}

#[derive(Debug, Clone)]
enum State {
    Armed,
    Held(Box<Call>),
    Released,
    Failed(Failure),
}

/// The test's end of the channel; dropping it releases the call.
#[derive(Debug)]
pub struct Hold {
    state: watch::Sender<State>,
}

/// The world's end of the channel.
#[derive(Debug)]
pub(super) struct Watch {
    matcher: Matcher,
    door: Door,
    /// How many matching calls pass before one is held.
    skip: u64,
    state: watch::Sender<State>,
}

/// Creates a hold for the `nth` matching call, counted from 1.
pub(super) fn arm(matcher: Matcher, nth: u64, door: Door) -> (Hold, Watch) {
    let (state, _) = watch::channel(State::Armed);
    (Hold { state: state.clone() }, Watch { matcher, door, skip: nth.saturating_sub(1), state })
}

impl Hold {
    /// Waits until a call is held, and returns the call.
    ///
    /// # Panics
    ///
    /// If the hold was already released.
    pub async fn reached(&self) -> Call {
        let mut state = self.state.subscribe();
        let held = state.wait_for(|state| !matches!(state, State::Armed)).await;
        match &*held.expect("this end keeps the channel open") {
            State::Held(call) => (**call).clone(),
            State::Armed | State::Released | State::Failed(_) => panic!("the hold is already over"),
        }
    }

    /// Returns whether a call is held now.
    pub fn is_holding(&self) -> bool {
        matches!(*self.state.borrow(), State::Held(_))
    }

    /// Lets the call continue.
    pub fn release(&self) {
        self.state.send_replace(State::Released);
    }

    /// Makes the caller see a failure instead of a response. At the door before the service, the call is then never
    /// applied.
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
    /// Takes the call if it is the one to hold, and returns what the call must wait for.
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

    /// Returns whether the hold has nothing left to do.
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
    /// Waits until the test releases the call; returns the failure that the caller must see, if any.
    pub(super) async fn wait(self) -> Option<Failure> {
        let mut state = self.state.subscribe();
        let end = state.wait_for(|state| matches!(state, State::Released | State::Failed(_))).await;
        match &*end.expect("this end keeps the channel open") {
            State::Failed(failure) => Some(*failure),
            State::Armed | State::Held(_) | State::Released => None,
        }
    }
}
