//! One worker's parts, created once from its configuration: each task gets the parts that it needs.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::aws::clients::Clients;
use crate::aws::rate_limit::RateLimits;
use crate::clock::Clock;
use crate::config::{Config, RulesSource};
use crate::control::active_rules::ActiveRules;
use crate::control::automation::Automation;
use crate::control::table::ControlTable;
use crate::lease::fleet_view::FleetView;
use crate::metrics::Metrics;
use crate::notices::Notices;
use crate::steps::pipeline::Pipeline;
use crate::tasks::table::TaskTable;
use crate::traces::Traces;

/// One worker's parts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Parts {
    /// This worker's name. Its end is random: no two processes, past or present, share a name.
    pub me: String,
    /// The AWS clients.
    pub clients: Clients,
    /// The tasks table.
    pub tasks: TaskTable,
    /// The control table.
    pub control_table: ControlTable,
    /// The rules, their switch and their caps.
    pub automation: Automation,
    /// The rate limits.
    pub rates: Arc<RateLimits>,
    /// The metrics.
    pub metrics: Metrics,
    /// The wall clock.
    pub clock: Clock,
    /// The steps of a task.
    pub pipeline: Arc<Pipeline>,
    /// What people are to be told.
    pub notices: Notices,
    /// The fleet as this worker sees it.
    pub fleet: FleetView,
}

impl Parts {
    /// Creates a worker's parts.
    pub fn new(
        config: &Config,
        clients: Clients,
        clock: Clock,
        rules: ActiveRules,
        metrics: Metrics,
        traces: Traces,
    ) -> Parts {
        let retention = SignedDuration::from_hours(i64::from(config.tables.retention_days) * 24);
        let end: String = std::iter::repeat_with(fastrand::alphanumeric).take(8).collect();
        let name = config.worker.id.clone().unwrap_or_else(host_name);
        let me = format!("{name}-{}", end.to_lowercase());
        let tasks = TaskTable::new(clients.dynamodb.clone(), &config.tables.tasks, retention).of_worker(&me);
        let control_table = ControlTable::new(clients.dynamodb.clone(), &config.tables.control);
        metrics.ruleset(&rules.pin());
        let automation = Automation::new(rules, config.rules.source == RulesSource::Published);
        let rates = {
            let region = clients.sfn.config().region().map_or("", |region| region.as_ref());
            Arc::new(RateLimits::new(&config.budgets, region))
        };
        let pipeline = Pipeline::new(
            &me,
            tasks.clone(),
            control_table.clone(),
            clients.sfn.clone(),
            automation.clone(),
            Arc::clone(&rates),
            metrics.clone(),
            clock.clone(),
        );
        let notices = Notices::new(config.notices.event_bus.is_some());
        let pipeline = pipeline.telling(notices.clone()).traced(traces);
        Parts {
            me,
            clients,
            tasks,
            control_table,
            automation,
            rates,
            metrics,
            clock,
            pipeline: Arc::new(pipeline),
            notices,
            fleet: FleetView::default(),
        }
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "worker".to_owned() } else { name.to_owned() }
}
