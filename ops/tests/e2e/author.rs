//! A rule author's day by the handbook alone: every command of its list, with its time, on a fleet that follows what is
//! published.

use std::fs;
use std::path::Path;

use ops::orders::Story;
use ops::world::{WorkerOptions, World};
use statemachine::status::Status;
use tokio::time::Instant;

use crate::journey::{in_world, orders_of, patient, quick, start, task_that};

const HANDBOOK: &str = include_str!("../../../rules/README.md");

/// The command lines of the handbook's chapter, without their remarks: `rules check [DIR]`.
fn listed() -> Vec<String> {
    let chapter = HANDBOOK.split("## Test, try, publish").nth(1).unwrap();
    let block = chapter.split("```").nth(1).unwrap();
    let lines = block.lines().filter_map(|line| line.strip_prefix("countersign "));
    lines.map(|line| line.split("  ").next().unwrap().trim().to_owned()).collect()
}

/// A terminal of the author, which notes the lines of the handbook that it has run.
struct Author<'w> {
    world: &'w World,
    config: String,
    dir: String,
    run: Vec<&'static str>,
}

impl Author<'_> {
    /// Runs one line of the handbook, with `more` arguments; gives the exit code, and all that it prints.
    async fn runs(&mut self, line: &'static str, arguments: &[&str]) -> (Option<i32>, String) {
        self.run.push(line);
        let begun = Instant::now();
        let output = self.world.countersign(arguments).await.unwrap();
        println!("{:>6.2} s  countersign {line}", begun.elapsed().as_secs_f64());
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), text)
    }

    /// The same, and it succeeds and prints this.
    async fn sees(&mut self, line: &'static str, arguments: &[&str], parts: &[&str]) -> String {
        let (code, text) = self.runs(line, arguments).await;
        assert_eq!(code, Some(0), "{arguments:?}: {text}");
        for part in parts {
            assert!(text.contains(part), "{arguments:?} does not print {part:?}: {text}");
        }
        text
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = Path::new(&self.dir).join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// The commands that need nothing but the folder and an order.
    async fn tries_the_folder(&mut self, order: &str) {
        let dir = self.dir.clone();
        self.sees("rules check [DIR]", &["rules", "check", &dir], &["0 errors"]).await;
        let accepted = ["rules", "check", &dir, "--accept"];
        self.sees("rules check --accept", &accepted, &["rules.lock is written"]).await;
        let coverage = ["rules", "test", &dir, "--coverage", "--min", "90"];
        self.sees("rules test [DIR] --coverage", &coverage, &["cases passed"]).await;
        let junit = ["rules", "test", &dir, "--format", "junit"];
        self.sees("rules test --format junit", &junit, &["<testsuites"]).await;
        let eval = ["rules", "eval", order, "--order-only", "--dir", &dir, "--explain"];
        self.sees("rules eval FILE --explain", &eval, &["approve", "read order.amount"]).await;
        let definitions = ["rules", "definitions", &dir];
        self.sees("rules definitions [DIR]", &definitions, &["module static;"]).await;
    }

    /// The commands about what is stored: one task that a person decided.
    async fn looks_back(&mut self, url: &str, task: &str) {
        let (dir, config) = (self.dir.clone(), self.config.clone());
        let from = ["rules", "test", &dir, "--from", task, "--url", url];
        self.sees("rules test --from TASK_ID", &from, &["is written", "cases passed"]).await;
        let explain = ["rules", "explain", task, "--dir", &dir, "--url", url, "--config", &config];
        self.sees("rules explain TASK_ID", &explain, &["same"]).await;
        let backtest =
            ["rules", "backtest", &dir, "--against", "active", "--since", "30d", "--config", &config];
        self.sees("rules backtest --since 30d", &backtest, &["3 tasks"]).await;
        let export = ["tasks", "export", "--since", "30d", "--config", &config];
        let lines = self.sees("tasks export --since 30d", &export, &["\"orderId\""]).await;
        assert_eq!(lines.lines().filter(|line| line.starts_with('{')).count(), 3, "{lines}");
        let agreement = ["rules", "agreement", &dir, "--since", "30d", "--config", &config];
        self.sees("rules agreement --since 30d", &agreement, &["no-rule-approved"]).await;
    }

    /// From an edit to its publication and back.
    async fn publishes(&mut self) {
        let (dir, config) = (self.dir.clone(), self.config.clone());
        self.edit("rules/50-small-order.rhai", "\"small-order\"", "\"little-order\"");
        fs::remove_dir_all(Path::new(&dir).join("tests")).unwrap();
        const PUBLISH: &str = "rules publish --message …";
        let publish = ["rules", "publish", &dir, "--message", "another code", "--config", &config];
        // Without a terminal there is nobody to ask.
        let (code, told) = self.runs(PUBLISH, &publish).await;
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains("little-order") && told.contains("over the last day"), "{told}");
        let none = ["rules", "unshadow", "--message", "nothing to end", "--config", &config];
        self.sees("rules unshadow", &none, &["no ruleset runs in shadow mode"]).await;
        let shadow = [&publish[..], &["--shadow", "--yes"]].concat();
        self.sees(PUBLISH, &shadow, &["runs in shadow mode"]).await;
        self.sees("rules unshadow", &none, &["no longer runs"]).await;
        let yes = [&publish[..], &["--yes"]].concat();
        let told = self.sees(PUBLISH, &yes, &["decides within two seconds"]).await;
        assert!(!told.contains("warning"), "a worker follows: {told}");
        self.sees(PUBLISH, &yes, &["is already active; nothing was changed"]).await;
        let diff = ["rules", "diff", "active", &dir, "--config", &config];
        self.sees("rules diff active DIR", &diff, &["no difference"]).await;
        let back = ["rules", "rollback", "--message", "back", "--config", &config];
        self.sees("rules rollback", &back, &["decides again"]).await;
        self.sees("rules diff active DIR", &diff, &["-", "+", "little-order"]).await;
        let history = self.sees("rules history", &["rules", "history", "--config", &config], &[]).await;
        let what: Vec<&str> =
            history.lines().filter_map(|line| line.split_whitespace().nth(1)).take(6).collect();
        assert_eq!(what, ["WHAT", "rollback", "publish", "unshadow", "shadow", "publish"], "{history}");
    }
}

#[tokio::test]
async fn every_command_of_the_handbook_does_what_the_handbook_says() {
    in_world(patient(), async |world| {
        let dir = world.copied_rules().unwrap().to_string_lossy().into_owned();
        let config = world.command_line_config().unwrap().to_string_lossy().into_owned();
        let mut author = Author { world, config, dir, run: Vec::new() };
        let orders = [orders_of(Story::SmallKnown, 1), orders_of(Story::Middling, 2)].concat();
        let order = world.dir().join("order.json");
        fs::write(&order, orders[0].input.to_string()).unwrap();
        author.tries_the_folder(&order.to_string_lossy()).await;

        let first = ["rules", "publish", &author.dir.clone(), "--message", "the first", "--yes", "--config"];
        let config = author.config.clone();
        let told = author
            .sees("rules publish --message …", &[&first[..], &[&config]].concat(), &["the first"])
            .await;
        assert!(told.contains("warning: no worker is running"), "{told}");
        let mut options: WorkerOptions = quick();
        options.variables.push(("COUNTERSIGN_RULES__SOURCE".to_owned(), "published".to_owned()));
        let worker = world.start_worker("worker", options).await.unwrap();
        start(world, &orders).await;
        task_that(world, &orders[0].id, "settled", |task| task.status.is_final()).await;
        let mut escalated = Vec::new();
        for order in &orders[1..] {
            escalated.push(
                task_that(world, &order.id, "escalated", |task| task.status == Status::Escalated).await,
            );
        }
        let id = escalated[0].id.as_str();
        let approve =
            ["tasks", "approve", id, "--by", "ada", "--reason", "known to us", "--url", &worker.url];
        assert!(world.countersign(&approve).await.unwrap().status.success());
        task_that(world, &orders[1].id, "settled", |task| task.status.is_final()).await;

        author.looks_back(&worker.url, id).await;
        author.publishes().await;
        let open = listed().into_iter().filter(|line| !author.run.iter().any(|run| run == line));
        // Watching a folder has a test of its own, which ends it.
        assert_eq!(open.collect::<Vec<_>>(), ["rules test --watch"]);
        worker
    })
    .await;
}
