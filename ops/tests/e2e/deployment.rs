//! The template on the emulator with other parameters than the local world's.

use aws_sdk_cloudformation::error::ProvideErrorMetadata as _;
use aws_sdk_cloudformation::types::{Capability, Parameter};
use ops::world::{Options, World};

use crate::journey::patient;

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
}
