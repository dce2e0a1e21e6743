//! `cargo ops deploy`: from a checkout to a stack in AWS, with a preview of each change.

mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use aws_sdk_cloudformation::types::{Parameter, StackStatus};
use ops::account::Account;
use ops::binaries::root;
use ops::bucket::Bucket;
use ops::release::Packages;
use ops::release::processor::Processor;
use ops::stack::{self, ChangeSet, Described, Kind};
use sha2::{Digest as _, Sha256};

use crate::package;

/// What the template refuses without workers. The first step leaves it out.
const NEEDS_WORKERS: [&str; 2] = ["ConsoleUrl", "EndpointsVpcId"];
/// The parameters that this command sets itself.
const OURS: [&str; 6] = [
    "IngestCodeBucket",
    "IngestCodeKey",
    "IngestArchitecture",
    "WorkerCodeBucket",
    "WorkerCodeKey",
    "WorkerArchitecture",
];

/// The template's default of `WorkerInstanceType`.
const DEFAULT_INSTANCE_TYPE: &str = "c7i.large";

/// Deploy a release to AWS with the credentials, region and profile of the AWS CLI.
///
/// A new stack is created without workers first, so that a creation that fails leaves nothing behind; then the workers
/// are added and the tables protected. Parameters of an existing stack keep their values unless you name them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The name of the stack
    #[arg(long)]
    stack: String,
    /// The bucket for the packages and the template, in the region of the stack
    #[arg(long)]
    bucket: String,
    /// A parameter of the template, such as WorkerCount=2; may be repeated
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = named)]
    parameters: Vec<(String, String)>,
    /// Deploy the packages in this folder, which `cargo ops package` made elsewhere, instead of building them
    #[arg(long, value_name = "DIR")]
    packages: Option<PathBuf>,
    /// Do not ask, for scripts. A change that would remove or replace a table or a queue is then refused
    #[arg(long)]
    yes: bool,
}

fn named(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    if OURS.contains(&name) {
        return Err(format!("{name} is set from the package"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Builds, uploads and deploys.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    ensure!(
        arguments.yes || std::io::stdin().is_terminal(),
        "nobody can be asked whether to deploy: run it in a terminal, or add --yes"
    );
    let account = Account::find().await?;
    println!("account          {}, {}, as {}", account.id, account.region, account.caller);
    let before = stack::describe(&account.clients, &arguments.stack).await?;
    if let Some(before) = &before {
        check_status(&arguments.stack, &before.status)?;
    }
    // Without packages of their own, the instances say what to build for.
    let processor = Processor::of_instance_type(&instance_type(&arguments, before.as_ref()));
    let dir = match &arguments.packages {
        Some(dir) => dir.clone(),
        None => tokio::task::spawn_blocking(move || package::build(true, processor)).await??,
    };
    let packages = Packages::find(&dir)?;
    ensure!(
        packages.processor == processor,
        "the packages in {} are for {}, and WorkerInstanceType={} is {processor}: name an instance type of the other kind \
         with --parameter (c7i.large is x86_64, c7g.large is arm64), or run `cargo ops package --template-only \
         --processor {processor}`",
        dir.display(),
        packages.processor,
        instance_type(&arguments, before.as_ref()),
    );
    let uploaded = upload(&account, &arguments.bucket, &packages).await?;
    let deployment = Deployment { arguments: &arguments, account: &account, uploaded };
    deployment.run(before).await
}

/// The type of the workers' machines: as named, or as the stack has it, or the template's default.
fn instance_type(arguments: &Arguments, before: Option<&Described>) -> String {
    const NAME: &str = "WorkerInstanceType";
    let named = arguments.parameters.iter().rev().find(|(name, _)| name == NAME).map(|(_, value)| value);
    let named = named.or_else(|| before?.parameters.get(NAME));
    named.map_or_else(|| DEFAULT_INSTANCE_TYPE.to_owned(), Clone::clone)
}

/// What is in the bucket now.
struct Uploaded {
    template_url: String,
    /// The parameters that name the packages.
    code: BTreeMap<&'static str, String>,
    /// The names of all parameters of the template.
    known: BTreeSet<String>,
}

/// Uploads under names that contain the hash of the content: another package is another key, so that CloudFormation
/// sees the change, and a rollback finds the older ones.
async fn upload(account: &Account, bucket_name: &str, packages: &Packages) -> Result<Uploaded> {
    let bucket = Bucket::new(account, bucket_name);
    let put = async |stem: &str, end: &str, bytes: Vec<u8>| {
        let hash: String = Sha256::digest(&bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let key = format!("{stem}-{hash}.{end}");
        println!("upload           {}", bucket.url(&key));
        bucket.put(&key, bytes).await?;
        Ok::<_, anyhow::Error>(key)
    };
    let read = |file: &Path| std::fs::read(file).with_context(|| file.display().to_string());
    let ingest = put("countersign-ingest", "zip", read(&packages.ingest)?).await?;
    let worker = put("countersign-worker", "tar.gz", read(&packages.worker)?).await?;
    let template = put("countersign-template", "yaml", read(&packages.template)?).await?;
    let template_url = bucket.url(&template);
    let summary = account.clients.cloudformation.get_template_summary().template_url(&template_url);
    let summary = summary.send().await.context("CloudFormation cannot read the template")?;
    let known = summary.parameters().iter().filter_map(|it| it.parameter_key().map(str::to_owned));
    let architecture = packages.processor.to_string();
    Ok(Uploaded {
        template_url,
        known: known.collect(),
        code: BTreeMap::from([
            ("IngestCodeBucket", bucket_name.to_owned()),
            ("IngestCodeKey", ingest),
            ("IngestArchitecture", architecture.clone()),
            ("WorkerCodeBucket", bucket_name.to_owned()),
            ("WorkerCodeKey", worker),
            ("WorkerArchitecture", architecture),
        ]),
    })
}

fn check_status(name: &str, status: &StackStatus) -> Result<()> {
    match status.as_str() {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_COMPLETE" => Ok(()),
        "UPDATE_ROLLBACK_FAILED" => bail!(
            "the stack {name} is UPDATE_ROLLBACK_FAILED: run `aws cloudformation continue-update-rollback --stack-name \
             {name}`, and deploy again"
        ),
        status if status.ends_with("_IN_PROGRESS") => {
            bail!("the stack {name} is {status}: somebody changes it; wait until that has ended")
        }
        status => bail!(
            "the stack {name} is {status}: its creation or deletion failed. Delete it with `aws cloudformation \
             delete-stack --stack-name {name}`, and deploy again"
        ),
    }
}

struct Deployment<'a> {
    arguments: &'a Arguments,
    account: &'a Account,
    uploaded: Uploaded,
}

impl Deployment<'_> {
    async fn run(&self, before: Option<Described>) -> Result<ExitCode> {
        for (name, _) in &self.arguments.parameters {
            ensure!(
                self.uploaded.known.contains(name),
                "the template has no parameter {name}; it has {}",
                self.uploaded.known.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
            );
        }
        let name = &self.arguments.stack;
        let (first, workers) = match before {
            Some(before) => (before, true),
            None => {
                println!("== creating the stack {name}, without workers");
                match self.change(Kind::Create, &BTreeMap::new(), false).await? {
                    Some(created) => (created, self.wants_workers()),
                    None => return Ok(ExitCode::FAILURE),
                }
            }
        };
        let deployed = if workers {
            println!("== updating the stack {name}");
            match self.change(Kind::Update, &first.parameters, true).await? {
                Some(deployed) => deployed,
                None => return Ok(ExitCode::FAILURE),
            }
        } else {
            first
        };
        println!("== the outputs of {name}");
        for (name, value) in &deployed.outputs {
            println!("{name:<36} {value}");
        }
        match deployed.parameters.get("WorkerCount").map(String::as_str) {
            None | Some("0") => println!(
                "no worker runs yet: add --parameter WorkerCount=2, WorkerSubnetIds=… and WorkerSecurityGroupIds=…"
            ),
            Some(_) => {}
        }
        let (dir, rules) = (root().join("target/deploy"), root().join("rules/scripts"));
        let file = settings::write(&dir, name, self.account, &deployed.stack()?, &rules)?;
        println!("settings         {}", file.display());
        println!(
            "now run `countersign doctor --config {}`, and `countersign doctor` on a worker's machine",
            file.display()
        );
        Ok(ExitCode::SUCCESS)
    }

    fn given(&self, name: &str) -> Option<&str> {
        let mut given = self.arguments.parameters.iter().rev();
        given.find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn wants_workers(&self) -> bool {
        self.given("WorkerCount").is_some_and(|count| count != "0")
    }

    /// The parameters of one step: those that were named, those of the package, and the previous values of the rest.
    fn parameters(&self, previous: &BTreeMap<String, String>, with_workers: bool) -> Vec<Parameter> {
        let mut values: BTreeMap<&str, Option<&str>> = previous
            .keys()
            .filter(|name| self.uploaded.known.contains(*name))
            .map(|name| (name.as_str(), None))
            .collect();
        values.extend(self.uploaded.code.iter().map(|(name, value)| (*name, Some(value.as_str()))));
        let had_workers = previous.get("WorkerCount").is_some_and(|count| count != "0");
        if with_workers && self.wants_workers() && !had_workers {
            values.insert("DeletionProtection", Some("true"));
        }
        let named =
            self.arguments.parameters.iter().map(|(name, value)| (name.as_str(), Some(value.as_str())));
        values.extend(named);
        if !with_workers {
            values.retain(|name, _| !NEEDS_WORKERS.contains(name));
            values.extend([("WorkerCount", Some("0")), ("DeletionProtection", Some("false"))]);
        }
        let parameter = |(name, value): (&str, Option<&str>)| {
            let builder = Parameter::builder().parameter_key(name);
            match value {
                Some(value) => builder.parameter_value(value).build(),
                None => builder.use_previous_value(true).build(),
            }
        };
        values.into_iter().map(parameter).collect()
    }

    /// Shows what would change, asks, and changes it. `None` if the answer was no.
    async fn change(
        &self,
        kind: Kind,
        previous: &BTreeMap<String, String>,
        with_workers: bool,
    ) -> Result<Option<Described>> {
        let (clients, name) = (&self.account.clients, &self.arguments.stack);
        let parameters = self.parameters(previous, with_workers);
        let set = ChangeSet::create(clients, name, kind, &self.uploaded.template_url, parameters).await?;
        let Some(set) = set else {
            println!("nothing changes");
            let stack = stack::describe(clients, name).await?;
            return Ok(Some(stack.context("the stack no longer exists")?));
        };
        for change in &set.changes {
            println!("  {change}");
        }
        let losses: Vec<String> = set.losses().into_iter().map(|change| change.resource.clone()).collect();
        if !losses.is_empty() {
            let losses = losses.join(", ");
            println!("WARNING: this removes or replaces {losses}; a new one would be empty");
            if self.arguments.yes {
                set.discard(clients).await?;
                bail!(
                    "--yes does not remove or replace {losses}: run it in a terminal without --yes, and confirm"
                );
            }
        }
        let agreed = self.arguments.yes || tokio::task::spawn_blocking(ask).await??;
        if !agreed {
            set.discard(clients).await?;
            println!("nothing was changed");
            return Ok(None);
        }
        // Interrupting this program stops nothing: CloudFormation makes the changes.
        Ok(Some(set.execute(clients, |line| println!("  {line}")).await?))
    }
}

fn ask() -> Result<bool> {
    print!("make these changes? [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_instance_type_is_the_templates() {
        let expected =
            format!("WorkerInstanceType:\n    Type: String\n    Default: {DEFAULT_INSTANCE_TYPE}\n");
        assert!(stack::TEMPLATE.contains(&expected));
    }
}
