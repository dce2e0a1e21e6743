//! Child processes that end with their owner, however it ends: by returning, by a panic, by a signal, or by `kill -9`.
//!
//! Each child leads its own process group, so that its own children end with it and Ctrl-C in a terminal reaches only
//! this program. Dropping a [`Process`] kills its group. If this program itself is killed, a [`Watchdog`] takes over:
//! it waits for the end of its standard input, which the kernel then closes, and kills what is left.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, set_child_subreaper, waitpgid,
};

/// What a child inherits from the environment: none of the developer's AWS settings, no `COUNTERSIGN_` variables.
const INHERITED: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE"];
/// The variables with which pip, npm and apt reach their packages from here: proxy, mirror and trusted certificates.
const NETWORK: [&str; 18] = [
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "all_proxy",
    "no_proxy",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_NO_INDEX",
    "PIP_TRUSTED_HOST",
    "PIP_CERT",
    "PIP_CONFIG_FILE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "NPM_CONFIG_REGISTRY",
];
/// How often to check whether a process that was asked to end has ended.
const POLL: Duration = Duration::from_millis(20);

const WATCH: &str = r#"
groups=""
while read -r sign group; do
  kept=""
  for other in $groups; do [ "$other" = "$group" ] || kept="$kept $other"; done
  groups="$kept"
  [ "$sign" = "+" ] && groups="$groups $group"
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"#;

/// Kills the process groups started under it, when it is dropped or when its owner is gone.
#[derive(Debug)]
pub struct Watchdog(Arc<Mutex<Shell>>);

#[derive(Debug)]
struct Shell {
    // Taken at the end: closing it ends the shell.
    stdin: Option<ChildStdin>,
    child: Child,
}

impl Watchdog {
    /// Starts watching.
    ///
    /// # Errors
    ///
    /// If `sh` cannot be started.
    pub fn start() -> io::Result<Watchdog> {
        let mut child = Command::new("sh")
            .args(["-c", WATCH])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let stdin = child.stdin.take();
        Ok(Watchdog(Arc::new(Mutex::new(Shell { stdin, child }))))
    }

    fn tell(&self, sign: char, group: Pid) {
        self.0.lock().expect("no thread panics while it holds the lock").tell(sign, group);
    }
}

impl Shell {
    fn tell(&mut self, sign: char, group: Pid) {
        if let Some(stdin) = &mut self.stdin {
            // This fails only if the shell was killed; dropping the owner still kills the group.
            let _ = writeln!(stdin, "{sign} {}", group.as_raw_nonzero());
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// Creates a command that starts with a clean environment.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs a command until it ends and returns what it printed to pipes. Its group ends with this program, however this
/// program ends.
///
/// # Errors
///
/// If the program, or the `sh` that watches it, cannot be started.
pub fn run(command: &mut Command) -> io::Result<Output> {
    let watchdog = Watchdog::start()?;
    let child = command.process_group(0).stdin(Stdio::null()).spawn()?;
    let group = Pid::from_child(&child);
    watchdog.tell('+', group);
    let output = child.wait_with_output();
    watchdog.tell('-', group);
    output
}

/// The settings of this machine with which pip and apt reach their packages.
pub(crate) fn network() -> impl Iterator<Item = (&'static str, OsString)> {
    NETWORK.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// Like [`run`], but captures both outputs; also returns them as one text.
///
/// # Errors
///
/// Same as [`run`].
pub fn captured(command: &mut Command) -> io::Result<(Output, String)> {
    let output = run(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat();
    Ok((output, text))
}

/// A running child and its group.
#[derive(Debug)]
pub struct Process {
    child: Child,
    group: Pid,
    // Weak, so that a process that still exists does not keep the world's watchdog alive.
    watchdog: Weak<Mutex<Shell>>,
}

impl Process {
    /// Starts a command in its own group and appends both of its outputs to `log`.
    ///
    /// # Errors
    ///
    /// If the log cannot be opened or the program cannot be started.
    pub fn spawn(mut command: Command, log: &Path, watchdog: &Watchdog) -> io::Result<Process> {
        // When the child is killed, its own children become ours, so that we can reap them and leave no zombies to
        // init.
        set_child_subreaper(Some(getpid()))?;
        let output = File::options().create(true).append(true).open(log)?;
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let group = Pid::from_child(&child);
        let process = Process { child, group, watchdog: Arc::downgrade(&watchdog.0) };
        process.tell('+');
        Ok(process)
    }

    fn tell(&self, sign: char) {
        if let Some(shell) = self.watchdog.upgrade() {
            Watchdog(shell).tell(sign, self.group);
        }
    }

    /// The process id, which is also the id of its group.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The exit status; `None` while the process runs.
    ///
    /// # Errors
    ///
    /// If the system does not know the child, which would be a bug in this module.
    pub fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Kills the whole group immediately, as a crash would, and reaps the process.
    pub fn kill(&mut self) {
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
        // Until the group is empty.
        while let Ok(Some(_)) = waitpgid(self.group, WaitOptions::empty()) {}
        self.tell('-');
    }

    /// Asks the process itself to end (SIGTERM) and waits. Returns `None` if it had to be killed after `grace`.
    ///
    /// # Errors
    ///
    /// Same as [`Process::exited`].
    pub async fn terminate(&mut self, grace: Duration) -> io::Result<Option<ExitStatus>> {
        let _ = kill_process(self.group, Signal::TERM);
        let status = tokio::time::timeout(grace, self.wait()).await;
        // Kills whatever the process left in its group.
        self.kill();
        status.ok().transpose()
    }

    /// Waits until the process ends by itself.
    ///
    /// # Errors
    ///
    /// Same as [`Process::exited`].
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            match self.exited()? {
                Some(status) => return Ok(status),
                None => tokio::time::sleep(POLL).await,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
