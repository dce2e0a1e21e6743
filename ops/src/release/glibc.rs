//! What a program needs of the machine that runs it: the processor, and the C library. Amazon Linux 2023, where the
//! packages run, has glibc 2.34.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use object::Endianness;
use object::elf::{EM_AARCH64, EM_X86_64, FileHeader64};
use object::read::elf::FileHeader as _;

use super::processor::Processor;

/// The version of Amazon Linux 2023.
const NEWEST: (u32, u32) = (2, 34);

/// The processor that a program is for, by its header.
///
/// # Errors
///
/// If it is no program of Linux, or for a processor that the template has no machines of.
pub fn processor(data: &[u8]) -> Result<Processor> {
    let header = FileHeader64::<Endianness>::parse(data).context("no program of Linux with 64 bits")?;
    match header.e_machine(header.endian()?) {
        EM_X86_64 => Ok(Processor::X86_64),
        EM_AARCH64 => Ok(Processor::Arm64),
        other => bail!("a program for machine {other} of ELF: neither x86_64 nor arm64"),
    }
}

/// Checks that a program runs on Amazon Linux 2023; returns the version of glibc that it needs.
///
/// # Errors
///
/// If it needs a newer one, or cannot be read as a program of Linux.
pub fn check(program: &Path) -> Result<(u32, u32)> {
    let data = std::fs::read(program).with_context(|| program.display().to_string())?;
    let needed = needed(&data).with_context(|| format!("{} is no program", program.display()))?;
    let (major, minor) = needed;
    ensure!(
        needed <= NEWEST,
        "{} needs glibc {major}.{minor}, and Amazon Linux 2023 has {}.{}: build on Amazon Linux 2023, or on any system \
         with glibc {1}.{2} or older",
        program.display(),
        NEWEST.0,
        NEWEST.1,
    );
    Ok(needed)
}

/// The newest version among those of glibc's symbols that a program needs.
fn needed(data: &[u8]) -> Result<(u32, u32)> {
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let (mut libraries, strings) = sections.gnu_verneed(endian, data)?.context("a dynamic program")?;
    let strings = sections.strings(endian, data, strings)?;
    let mut newest = None;
    while let Some((_, mut symbols)) = libraries.next()? {
        while let Some(symbol) = symbols.next()? {
            let name = std::str::from_utf8(symbol.name(endian, strings)?)?;
            let Some(version) = name.strip_prefix("GLIBC_") else { continue };
            let mut numbers = version.split('.').map(str::parse::<u32>);
            match (numbers.next(), numbers.next()) {
                (Some(Ok(major)), Some(Ok(minor))) => newest = newest.max(Some((major, minor))),
                _ => bail!("it needs {name}, which Amazon Linux 2023 does not promise"),
            }
        }
    }
    newest.context("it needs no version of glibc")
}
