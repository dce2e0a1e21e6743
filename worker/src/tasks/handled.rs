//! What became of one piece of work: a stream record, a worklist entry, or a task of a closed execution.

named! {
    /// What became of one stream record or one worklist entry.
    Handled {
        /// The workflow has the answer.
        Delivered = "delivered",
        /// Left to a person.
        Escalated = "escalated",
        /// The workflow waited no longer, and nobody had decided.
        Expired = "expired",
        /// The token was closed; history will say by whom.
        Unverified = "unverified",
        /// Step Functions refuses it for good.
        Undeliverable = "undeliverable",
        /// The workflow ended another way than decided.
        ClosedElsewhere = "closed_elsewhere",
        /// Stored, and to be tried again from its worklist.
        PutOff = "put_off",
        /// Nothing was left to do.
        AlreadySettled = "already_settled",
        /// The task is no longer in the table.
        Gone = "gone",
        /// It can neither be worked on nor left to a person; kept in the control table.
        Poison = "poison",
        /// A deletion, by TTL or by hand.
        Removal = "removal",
        /// A change that asks for nothing.
        OwnWrite = "own_write",
        /// Left to the lease's next holder.
        LeaseLost = "lease_lost",
    }
}
