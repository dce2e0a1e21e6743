//! Control of the whole fleet: the control table, the automation switch, the rulesets and the hourly caps.

mod accepted;
pub mod active_rules;
pub(crate) mod amount;
pub mod automation;
pub mod caps;
pub(crate) mod difference;
pub mod gate;
pub mod history;
pub mod item;
pub(crate) mod person_name;
pub mod rule_store;
pub mod rules_folder;
pub mod table;
pub mod tested;
pub mod tokens;
