use std::collections::BTreeMap;

use super::*;

fn of_file(text: &str) -> Result<Config, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let loaded = Config::from_layers(Some(file.path()), Vec::new(), &[]);
    loaded.map_err(|error| error.to_string().replace(&file.path().display().to_string(), "FILE"))
}

/// Loads a configuration with one variable set, given by its key.
fn of_variable(key: &str, text: &str) -> Result<Config, String> {
    let (key, text) = (key.to_owned(), text.to_owned());
    let variable = Setting { place: setting::variable(&key), key, text };
    Config::from_layers(None, vec![variable], &[])
        .map_err(|error| format!("{:#}", anyhow::Error::from(error)))
}

#[test]
fn the_defaults_are_valid_and_later_layers_win() {
    let setting =
        |text: &str| Setting { place: "P".to_owned(), key: "log.format".to_owned(), text: text.to_owned() };
    let config = Config::from_layers(None, vec![setting("text")], &[]).unwrap();
    assert_eq!((config.log.format, config.worker.lease_ms), (LogFormat::Text, 10_000));
    assert_eq!(config.aws.endpoint_url, None);
    let config = Config::from_layers(None, vec![setting("text")], &[setting("json")]).unwrap();
    assert_eq!(config.log.format, LogFormat::Json, "a flag wins over a variable");
}

#[test]
fn a_bad_setting_is_named_with_its_place_and_a_remedy() {
    for (text, parts) in [
        ("[worker]\nlease = 5", &["unknown key", "worker.lease ", "FILE", "lease_ms"] as &[&str]),
        ("[worker]\nlease_ms = \"soon\"", &["worker.lease_ms (FILE)", "soon", "a whole number"]),
        ("[worker]\nlease_ms = 5", &["worker.lease_ms = 5 (FILE)", "1000 to 600000"]),
        ("[api]\nlisten = \"0.0.0.0:8420\"", &["api.listen", "0.0.0.0:8420", "loopback", "auth.mode"]),
        ("[auth]\nmode = \"token\"", &["auth.mode", "none", "tokens", "oidc"]),
        ("[api]\npublic_url = \"https://a.example\"", &["api.public_url", "auth.mode = \"tokens\""]),
        (
            "[auth]\nmode = \"tokens\"\n[api]\npublic_url = \"https://a.example/x\"",
            &["api.public_url", "scheme and host alone"],
        ),
        ("[budgets]\nsweep = 0", &["budgets.sweep = 0", "1 to 100000"]),
        ("[rules]\nsource = \"s3\"", &["rules.source", "s3", "published"]),
        (
            "[aws]\nendpoint_url = \"localhost:4566\"",
            &["aws.endpoint_url", "scheme", "http://127.0.0.1:4566"],
        ),
        ("[aws]\nregion = \"eu central\"", &["aws.region", "eu-central-1"]),
        ("[tables]\ntasks = \"\"", &["tables.tasks", "the name or the ARN of a table"]),
        ("[notices]\nevent_bus = \"my bus\"", &["notices.event_bus", "the name or the ARN of an event bus"]),
        ("worker = 5", &["worker (FILE)", "expected a table of keys"]),
    ] {
        let error = of_file(text).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{text:?} gives {error:?}, without {part:?}");
        }
    }
    let missing = Config::load(Some(Path::new("/none.toml")), &[]).unwrap_err().to_string();
    assert!(missing.contains("/none.toml: not found"), "{missing}");
}

#[test]
fn a_mistake_is_told_once_with_the_variable_as_it_is_spelt() {
    for (key, text, expected) in [
        (
            "worker.lease_ms",
            "soon",
            "configuration: worker.lease_ms (COUNTERSIGN_WORKER__LEASE_MS): found string \"soon\", expected a whole \
             number; `countersign config --defaults` lists every key",
        ),
        (
            "api.listen",
            "0.0.0.0:1",
            "configuration: api.listen = \"0.0.0.0:1\" (COUNTERSIGN_API__LISTEN): without authentication use a \
             loopback address, such as 127.0.0.1:8420, or set auth.mode = \"tokens\" or \"oidc\"",
        ),
        (
            "api_listen",
            "127.0.0.1:1",
            "configuration: api_listen (COUNTERSIGN_API_LISTEN): unknown key (did you mean api.listen, \
             variable COUNTERSIGN_API__LISTEN?); expected one of `aws`, `tables`, `queues`, `rules`, `worker`, \
             `budgets`, `api`, `auth`, `notices`, `metrics`, `log`; `countersign config --defaults` lists every key",
        ),
    ] {
        assert_eq!(of_variable(key, text).unwrap_err(), expected);
    }
}

/// Whatever is received from a queue of the worker is deleted: a task would be lost as a hint.
#[test]
fn no_two_settings_name_one_queue() {
    let keys = ["tasks", "task_dead_letters", "closed_executions", "closed_executions_dead_letters", "hints"];
    for (index, key) in keys.iter().enumerate() {
        for other in &keys[..index] {
            let both = format!("[queues]\n{key} = \"https://sqs/1/a\"\n{other} = \"https://sqs/1/a\"\n");
            let refused = of_file(&both).unwrap_err();
            let expected = format!("queues.{key} = \"https://sqs/1/a\" (FILE): it is also queues.{other}");
            assert!(refused.contains(&expected), "{refused}");
        }
        let malformed = of_file(&format!("[queues]\n{key} = \"a queue\"\n")).unwrap_err();
        assert!(
            malformed.contains(&format!("queues.{key}")) && malformed.contains("use a queue URL"),
            "{malformed}"
        );
    }
}

#[test]
fn with_tokens_the_api_may_be_reached_from_elsewhere() {
    let config = of_file(
        "[auth]\nmode = \"tokens\"\n[api]\nlisten = \"0.0.0.0:8420\"\npublic_url = \"https://a.example\"",
    );
    assert_eq!(config.unwrap().auth.mode, AuthMode::Tokens);
}

/// The type is that of the default, never guessed from the text.
#[test]
fn a_text_stays_a_text_whatever_it_looks_like() {
    for text in ["12345", "1e3", "true", "007"] {
        assert_eq!(of_variable("worker.id", text).unwrap().worker.id.as_deref(), Some(text));
    }
    let dir = of_variable("rules.dir", "[a, b]").unwrap().rules.dir;
    assert_eq!(dir, Path::new("[a, b]"));
    assert_eq!(of_variable("tables.tasks", "12345").unwrap().tables.tasks, "12345");
    assert_eq!(of_variable("worker.lease_ms", "20000").unwrap().worker.lease_ms, 20_000);
}

#[test]
fn every_number_has_a_range_that_is_held_and_documented() {
    let defaults = Config::from_layers(None, Vec::new(), &[]).unwrap();
    let mut numbers: Vec<String> = Vec::new();
    for (key, _, range) in defaults.numbers() {
        let (least, most) = (*range.start(), *range.end());
        for right in [least, most] {
            of_variable(key, &right.to_string()).unwrap();
        }
        for wrong in least.checked_sub(1).into_iter().chain([most + 1]) {
            let error = of_variable(key, &wrong.to_string()).unwrap_err();
            let expected = format!("{key} = {wrong} ({}): use {least} to {most}", setting::variable(key));
            assert!(error.contains(&expected), "{error}");
        }
        let row = readme().find(|line| line.starts_with(&format!("| `{key}` |"))).unwrap();
        assert!(row.contains(&format!("{least} to {most}")), "README: {row}");
        let (table, name) = key.split_once('.').unwrap();
        let commented = DEFAULTS.split(&format!("[{table}]")).nth(1).unwrap();
        let comment = commented.split(&format!("\n{name} = ")).next().unwrap();
        assert!(comment.contains(&format!("{least} to {most}")), "config.default.toml: {key}");
        numbers.push(key.to_owned());
    }
    let mut all = BTreeMap::new();
    leaves("", &toml::Value::Table(DEFAULTS.parse().unwrap()), &mut all);
    numbers.sort();
    let integers: Vec<String> =
        all.into_iter().filter(|(_, text)| text.parse::<u64>().is_ok()).map(|(key, _)| key).collect();
    assert_eq!(numbers, integers, "a number without a range");
}

/// Every leaf of a TOML table with its dotted key, as the README writes it.
fn leaves(prefix: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                leaves(&key, value, into);
            }
        }
        toml::Value::String(text) => drop(into.insert(prefix.to_owned(), text.clone())),
        other => drop(into.insert(prefix.to_owned(), other.to_string())),
    }
}

fn readme() -> impl Iterator<Item = &'static str> {
    include_str!("../../../README.md").lines()
}

#[test]
fn the_readme_lists_every_key_with_its_default() {
    let mut defaults = BTreeMap::new();
    leaves("", &toml::Value::Table(DEFAULTS.parse().unwrap()), &mut defaults);
    let rows = readme().filter_map(|line| {
        let mut cells =
            line.strip_prefix("| `")?.split('|').map(|cell| cell.trim_matches(['`', ' ']).to_owned());
        let (key, default) = (cells.next()?, cells.next()?);
        // The table of modules has rows with several names, which keep their inner backticks.
        (key.contains('.') && !key.contains('`')).then_some((key, default))
    });
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), defaults);
}

#[test]
fn callbacks_are_limited_by_the_quota_of_the_region_unless_configured() {
    let budgets = Config::load(None, &[]).unwrap().budgets;
    assert_eq!(budgets.send_task_in("eu-west-1"), 485);
    assert_eq!(budgets.send_task_in("eu-central-1"), 291);
    assert_eq!(Budgets { send_task: 40, ..budgets }.send_task_in("eu-west-1"), 40);
}
