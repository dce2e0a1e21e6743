//! The tasks table: its conditional writes, its reads and listings, and the archive that `tasks export` writes.

pub mod archive;
mod batch;
pub mod handled;
pub mod in_hand;
pub(crate) mod item;
pub mod list;
pub mod notice;
pub(crate) mod order;
pub(crate) mod reviewed;
pub mod table;
