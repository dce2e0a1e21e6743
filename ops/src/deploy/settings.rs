//! The settings with which the command line finds a stack: its tables, its queues and its region.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ops::account::Account;
use ops::stack::Stack;
use serde_json::Value;

/// Writes the settings of a stack into a folder; returns the file.
pub(super) fn write(
    dir: &Path,
    name: &str,
    account: &Account,
    stack: &Stack,
    rules: &Path,
) -> Result<PathBuf> {
    // A JSON string is also a valid TOML string.
    let quoted = |text: &str| Value::from(text).to_string();
    let text = format!(
        "# The stack {name}, for `countersign --config`. Written by `cargo ops deploy`.\n\
         [aws]\nregion = {}\nendpoint_url = {}\n\n[tables]\ntasks = {}\ncontrol = {}\n\n\
         [queues]\ntasks = {}\ntask_dead_letters = {}\nclosed_executions = {}\n\
         closed_executions_dead_letters = {}\nhints = {}\n\n[rules]\ndir = {}\n",
        quoted(&account.region),
        quoted(account.endpoint_url().unwrap_or_default()),
        quoted(&stack.tasks_table),
        quoted(&stack.control_table),
        quoted(&stack.task_queue_url),
        quoted(&stack.task_dead_letter_queue_url),
        quoted(&stack.closed_executions_queue_url),
        quoted(&stack.closed_executions_dead_letter_queue_url),
        quoted(stack.hints_queue_url.as_deref().unwrap_or_default()),
        quoted(&rules.to_string_lossy()),
    );
    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let file = dir.join(format!("{name}.toml"));
    std::fs::write(&file, text).with_context(|| file.display().to_string())?;
    Ok(file)
}
