//! The template on the emulator with other parameters than the local world's.

use std::time::Duration;

use aws_sdk_cloudformation::error::ProvideErrorMetadata as _;
use aws_sdk_cloudformation::types::{Capability, Parameter};
use ops::world::{Options, World};
use tokio::net::UnixDatagram;

use crate::journey::{patient, quick};

/// Why CloudFormation refuses a stack with these parameters.
async fn refusal(world: &World, parameters: &[(&str, &str)]) -> String {
    let code = [("IngestCodeBucket", "packages"), ("IngestCodeKey", "ingest.zip")];
    let parameters = code
        .iter()
        .chain(parameters)
        .map(|(name, value)| Parameter::builder().parameter_key(*name).parameter_value(*value).build());
    let created = world
        .clients
        .cloudformation
        .create_stack()
        .stack_name("refused")
        .template_url(format!("{}/packages/template.yaml", world.emulator.endpoint_url))
        .set_parameters(Some(parameters.collect()))
        .capabilities(Capability::CapabilityIam)
        .send();
    let error = created.await.unwrap_err();
    error.message().unwrap().to_owned()
}

#[tokio::test]
async fn workers_that_lack_something_are_refused_by_name() {
    let several = Options { other_state_machines: "shop-*,billing".to_owned(), ..patient() };
    let world = World::start(several).await.unwrap();
    let complete = [
        ("WorkerCount", "2"),
        ("WorkerSubnetIds", "subnet-1"),
        ("WorkerSecurityGroupIds", "sg-1"),
        ("WorkerCodeBucket", "packages"),
        ("WorkerCodeKey", "worker.tar.gz"),
    ];
    for lacking in 1..complete.len() {
        let mut parameters = complete.to_vec();
        let (name, _) = parameters.remove(lacking);
        let refusal = refusal(&world, &parameters).await;
        assert!(refusal.contains(&format!("Workers need {name}")), "{name}: {refusal}");
    }
    let six = refusal(&world, &[("OtherStateMachines", "a,b,c,d,e,f")]).await;
    assert!(six.contains("at most five names"), "{six}");
    let endpoints = refusal(&world, &[("EndpointsVpcId", "vpc-1")]).await;
    assert!(endpoints.contains("Endpoints are only for workers"), "{endpoints}");
    let console = refusal(&world, &[("ConsoleUrl", "https://approvals.example.com")]).await;
    assert!(console.contains("The workers serve the console"), "{console}");
    let insecure = refusal(&world, &[("ConsoleUrl", "http://approvals.example.com")]).await;
    assert!(insecure.contains("https:// and a name"), "{insecure}");
}

/// What a service manager hears on the socket in its environment variable, one message after the other.
async fn heard(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = socket.recv(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
}

#[tokio::test]
async fn systemd_hears_that_a_worker_is_ready_that_it_lives_and_that_it_stops() {
    let world = World::start(patient()).await.unwrap();
    let path = world.dir().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut options = quick();
    options.variables.push(("NOTIFY_SOCKET".to_owned(), path.display().to_string()));
    options.variables.push(("WATCHDOG_USEC".to_owned(), "100000".to_owned()));
    let worker = world.start_worker("notifying", options).await.unwrap();
    let listening = async {
        let (mut seen, mut alive) = (vec![], 0);
        while !seen.contains(&"READY=1".to_owned()) || alive < 5 {
            match heard(&socket).await.as_str() {
                "WATCHDOG=1" => alive += 1,
                other => seen.push(other.to_owned()),
            }
        }
        assert_eq!(seen, ["READY=1"]);
        let (drained, ()) = tokio::join!(worker.drain(Duration::from_secs(40)), async {
            while heard(&socket).await != "STOPPING=1" {}
        });
        assert!(drained.unwrap().unwrap().success());
    };
    tokio::time::timeout(Duration::from_secs(60), listening).await.expect("systemd hears all of it");
}
