//! The release binaries run where they are deployed: Amazon Linux 2023 has glibc 2.34.

use std::path::Path;

use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::FileHeader as _;
use ops::binaries::Binaries;

const NEWEST: (u32, u32) = (2, 34);

/// The versions of glibc's symbols that a program needs.
fn needed(program: &Path) -> Vec<(u32, u32)> {
    let data = std::fs::read(program).unwrap();
    let header = FileHeader64::<Endianness>::parse(&*data).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, &*data).unwrap();
    let (mut libraries, strings) = sections.gnu_verneed(endian, &*data).unwrap().expect("a dynamic program");
    let strings = sections.strings(endian, &*data, strings).unwrap();
    let mut versions = Vec::new();
    while let Some((_, mut symbols)) = libraries.next().unwrap() {
        while let Some(symbol) = symbols.next().unwrap() {
            let name = std::str::from_utf8(symbol.name(endian, strings).unwrap()).unwrap();
            if let Some(version) = name.strip_prefix("GLIBC_") {
                let (major, rest) = version.split_once('.').unwrap();
                let minor = rest.split('.').next().unwrap();
                versions.push((major.parse().unwrap(), minor.parse().unwrap()));
            }
        }
    }
    versions
}

#[test]
fn release_binaries_need_no_newer_glibc_than_amazon_linux_2023_has() {
    let binaries = Binaries::build_as("release").unwrap();
    for program in [binaries.ingest, binaries.countersign] {
        let newest = needed(&program).into_iter().max().expect("a program needs some version");
        assert!(newest <= NEWEST, "{} needs glibc {newest:?}", program.display());
        println!(
            "{}: glibc {newest:?}, {} bytes",
            program.display(),
            std::fs::metadata(&program).unwrap().len()
        );
    }
}
