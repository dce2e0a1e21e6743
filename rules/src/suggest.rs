//! The nearest name to a misspelt one.

/// ` (did you mean 'x'?)`, or the few names there are, or nothing.
pub(crate) fn did_you_mean<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if let Some(name) = nearest(wrong, names.iter().copied()) {
        return format!(" (did you mean '{name}'?)");
    }
    match names.len() {
        0 => String::new(),
        1..=12 => format!(" (it has {})", names.join(", ")),
        _ => String::new(),
    }
}

/// The name with the fewest edits, if it has few enough to be meant.
pub(crate) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (wrong.chars().count() / 3).max(1);
    names
        .filter(|name| name.len().abs_diff(wrong.len()) <= 2 * allowed)
        .map(|name| (edits(&wrong.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(edits, _)| *edits <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// How many insertions, deletions, replacements and swaps of neighbours lead from one to the other.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let names = ["amount", "currency", "customer"];
        for (wrong, expected) in [
            ("amuont", Some("amount")),
            ("ammount", Some("amount")),
            ("Customer", Some("customer")),
            ("price", None),
        ] {
            assert_eq!(nearest(wrong, names.into_iter()), expected, "{wrong}");
        }
        assert_eq!(did_you_mean("zip", ["a"].into_iter()), " (it has a)");
    }
}
