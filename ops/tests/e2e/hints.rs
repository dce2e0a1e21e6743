//! The stack with `WakeUp`: ingest names its new tasks on a queue, and they are decided although the stream brings
//! nothing.

use ops::orders::Story;
use ops::proxy::{Proxy, Reply};
use ops::world::{Options, WorkerOptions};

use crate::journey::{SOON, all_ended, assert_one_decision, in_world, orders_of, patient, start};

#[tokio::test]
async fn a_hinted_task_does_not_wait_for_the_stream() {
    in_world(Options { wake_up: true, ..patient() }, async |world| {
        let proxy = Proxy::start(&world.emulator).await.unwrap();
        let _silent = proxy.outage(&["GetRecords"], "", Reply::NoRecords);
        // The sweeper would find the tasks too, but not today.
        let rarely = ("COUNTERSIGN_WORKER__SWEEP_MS".to_owned(), "3600000".to_owned());
        let settings = WorkerOptions {
            endpoint_url: Some(proxy.url.clone()),
            variables: vec![rarely],
            ..WorkerOptions::default()
        };
        let worker = world.start_worker("hinted", settings).await.unwrap();
        start(world, &orders_of(Story::SmallKnown, 3)).await;
        for task in all_ended(world, 3, SOON).await {
            assert_one_decision(world, &task).await;
        }
        let metrics = world.get(&worker, "/metrics").await.unwrap().body;
        let delivered = r#"countersign_hinted_tasks_total{result="delivered"} 3"#;
        assert!(metrics.lines().any(|line| line == delivered), "{metrics}");
        (proxy, worker)
    })
    .await;
}
