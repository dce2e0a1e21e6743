//! The outcome of one piece of work: a stream record, a worklist entry, or a task of a closed execution.

named! {
    /// The outcome of one stream record or one worklist entry.
    Handled {
        /// The workflow received the answer.
        Delivered = "delivered",
        /// Left to a person.
        Escalated = "escalated",
        /// The workflow stopped waiting before anybody decided.
        Expired = "expired",
        /// The token was closed; the execution's history will show by whom.
        Unverified = "unverified",
        /// Step Functions permanently rejected the answer.
        Undeliverable = "undeliverable",
        /// The workflow ended in a different way from the decision.
        ClosedElsewhere = "closed_elsewhere",
        /// Stored, and deferred to a later walk of its worklist.
        PutOff = "put_off",
        /// There was nothing left to do.
        AlreadySettled = "already_settled",
        /// The task is no longer in the table.
        Gone = "gone",
        /// Neither this worker nor a person can handle it; quarantined in the control table.
        Poison = "poison",
        /// A deletion, by TTL or by hand.
        Removal = "removal",
        /// A change that needs no work.
        OwnWrite = "own_write",
        /// Left to the next holder of the lease.
        LeaseLost = "lease_lost",
    }
}
