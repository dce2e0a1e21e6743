//! Which AWS service a failed call of this module was made to.

use crate::aws::fault::Fault;
use crate::metrics::Service;

/// Derived from the operation: streams are only read, the tasks table is only asked for its stream, and all other calls
/// are to the control table.
pub(super) fn service_of(fault: &Fault) -> Service {
    match fault.operation {
        "DescribeStream" | "GetRecords" | "GetShardIterator" => Service::Stream,
        "DescribeTable" => Service::Table,
        _ => Service::Control,
    }
}
