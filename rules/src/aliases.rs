//! Words of other languages, and what rules say instead.

/// Functions.
const FUNCTIONS: [(&str, &str); 38] = [
    ("any", "some"),
    ("append", "push"),
    ("ceil", "ceiling"),
    ("concat", "join"),
    ("containsKey", "has"),
    ("contains_key", "has"),
    ("count", "len"),
    ("endsWith", "ends_with"),
    ("endswith", "ends_with"),
    ("every", "all"),
    ("exists", "some"),
    ("forEach", "for_each"),
    ("hasOwnProperty", "has"),
    ("has_key", "has"),
    ("includes", "contains"),
    ("indexOf", "index_of"),
    ("isEmpty", "is_empty"),
    ("length", "len"),
    ("lower", "to_lower"),
    ("lowercase", "to_lower"),
    ("none", "some"),
    ("parseInt", "parse_int"),
    ("select", "map"),
    ("size", "len"),
    ("startsWith", "starts_with"),
    ("startswith", "starts_with"),
    ("str", "to_string"),
    ("strip", "trim"),
    ("substr", "sub_string"),
    ("substring", "sub_string"),
    ("toLowerCase", "to_lower"),
    ("toString", "to_string"),
    ("toUpperCase", "to_upper"),
    ("to_lowercase", "to_lower"),
    ("to_uppercase", "to_upper"),
    ("upper", "to_upper"),
    ("uppercase", "to_upper"),
    ("where", "filter"),
];

/// Words that look like variables.
const VARIABLES: [(&str, &str); 24] = [
    ("null", NOTHING),
    ("None", NOTHING),
    ("nil", NOTHING),
    ("undefined", NOTHING),
    ("NULL", NOTHING),
    ("True", "write true"),
    ("False", "write false"),
    ("TRUE", "write true"),
    ("FALSE", "write false"),
    ("not", "write !"),
    ("and", "write &&"),
    ("or", "write ||"),
    ("this", "write order"),
    ("self", "write order"),
    ("elif", "write else if"),
    ("elsif", "write else if"),
    ("elseif", "write else if"),
    ("end", "blocks end with }"),
    ("def", "write fn name(values) { … }"),
    ("function", "write fn name(values) { … }"),
    ("lambda", "write |x| x > 5"),
    ("unless", "write if !(…) { … }"),
    ("fun", "write fn name(values) { … }"),
    ("func", "write fn name(values) { … }"),
];
const NOTHING: &str =
    "check with record.has(\"field\"), or give a default with ??: there is no word for a missing value";

/// Words and symbols where the parser stumbles.
const WORDS: [(&str, &str); 31] = [
    ("and", "write &&"),
    ("or", "write ||"),
    ("not", "write !(…)"),
    ("elif", "write else if"),
    ("elsif", "write else if"),
    ("elseif", "write else if"),
    (",", "one of several is in [\"a\", \"b\"]"),
    (":", "put blocks in { … }, and omit types"),
    ("then", "write if condition { … }"),
    ("end", "blocks end with }"),
    ("is", "write =="),
    ("def", "write fn name(values) { … }"),
    ("function", "write fn name(values) { … }"),
    ("lambda", "write |x| x > 5"),
    ("var", "write let"),
    ("val", "write let"),
    ("null", NOTHING),
    ("===", "write =="),
    ("!==", "write !="),
    ("<>", "write !="),
    (":=", "write let name = value"),
    ("=>", "write >= to compare, |x| x > 5 for a function"),
    ("->", "write |x| x > 5"),
    ("?", "write if a { b } else { c }"),
    ("&", "write &&"),
    ("|", "write ||"),
    ("++", "write x += 1"),
    ("--", "write x -= 1; a comment begins with //"),
    ("=", "write == to compare"),
    ("#", "a comment begins with //"),
    ("@", "write order.field"),
];

/// Our function for one of another language.
pub(crate) fn of_function(name: &str) -> Option<&'static str> {
    find(&FUNCTIONS, name)
}

/// What to write for a name that is no variable.
pub(crate) fn of_variable(name: &str) -> Option<&'static str> {
    find(&VARIABLES, name)
}

/// What to write for a word, in any case, or a symbol.
pub(crate) fn of_word(word: &str) -> Option<&'static str> {
    find(&WORDS, &word.to_lowercase())
}

fn find(table: &'static [(&str, &'static str)], word: &str) -> Option<&'static str> {
    table.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours)
}
