//! Which worker may do what, and until when. The plan, the lineage and the checkpoint are pure.

pub mod checkpoint;
pub mod fleet;
pub mod fleet_view;
pub mod guard;
pub mod lineage;
pub mod plan;
pub mod table;
