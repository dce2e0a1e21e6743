//! `cargo ops smoke` on the emulator: it asks everything, and tells where the emulator is not AWS.

use std::collections::BTreeSet;

use ops::world::World;

use crate::journey::{ops, patient, quick};

/// The names of `assumptions.md` that the command asks about.
fn documented() -> BTreeSet<String> {
    let rows = include_str!("../../assumptions.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, _)| name.to_owned()).collect()
}

#[tokio::test]
async fn smoke_asks_all_that_is_assumed_and_tells_what_differs() {
    let world = World::start(patient()).await.unwrap();
    let _worker = world.start_worker("worker", quick()).await.unwrap();
    let (code, printed) = ops(&world, &["smoke", "--stack", "countersign"]).await;
    let answers = |word: &str| -> BTreeSet<String> {
        let lines = printed.lines().filter_map(|line| line.strip_prefix(word));
        lines.map(|line| line.trim_start().split("  ").next().unwrap().to_owned()).collect()
    };
    let (good, different) = (answers("ok "), answers("DIFFERS "));
    // AWS answers InvalidToken; the emulator does not tell what was never a token from what is closed.
    assert_eq!(different, BTreeSet::from(["no token".to_owned()]), "{printed}");
    assert_eq!(code, Some(1), "{printed}");
    assert_eq!(good.union(&different).cloned().collect::<BTreeSet<_>>(), documented(), "{printed}");
    assert!(printed.contains("its task expired after"), "{printed}");

    let (code, printed) = ops(&world, &["smoke", "--stack", "elsewhere"]).await;
    assert!(code == Some(1) && printed.contains("there is no stack elsewhere in us-east-1"), "{printed}");
}
