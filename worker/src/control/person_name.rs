//! The name of a person who acts, as decisions and the log show it.

/// The longest name, in characters.
const MAX_CHARS: usize = 200;

/// Checks a name; returns it without the spaces around it.
///
/// # Errors
///
/// Says what is wrong, to be read after what was named: `by is …`.
pub(crate) fn check(name: &str) -> Result<String, String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_CHARS || name.chars().any(char::is_control) {
        return Err(format!("is not a name of 1 to {MAX_CHARS} printable characters"));
    }
    if name.eq_ignore_ascii_case("rule") {
        return Err("is \"rule\", which stands for the rules; give the person's name".to_owned());
    }
    Ok(name.to_owned())
}
