//! A folder of rules that is edited while a worker follows it: only what is whole, tested and accepted decides.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rules::lock::Lock;
use rules::{Ruleset, snapshot};
use tempfile::TempDir;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use worker::clock::Clock;
use worker::config::{Rules, RulesSource};
use worker::control::active_rules::{self, ActiveRules};
use worker::control::rules_folder::RulesFolder;
use worker::metrics::{self, Metrics, registry};

const STOP: &str = "rules/10-stop.rhai";
const LIST: &str = "lists/sanctioned.txt";
const TESTS: &str = "tests/all.toml";
const SETTLED: Duration = Duration::from_secs(2);

/// The settings of a folder that is not strict.
pub(crate) fn directory(dir: &Path) -> Rules {
    Rules { source: RulesSource::Directory, dir: dir.to_owned(), strict: false, accepted_file: None }
}

/// A ruleset's folder, inside another that is removed at the end.
struct Folder {
    _parent: TempDir,
    dir: PathBuf,
}

impl Folder {
    fn new() -> Folder {
        let parent = tempfile::tempdir().expect("a folder for the test");
        let folder = Folder { dir: parent.path().join("rules"), _parent: parent };
        folder.write("ruleset.toml", "name = \"shop\"\n[budget]\napprovals_per_hour = 100\n");
        folder.write(
            STOP,
            "//! id: stop\nif order.country in lists.sanctioned {\n    reject(\"stop\", \"sanctioned\");\n}\n",
        );
        folder.write("rules/50-approve.rhai", "approve(\"fine\");\n");
        folder.write(LIST, "KP\nSY\n");
        folder.write(
            TESTS,
            "[[table]]\nname = \"countries\"\ncolumns = [\"country\", \"expect\"]\n\
             rows = [[\"KP\", \"reject\"], [\"DE\", \"approve\"]]\n",
        );
        folder
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).expect("it can be read")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it is inside the folder")).expect("it can be made");
        fs::write(path, text).expect("it can be written");
    }

    fn accept(&self) {
        let ruleset = Ruleset::load(&self.dir).expect("it compiles");
        fs::write(self.dir.with_extension("lock"), Lock::of(&ruleset).to_text()).expect("it can be written");
    }

    fn strict(&self) -> Rules {
        Rules { strict: true, ..directory(&self.dir) }
    }
}

/// A worker's part that follows the folder.
struct Following {
    rules: ActiveRules,
    registry: prometheus_client::registry::Registry,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Following {
    async fn start(settings: &Rules) -> Result<Following, rules::Refused> {
        let folder = RulesFolder::new(settings, Clock::system()).expect("the folder has a name");
        let (first, refused) = folder.first().await?;
        let rules = ActiveRules::new(first);
        let mut registry = registry();
        let metrics = Metrics::register(&mut registry);
        rules.show_refused(refused, &metrics);
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        tracker.spawn(active_rules::follow(folder, rules.clone(), metrics, stop.clone()));
        sleep(SETTLED).await;
        Ok(Following { rules, registry, stop, tracker })
    }

    async fn end(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    fn version(&self) -> String {
        self.rules.pin().sha256().to_owned()
    }

    fn metric(&self, name: &str) -> String {
        let text = metrics::text(&self.registry).expect("metrics are text");
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("countersign_{name} ")));
        line.unwrap_or_else(|| panic!("{name} is in {text}")).to_owned()
    }

    fn told(&self) -> String {
        let refused = self.rules.refused();
        refused.map_or_else(String::new, |refused| {
            refused.diagnostics.iter().map(|finding| finding.one_line() + "\n").collect()
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_whole_never_decides_and_is_shown_while_it_lasts() {
    type Edit = fn(&Folder);
    let edits: [(&str, Edit); 13] = [
        ("a rule that is emptied", |folder| folder.write(STOP, "")),
        ("a rule that is cut to its header", |folder| folder.write(STOP, "//! id: stop\n")),
        ("a rule that is cut in the middle", |folder| {
            folder.write(STOP, "//! id: stop\nif order.country in lis")
        }),
        ("a rule that is a link to nothing", |folder| {
            fs::remove_file(folder.path(STOP)).unwrap();
            symlink("/nowhere", folder.path(STOP)).unwrap();
        }),
        ("a rule that is a pipe", |folder| {
            fs::remove_file(folder.path(STOP)).unwrap();
            assert!(Command::new("mkfifo").arg(folder.path(STOP)).status().unwrap().success());
        }),
        ("a rule that is deleted, against its tests", |folder| fs::remove_file(folder.path(STOP)).unwrap()),
        ("a list that is emptied", |folder| folder.write(LIST, "")),
        ("a list that is cut to its comment", |folder| folder.write(LIST, "# Export policy\n")),
        ("a list that lacks what a test needs", |folder| folder.write(LIST, "SY\n")),
        ("a list that is deleted", |folder| fs::remove_file(folder.path(LIST)).unwrap()),
        ("settings that are cut to a head", |folder| folder.write("ruleset.toml", "[budget]\n")),
        ("a folder that is gone", |folder| {
            fs::rename(&folder.dir, folder.dir.with_extension("old")).unwrap()
        }),
        ("a folder that is a file", |folder| {
            fs::rename(&folder.dir, folder.dir.with_extension("old")).unwrap();
            fs::write(&folder.dir, "").unwrap();
        }),
    ];
    for (what, edit) in edits {
        let folder = Folder::new();
        let following = Following::start(&directory(&folder.dir)).await.unwrap();
        let version = following.version();
        assert_eq!(following.metric("ruleset_refused"), "0", "{what}");
        edit(&folder);
        sleep(Duration::from_secs(30)).await;
        assert_eq!(following.version(), version, "{what}");
        assert_eq!(following.metric("ruleset_refused"), "1", "{what}");
        assert_eq!(
            following.metric("ruleset_reloads_total{result=\"refused\"}"),
            "1",
            "{what}: counted once"
        );
        assert_ne!(following.told(), "", "{what}");
        // A mended folder is no longer refused.
        let whole = Folder::new();
        let _ = fs::remove_file(&folder.dir);
        let _ = fs::remove_dir_all(&folder.dir);
        fs::rename(&whole.dir, &folder.dir).unwrap();
        sleep(SETTLED).await;
        assert_eq!((following.told().as_str(), following.version()), ("", version), "{what}");
        assert_eq!(following.metric("ruleset_refused"), "0", "{what}");
        following.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_saved_slowly_decides_when_it_is_whole() {
    let folder = Folder::new();
    let following = Following::start(&directory(&folder.dir)).await.unwrap();
    let before = following.version();
    let entries: Vec<String> = (0..20).map(|n| format!("X{n}\n")).chain(["KP\n".to_owned()]).collect();
    for length in 0..=entries.len() {
        assert_eq!(following.version(), before, "{length} entries are saved");
        folder.write(LIST, &entries[..length].concat());
        sleep(Duration::from_millis(400)).await;
    }
    sleep(SETTLED).await;
    assert_ne!(following.version(), before);
    assert_eq!(following.version(), Ruleset::load(&folder.dir).unwrap().sha256());
    following.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_good_set_is_not_missed_after_quick_edits() {
    let folder = Folder::new();
    let following = Following::start(&directory(&folder.dir)).await.unwrap();
    let (good, broken) = ("approve(\"fine\");\n", "approve(\"fine\"\n");
    for n in 0..60u64 {
        let better = format!("// {n}\n{good}");
        for (text, pause) in [(better.as_str(), n * 13 % 700), (broken, n * 29 % 900), (better.as_str(), 0)] {
            folder.write("rules/50-approve.rhai", text);
            sleep(Duration::from_millis(pause)).await;
        }
        sleep(SETTLED).await;
        assert_eq!(following.version(), Ruleset::load(&folder.dir).unwrap().sha256(), "edit {n}");
        assert_eq!(following.told(), "", "edit {n}");
    }
    following.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_an_edit_takes_away_is_named_until_it_is_back() {
    let folder = Folder::new();
    let following = Following::start(&directory(&folder.dir)).await.unwrap();
    let lacking = || -> Vec<String> { following.rules.lacking().iter().map(ToString::to_string).collect() };
    let (rule, list, tests) = (folder.read(STOP), folder.read(LIST), folder.read(TESTS));
    folder.write(TESTS, &tests.replace("[\"KP\", \"reject\"], ", ""));
    fs::remove_file(folder.path(STOP)).unwrap();
    fs::remove_file(folder.path(LIST)).unwrap();
    sleep(SETTLED).await;
    assert_eq!(following.told(), "");
    assert_eq!(lacking(), ["rule stop", "list sanctioned", "test tests/all.toml: countries, row 2"]);
    assert_eq!(following.metric("ruleset_lacking{part=\"rule\"}"), "1");
    // Another edit does not make it forgotten.
    folder.write("rules/50-approve.rhai", "approve(\"better\");\n");
    sleep(SETTLED).await;
    assert_eq!(lacking().len(), 3);
    folder.write(STOP, &rule);
    folder.write(LIST, &list);
    folder.write(TESTS, &tests);
    sleep(SETTLED).await;
    assert_eq!(lacking(), [""; 0]);
    assert_eq!(following.metric("ruleset_lacking{part=\"rule\"}"), "0");
    following.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_strict_folder_decides_only_as_it_was_accepted() {
    let folder = Folder::new();
    let refused = Following::start(&folder.strict()).await.map(|following| following.version()).unwrap_err();
    assert!(refused.to_string().contains("nobody has accepted shop@"), "{refused}");
    folder.accept();
    let following = Following::start(&folder.strict()).await.unwrap();
    let accepted = following.version();
    // A list that is half saved compiles and passes its tests: it waits for a person to look at it.
    folder.write(LIST, "KP\n");
    sleep(Duration::from_secs(30)).await;
    assert_eq!(following.version(), accepted);
    assert_eq!(following.metric("ruleset_refused"), "1");
    assert!(following.told().contains("rules.lock: error[not-accepted]: shop@"), "{}", following.told());
    following.end().await;

    // The next start goes on with what was accepted, and shows why.
    let following = Following::start(&folder.strict()).await.unwrap();
    assert_eq!(
        (following.version(), following.metric("ruleset_refused")),
        (accepted.clone(), "1".to_owned())
    );
    folder.accept();
    sleep(SETTLED).await;
    assert_ne!(following.version(), accepted);
    assert_eq!((following.told().as_str(), following.metric("ruleset_refused")), ("", "0".to_owned()));
    let accepted = following.version();

    // Tests are no part of the version, and deleting them needs to be accepted all the same.
    fs::remove_file(folder.path(TESTS)).unwrap();
    assert_eq!(Ruleset::load(&folder.dir).unwrap().sha256(), accepted);
    sleep(SETTLED).await;
    let told = following.told();
    assert!(told.contains("has the test tests/all.toml: countries, row 1, but this one does not"), "{told}");
    // A lock that is a pipe, or gone, accepts nothing.
    let lock = folder.dir.with_extension("lock");
    fs::remove_file(&lock).unwrap();
    assert!(Command::new("mkfifo").arg(&lock).status().unwrap().success());
    sleep(SETTLED).await;
    assert!(following.told().contains("it is not a regular file"), "{}", following.told());
    assert_eq!(following.version(), accepted);
    following.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_for_the_next_start_must_be_what_was_accepted() {
    let folder = Folder::new();
    folder.accept();
    let settings = Rules {
        accepted_file: Some(folder.dir.with_extension("kept").display().to_string()),
        ..folder.strict()
    };
    let following = Following::start(&settings).await.unwrap();
    following.end().await;
    fs::remove_dir_all(&folder.dir).unwrap();
    let following = Following::start(&settings).await.unwrap();
    assert_eq!(following.metric("ruleset_refused"), "1");
    following.end().await;
    let kept = folder.dir.with_extension("kept");
    let text = fs::read_to_string(&kept).unwrap();
    for edited in [text.replace("KP\\nSY", "SY"), text[..text.len() / 2].to_owned(), String::new()] {
        fs::write(&kept, edited).unwrap();
        let refused = Following::start(&settings).await.map(|following| following.version()).unwrap_err();
        assert!(refused.diagnostics.iter().any(|told| told.code == "no-accepted-set"), "{refused:?}");
    }
}

/// The sample passes as it is delivered.
#[test]
fn the_sample_can_be_accepted() {
    let files = snapshot("../rules/scripts".as_ref()).unwrap();
    assert!(worker::control::tested::tested(files, "2026-11-22").is_ok());
}
