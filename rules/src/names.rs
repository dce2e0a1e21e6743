//! Lists of names, the files of `lists/`, and when a name is on one.

use std::borrow::Cow;
use std::sync::Arc;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// When two texts are the same entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fold {
    /// When they are the same characters, however the characters are composed (Unicode's form NFC).
    #[default]
    Form,
    /// When they also differ in nothing but upper and lower case.
    Case,
}

/// The entries of a list.
#[derive(Debug, Clone)]
pub(crate) struct Names(Arc<Entries>);

#[derive(Debug)]
struct Entries {
    fold: Fold,
    /// The form that is compared, and the entry as it is written; sorted by the form.
    entries: Vec<(String, String)>,
}

impl Names {
    pub(crate) fn new(entries: impl IntoIterator<Item = String>, fold: Fold) -> Names {
        let form = |entry: String| (folded(&entry, fold).into_owned(), entry);
        let mut entries: Vec<(String, String)> = entries.into_iter().map(form).collect();
        entries.sort();
        Names(Arc::new(Entries { fold, entries }))
    }

    pub(crate) fn fold(&self) -> Fold {
        self.0.fold
    }

    pub(crate) fn len(&self) -> usize {
        self.0.entries.len()
    }

    /// The entries as they are written.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.entries.iter().map(|(_, entry)| entry.as_str())
    }

    /// Those of the entries, in this order, with the same fold.
    pub(crate) fn of(&self, entries: Vec<String>) -> Names {
        Names::new(entries, self.0.fold)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        let form = folded(name, self.0.fold);
        self.0.entries.binary_search_by(|(entry, _)| entry.as_str().cmp(&form)).is_ok()
    }
}

/// A text with its accents composed (Unicode's form NFC), as rules read every text.
pub(crate) fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc(text) { text.into() } else { text.nfc().collect::<String>().into() }
}

/// A text in the form that is compared.
fn folded(text: &str, fold: Fold) -> Cow<'_, str> {
    match fold {
        Fold::Form => composed(text),
        Fold::Case if text.is_ascii() => text.to_ascii_lowercase().into(),
        // Upper and then lower case: so that ß is ss and the two small sigmas are one.
        Fold::Case => {
            let upper = text.nfd().flat_map(char::to_uppercase);
            upper.flat_map(char::to_lowercase).nfc().collect::<String>().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_in_each_of_its_forms() {
        let entries = ["Café", "straße", "KP", "Σίσυφος"].map(str::to_owned);
        for (name, by_form, by_case) in [
            ("Café", true, true),
            ("Cafe\u{301}", true, true),
            ("CAFÉ", false, true),
            ("cafe\u{301}", false, true),
            ("Cafe", false, false),
            ("STRASSE", false, true),
            ("kp", false, true),
            ("Kp ", false, false),
            ("ΣΊΣΥΦΟΣ", false, true),
            ("", false, false),
        ] {
            assert_eq!(Names::new(entries.clone(), Fold::Form).contains(name), by_form, "{name}");
            assert_eq!(Names::new(entries.clone(), Fold::Case).contains(name), by_case, "{name}");
        }
    }
}
