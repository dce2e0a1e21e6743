//! Which service a failed call of this folder was made to.

use crate::aws::fault::Fault;
use crate::metrics::Service;

/// By the call's operation: streams are read, the tasks table is only asked for its stream, and all else is the control
/// table's.
pub(super) fn service_of(fault: &Fault) -> Service {
    match fault.operation {
        "DescribeStream" | "GetRecords" | "GetShardIterator" => Service::Stream,
        "DescribeTable" => Service::Table,
        _ => Service::Control,
    }
}
