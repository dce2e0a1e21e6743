//! What a failed call to a table means to the caller of the API.

use super::error::Failure;
use crate::aws::fault::Fault;
use crate::control::item::ControlError;
use crate::control::rule_store::StoreError;
use crate::tasks::list::ListError;
use crate::tasks::table::TableError;

impl From<ListError> for Failure {
    fn from(error: ListError) -> Failure {
        match error {
            ListError::Cursor(invalid) => Failure::Invalid(invalid.to_string()),
            ListError::Fault(fault) => fault.into(),
        }
    }
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Failure {
        match error {
            TableError::Fault(fault) => fault.into(),
            TableError::Malformed(_) => Failure::damaged(&error.to_string()),
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        Failure::Unavailable { why: fault.to_string(), may_pass: fault.class.may_pass() }
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Failure {
        StoreError::from(error).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        match error {
            StoreError::Fault(fault) => fault.into(),
            StoreError::MayStand(_) => Failure::TooSlow,
            StoreError::Unreadable(_) | StoreError::Newer { .. } => Failure::Damaged(error.to_string()),
            StoreError::Raced => Failure::Raced,
            StoreError::Unknown(_) | StoreError::Ambiguous(_) | StoreError::NoEarlier => {
                Failure::NoSuchRuleset(error.to_string())
            }
            StoreError::TooLarge { .. } => Failure::Invalid(error.to_string()),
            StoreError::Damaged { .. } | StoreError::Refused(_) => Failure::Internal(error.to_string()),
        }
    }
}
