//! CloudFormation's YAML as JSON: `!Ref x` and its like in their long form.

use serde_json::{Map, Value as Json};
use serde_yaml_ng::Value as Yaml;

/// The template's document.
pub(crate) fn template() -> Json {
    to_json(serde_yaml_ng::from_str(ops::stack::TEMPLATE).unwrap())
}

fn to_json(yaml: Yaml) -> Json {
    match yaml {
        Yaml::Null => Json::Null,
        Yaml::Bool(value) => value.into(),
        Yaml::Number(number) => number.as_i64().unwrap().into(),
        Yaml::String(text) => text.into(),
        Yaml::Sequence(values) => values.into_iter().map(to_json).collect(),
        Yaml::Mapping(fields) => {
            let fields =
                fields.into_iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), to_json(value)));
            Json::Object(fields.collect())
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = match tag.trim_start_matches('!') {
                short @ ("Ref" | "Condition") => short.to_owned(),
                function => format!("Fn::{function}"),
            };
            Json::Object(Map::from_iter([(name, to_json(tagged.value))]))
        }
    }
}
