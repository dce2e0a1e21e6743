//! Two emulators that want the same port: one has it, the other says so.

use ops::emulator::{Emulator, free_port};
use ops::processes::Watchdog;
use ops::python;

#[tokio::test]
async fn of_two_emulators_on_one_port_only_its_owner_is_ready() {
    let python = tokio::task::spawn_blocking(python::emulator).await.unwrap().unwrap();
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let watchdog = Watchdog::start().unwrap();
    let port = free_port().unwrap();
    let (one, other) = futures::join!(
        Emulator::start(&python, one.path(), Some(port), &watchdog),
        Emulator::start(&python, other.path(), Some(port), &watchdog),
    );
    let refused = match (one, other) {
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => error.to_string(),
        (Ok(_), Ok(_)) => panic!("both are ready on port {port}"),
        (Err(one), Err(other)) => panic!("none is ready: {one}; {other}"),
    };
    assert!(refused.contains("in use"), "{refused}");
}
