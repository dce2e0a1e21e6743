#!/usr/bin/env bash
# Proves that the simulation has teeth: applies each mutation of this folder to a copy of the workspace and runs the
# simulation on it, which must fail, as the copy without a mutation must not. Prints what caught each. Arguments choose
# mutations by name; SEEDS is how many seeds each must fail within (default 200). The scenes are run for what no seed
# catches. A run without an end counts as caught.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../.." && pwd)
copy="$root/target/mutations/workspace"
# Its own: cargo names artifacts by their path inside the workspace, and would mix mutants with the real thing.
export CARGO_TARGET_DIR="$root/target/mutations/target" SEEDS="${SEEDS:-200}" RUST_BACKTRACE=0
# A mutation changes a line or two: what else was compiled for the last one serves again.
export CARGO_PROFILE_RELEASE_INCREMENTAL=true
# What an earlier run left; the builds stay.
rm -rf "$copy"
mkdir -p "$copy"
survived=0

git -C "$root" ls-files -z --cached --others --exclude-standard |
    tar --directory="$root" --create --null --files-from=- | tar --directory="$copy" --extract
# An interrupted run may have left a build of mutated files that is newer than they are.
sed -n 's|^+++ b/||p' "$here"/*.patch | sort -u | (cd "$copy" && xargs touch)

build() { (cd "$copy" && cargo test --release --quiet -p worker --test sim --no-run); }
run() { (cd "$copy" && timeout 1800 cargo test --release --quiet -p worker --test sim -- "$@"); }
simulate() { run every_task && run --skip every_task --skip same_seed --skip large_fleet; }

# What fails by itself would seem to catch every mutation.
log="$copy/../unmutated.log"
{ build && simulate; } >"$log" 2>&1 || { echo "the workspace fails without any mutation, see $log" >&2; exit 1; }

for patch in "$here"/*.patch; do
    name=$(basename "$patch" .patch)
    if [ $# -gt 0 ] && ! printf '%s\n' "$@" | grep -qx "$name"; then continue; fi
    patch --silent --strip=1 --fuzz=0 --directory="$copy" <"$patch" || { echo "$name: the patch no longer applies" >&2; exit 1; }
    log="$copy/../$name.log"
    build >"$log" 2>&1 || { echo "$name: does not build, see $log" >&2; exit 1; }
    code=0
    simulate >"$log" 2>&1 || code=$?
    if [ "$code" -eq 0 ]; then
        echo "SURVIVED  $name: $(head -n 1 "$patch")"
        survived=$((survived + 1))
    else
        by=$(grep -m 1 -oE 'SEED=[0-9]+: .*' "$log" || grep -A 1 -m 1 -E "^thread '.*panicked" "$log" | tr '\n' ' ')
        [ "$code" -ne 124 ] || by="no end within half an hour"
        echo "caught    $name: $(head -n 1 "$patch")"
        echo "          by $(echo "$by" | cut -c 1-160)"
        grep -E '^    [a-z_:0-9]+$' "$log" | sort -u | sed 's/^ */          and /' | head -n 4
    fi
    patch --silent --strip=1 --reverse --directory="$copy" <"$patch"
done
[ "$survived" -eq 0 ] || { echo "$survived mutations survived" >&2; exit 1; }
