//! Journeys through the worker's public doors, on AWS in process.

mod api_control;
mod api_decisions;
mod api_lists;
mod api_requests;
mod architecture;
mod archive;
mod aws_settings;
mod blocked_log;
mod caps;
mod command_line;
mod command_line_tasks;
mod contributors;
mod damaged;
mod log_fields;
mod long_lived;
mod mutations;
mod office;
mod panics;
mod reconsider;
mod redelivery;
mod rules_folder;
mod stale_rules;
mod switch;
mod tokens;
