//! The deployment guide as the tests read it.

/// The commands of the guide's numbered steps (README.md, "Deploying"), in order.
///
/// # Panics
///
/// If the guide has no such section.
pub fn commands() -> String {
    let readme = include_str!("../README.md");
    let (_, deploying) = readme.split_once("## Deploying\n").expect("the guide has its heading");
    let (steps, _) = deploying.split_once("\n### ").expect("another heading follows");
    let blocks = steps.split("```sh\n").skip(1);
    blocks.map(|block| block.split_once("```").expect("a block ends").0).collect()
}
