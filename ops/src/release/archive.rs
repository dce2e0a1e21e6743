//! Archives whose bytes depend on nothing but what is in them: files in order, no owner, no time.

use std::fs;
use std::io::{Cursor, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flate2::{Compression, GzBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The time that every entry of a tarball has: package tools warn of files from 1970.
const TIME: u64 = 1_577_836_800; // 2020-01-01

/// The files under `dir`, with paths relative to it, in order.
///
/// # Errors
///
/// If a folder cannot be read.
pub fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (vec![], vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path().strip_prefix(dir)?.to_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A zip file of programs.
///
/// # Errors
///
/// If a file cannot be read.
pub fn zip(programs: &[(&str, &PathBuf)]) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    for (name, file) in programs {
        zip.start_file(*name, options)?;
        zip.write_all(&fs::read(file).with_context(|| file.display().to_string())?)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// The files under `dir` as a compressed tarball to unpack over `/`: all belong to root, and it has no folders of its
/// own, so that it changes the rights of none.
///
/// # Errors
///
/// If a file cannot be read.
pub fn tar_gz(dir: &Path) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for name in files(dir)? {
        let file = dir.join(&name);
        let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(fs::metadata(&file)?.permissions().mode() & 0o777);
        header.set_mtime(TIME);
        tar.append_data(&mut header, &name, bytes.as_slice())?;
    }
    gz(&tar.into_inner()?)
}

/// Compresses without name and time.
///
/// # Errors
///
/// None that the memory does not give.
pub fn gz(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}
