//! What a release consists of: the Lambda function's zip, and the files of a worker's machine as one tree, from which
//! the tarball, the Debian package and the RPM are made.

pub mod archive;
pub mod glibc;
pub mod processor;
pub mod tools;

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use crate::binaries::{Binaries, root};
use crate::processes::{captured, command};
use crate::stack;

use self::processor::Processor;

/// The version of the workspace, which is the release's.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The template that deploys this release.
const TEMPLATE: &str = "template.yaml";

/// A release in a folder.
#[derive(Debug)]
pub struct Release {
    dir: PathBuf,
    processor: Processor,
}

impl Release {
    /// Begins a release for a processor in an empty folder `dir`: what an earlier one left there is removed.
    ///
    /// # Errors
    ///
    /// If the folder cannot be emptied, or holds anything that is not of an earlier release.
    pub fn begin(dir: &Path, processor: Processor) -> Result<Release> {
        if dir.exists() {
            let is_ours = dir.join("tree").is_dir() || fs::read_dir(dir)?.next().is_none();
            ensure!(is_ours, "{} is not empty, and no earlier release: name another folder", dir.display());
            fs::remove_dir_all(dir).with_context(|| format!("cannot empty {}", dir.display()))?;
        }
        fs::create_dir_all(dir.join("tree")).with_context(|| dir.display().to_string())?;
        Ok(Release { dir: dir.to_owned(), processor })
    }

    /// The folder of the tree.
    pub fn tree(&self) -> PathBuf {
        self.dir.join("tree")
    }

    /// A file of the release: its name, the version and the machine, such as `countersign-0.1.0-x86_64.tar.gz`.
    pub fn file(&self, name: &str, end: &str) -> PathBuf {
        self.dir.join(format!("{name}-{VERSION}-{}.{end}", self.processor.in_file_names()))
    }

    /// Writes everything that cargo alone can make: the tree, the Lambda function's zip and the tarball. `runs_here` is the
    /// worker's program for this machine, which prints its own man pages. The same inputs give the same bytes.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written, or `runs_here` does not run here.
    pub fn write(&self, binaries: &Binaries, runs_here: &Path) -> Result<()> {
        self.write_tree(&binaries.countersign, runs_here)?;
        let zip = archive::zip(&[("bootstrap", &binaries.ingest)])?;
        fs::write(self.file("countersign-ingest", "zip"), zip)?;
        fs::write(self.file("countersign", "tar.gz"), archive::tar_gz(&self.tree())?)?;
        fs::write(self.dir.join(TEMPLATE), stack::TEMPLATE)?;
        Ok(())
    }

    fn write_tree(&self, countersign: &Path, runs_here: &Path) -> Result<()> {
        let tree = self.tree();
        let rules = root().join("rules");
        let ops = root().join("ops");
        for (from, to) in [
            (countersign, "usr/bin/countersign"),
            (&ops.join("systemd/countersign.service"), "usr/lib/systemd/system/countersign.service"),
            (&ops.join("package/config.toml"), "etc/countersign/config.toml"),
            (&rules.join("scripts"), "etc/countersign/rules"),
            (&rules.join("scripts.lock"), "etc/countersign/rules.lock"),
            (&root().join("LICENSE"), "usr/share/doc/countersign/LICENSE"),
            (&ops.join("README.md"), "usr/share/doc/countersign/OPERATING.md"),
            (&rules.join("README.md"), "usr/share/doc/countersign/RULES.md"),
        ] {
            copy(from, &tree.join(to))?;
        }
        fs::set_permissions(tree.join("usr/bin/countersign"), fs::Permissions::from_mode(0o755))?;
        for (shell, file) in [
            ("bash", "usr/share/bash-completion/completions/countersign"),
            ("zsh", "usr/share/zsh/site-functions/_countersign"),
            ("fish", "usr/share/fish/vendor_completions.d/countersign.fish"),
        ] {
            write(&tree.join(file), &printed(command(runs_here).args(["completions", shell]))?)?;
        }
        let defaults = printed(command(runs_here).args(["config", "--defaults"]))?;
        write(&tree.join("usr/share/doc/countersign/config.default.toml"), &defaults)?;

        let pages = tempfile::tempdir()?;
        printed(command(runs_here).arg("man").arg(pages.path()))?;
        for page in archive::files(pages.path())? {
            let text = fs::read(pages.path().join(&page))?;
            let name = format!("usr/share/man/man1/{}.gz", page.display());
            write(&tree.join(name), &archive::gz(&text)?)?;
        }
        Ok(())
    }

    /// Writes `SHA256SUMS`, as `sha256sum --check` reads it, and returns the release's files with their sizes.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written.
    pub fn finish(&self) -> Result<Vec<(String, u64)>> {
        let (mut sums, mut listed) = (String::new(), vec![]);
        for name in archive::files(&self.dir)?.into_iter().filter(|name| !name.starts_with("tree")) {
            let bytes = fs::read(self.dir.join(&name))?;
            let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            sums.push_str(&format!("{hash}  {}\n", name.display()));
            listed.push((name.display().to_string(), bytes.len() as u64));
        }
        fs::write(self.dir.join("SHA256SUMS"), sums)?;
        Ok(listed)
    }
}

/// What the template needs of a release.
#[derive(Debug)]
pub struct Packages {
    /// The zip of the Lambda function.
    pub ingest: PathBuf,
    /// The tarball of the worker.
    pub worker: PathBuf,
    /// The template that goes with them.
    pub template: PathBuf,
    /// The processor that both are for.
    pub processor: Processor,
}

impl Packages {
    /// Finds the packages in the folder that [`Release::finish`] left.
    ///
    /// # Errors
    ///
    /// If one is missing, if there are several, or if they are for different processors than their names say.
    pub fn find(dir: &Path) -> Result<Packages> {
        let (ingest, of_ingest) = one(dir, "countersign-ingest-", ".zip")?;
        let (worker, of_worker) = one(dir, "countersign-", ".tar.gz")?;
        ensure!(
            of_ingest == of_worker,
            "{} is for {of_ingest}, and {} for {of_worker}",
            ingest.display(),
            worker.display()
        );
        let processor = Processor::of_file_name(&of_ingest);
        let processor =
            processor.with_context(|| format!("{}: no processor {of_ingest}", ingest.display()))?;
        let packages = Packages { ingest, worker, template: dir.join(TEMPLATE), processor };
        packages.check_program()?;
        Ok(packages)
    }

    /// The zip may have been renamed: Lambda would take it, and fail at each message.
    fn check_program(&self) -> Result<()> {
        let name = self.ingest.display();
        let archive = fs::File::open(&self.ingest).with_context(|| name.to_string())?;
        let mut archive = zip::ZipArchive::new(archive).with_context(|| name.to_string())?;
        let mut program = vec![];
        archive.by_name("bootstrap").with_context(|| name.to_string())?.read_to_end(&mut program)?;
        let found = glibc::processor(&program).with_context(|| format!("bootstrap in {name}"))?;
        ensure!(
            found == self.processor,
            "{name} is named for {}, and its program is for {found}: run `cargo ops package --template-only`",
            self.processor
        );
        Ok(())
    }
}

/// The only file in `dir` with this start and end, and the processor in its name.
fn one(dir: &Path, start: &str, end: &str) -> Result<(PathBuf, String)> {
    let remedy = "run `cargo ops package --template-only`";
    let mut found = vec![];
    for entry in fs::read_dir(dir).with_context(|| format!("{}: {remedy}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let processor = name.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
        if let Some((_, processor)) = processor.and_then(|rest| rest.rsplit_once('-')) {
            found.push((path.clone(), processor.to_owned()));
        }
    }
    ensure!(found.len() == 1, "{} has {} files {start}…{end}, not one: {remedy}", dir.display(), found.len());
    found.pop().context("one was found")
}

/// Copies a file, or a folder with all in it. What is neither is an error: nothing is left out unnoticed.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let kind = fs::symlink_metadata(from).with_context(|| from.display().to_string())?.file_type();
    if kind.is_dir() {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    ensure!(kind.is_file(), "{} is neither a file nor a folder", from.display());
    write(to, &fs::read(from)?)
}

/// Writes a file that everyone may read, and its folders.
fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    let dir = file.parent().context("a file of the tree has a folder")?;
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    fs::write(file, bytes).with_context(|| file.display().to_string())?;
    Ok(fs::set_permissions(file, fs::Permissions::from_mode(0o644))?)
}

/// What a program prints.
fn printed(command: &mut Command) -> Result<Vec<u8>> {
    let (output, text) = captured(command).with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed:\n{text}");
    }
    Ok(output.stdout)
}
