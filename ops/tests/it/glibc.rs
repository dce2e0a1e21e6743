//! The programs run where they are deployed. `cargo ops package` checks the very files that it packs; here it is the
//! development build, whose symbols of the C library are at least as many.

use ops::binaries::Binaries;
use ops::release::glibc;

#[test]
fn the_programs_need_no_newer_glibc_than_amazon_linux_2023_has() {
    let binaries = Binaries::build().unwrap();
    for program in [binaries.ingest, binaries.countersign] {
        println!("{}: glibc {:?}", program.display(), glibc::check(&program).unwrap());
    }
}
