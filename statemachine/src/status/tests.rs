use std::collections::BTreeSet;

use super::*;

/// Every state that any sequence of events leads to.
fn reachable() -> Vec<State> {
    let mut found = vec![State::NEW];
    let mut next = 0;
    while next < found.len() {
        for event in Event::ALL {
            if let Ok(state) = found[next].after(event)
                && !found.contains(&state)
            {
                found.push(state);
            }
        }
        next += 1;
    }
    found
}

#[test]
fn a_final_status_never_moves() {
    for state in reachable().into_iter().filter(|state| state.status.is_final()) {
        for event in Event::ALL {
            assert_eq!(state.after(event), Err(IllegalMove { from: state, event }));
        }
    }
}

#[test]
fn a_state_is_possible_exactly_when_events_lead_to_it() {
    let reachable = reachable();
    let outcomes = [None, Some(Outcome::Approved), Some(Outcome::Rejected)];
    for status in Status::ALL {
        for outcome in outcomes {
            for delivery in [None].into_iter().chain(Delivery::ALL.map(Some)) {
                for has_first in [false, true] {
                    let state = State { status, outcome, delivery, has_first };
                    assert_eq!(state.is_possible(), reachable.contains(&state), "{state}");
                }
            }
        }
    }
}

#[test]
fn a_stored_decision_never_changes() {
    for state in reachable().into_iter().filter(|state| state.outcome.is_some()) {
        for event in Event::ALL {
            if let Ok(after) = state.after(event) {
                assert_eq!(after.outcome, state.outcome);
                assert_ne!(event, Event::Escalated, "a decided task was escalated: {state:?}");
            }
        }
    }
}

#[test]
fn a_final_status_agrees_with_its_delivery() {
    for State { status, outcome, delivery, has_first: _ } in reachable() {
        let expected: &[(Option<Outcome>, Option<Delivery>)] = match status {
            Status::Approved => &[(Some(Outcome::Approved), Some(Delivery::Delivered))],
            Status::Rejected => &[(Some(Outcome::Rejected), Some(Delivery::Delivered))],
            Status::Expired => &[
                (None, None),
                (Some(Outcome::Approved), Some(Delivery::ClosedElsewhere)),
                (Some(Outcome::Rejected), Some(Delivery::ClosedElsewhere)),
            ],
            Status::Failed => &[
                (Some(Outcome::Approved), Some(Delivery::Undeliverable)),
                (Some(Outcome::Rejected), Some(Delivery::Undeliverable)),
            ],
            Status::Pending | Status::Escalated => continue,
        };
        assert!(expected.contains(&(outcome, delivery)), "{status} {outcome:?} {delivery:?}");
    }
}

#[test]
fn a_first_approval_stays_and_no_rule_follows_it() {
    for state in reachable().into_iter().filter(|state| state.has_first) {
        for event in Event::ALL {
            if let Ok(after) = state.after(event) {
                assert!(after.has_first, "{state}: {event:?}");
                assert!(!matches!(
                    event,
                    Event::DecidedByRule(_) | Event::GivenBack | Event::Escalated | Event::FirstApproved
                ));
            }
        }
    }
}

#[test]
fn every_open_state_can_end() {
    for state in reachable().into_iter().filter(|state| !state.status.is_final()) {
        let ends = Event::ALL.iter().filter_map(|event| state.after(*event).ok());
        let statuses: BTreeSet<_> = ends.map(|state| state.status.as_str()).collect();
        assert!(!statuses.is_empty(), "{state:?} is a dead end");
    }
}

#[test]
fn stored_texts_read_back() {
    for status in Status::ALL {
        assert_eq!(Status::parse(status.as_str()), Some(status));
        assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{status}\""));
    }
    for delivery in Delivery::ALL {
        assert_eq!(Delivery::parse(delivery.as_str()), Some(delivery));
    }
    assert_eq!(Status::parse("pending"), None);
}
