//! Long-lived tasks by name: none ends unnoticed.
//!
//! A worker whose heartbeat, reader or server has ended looks alive but does not do its work. Every long-lived task is
//! therefore spawned here, and its owner waits for all of them: the first that ends early drains the process, which
//! then exits with an error that names the task.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use tokio::task::JoinSet;

/// The long-lived tasks of one owner. Dropping it aborts them.
#[derive(Debug, Default)]
pub struct LongLived(JoinSet<Ended>);

/// How a long-lived task ended. As an error: it ended early.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// It returned.
    #[error("the {0} ended, though nothing stopped it")]
    Returned(&'static str),
    /// It returned an error.
    #[error("the {0} failed")]
    Failed(&'static str, #[source] anyhow::Error),
    /// It panicked. The panic's message may contain anything, so only the panic hook logs it.
    #[error("the {0} panicked")]
    Panicked(&'static str),
}

impl LongLived {
    /// Starts a task. `name` follows "the" in a message: `discoverer of shards`.
    pub fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let task = AssertUnwindSafe(task).catch_unwind();
        self.0.spawn(async move {
            match task.await {
                Ok(Ok(())) => Ended::Returned(name),
                Ok(Err(error)) => Ended::Failed(name, error),
                Err::<_, Box<dyn Any + Send>>(_) => Ended::Panicked(name),
            }
        });
    }

    /// Waits for the next task that ends; none when no task is left. Nothing is lost when this future is dropped.
    ///
    /// # Panics
    ///
    /// Never: a task that ends by itself says how.
    pub async fn next(&mut self) -> Option<Ended> {
        let ended = self.0.join_next().await?;
        Some(ended.expect("no task is aborted while it is waited for, and panics are caught"))
    }

    /// Aborts every task, and waits until all have ended.
    pub async fn stop(mut self) {
        self.0.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_end_is_told_by_its_name() {
        let mut tasks = LongLived::default();
        tasks.spawn("sleeper", std::future::pending());
        for (task, told) in [
            (async { Ok(()) }.boxed(), "the task ended, though nothing stopped it"),
            (async { Err(anyhow::anyhow!("no table")) }.boxed(), "the task failed: no table"),
            (async { panic!("a secret") }.boxed(), "the task panicked"),
        ] {
            tasks.spawn("task", task);
            let ended = tasks.next().await.expect("a task ended");
            assert_eq!(format!("{:#}", anyhow::Error::from(ended)), told);
        }
        assert_eq!(tasks.next().now_or_never().map(|_| ()), None, "the sleeper is left");
    }

    #[tokio::test]
    async fn no_task_is_no_end() {
        assert!(LongLived::default().next().await.is_none());
    }
}
