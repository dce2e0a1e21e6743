//! Whether traces are exported, and where to: by the variables that every OpenTelemetry SDK knows.

use std::time::Duration;

use reqwest::Url;

/// Where a receiver listens unless a variable says otherwise (OpenTelemetry Protocol Exporter, "Endpoint URLs").
const LOCAL: &str = "http://localhost:4318";
/// The longest that one export may take, and the default (the same page, "Configuration options").
const MOST_TIMEOUT: Duration = Duration::from_secs(10);
/// The most spans that may wait to be exported; each takes less than a kilobyte.
const MOST_QUEUE: usize = 65_536;
/// What `OTEL_TRACES_SAMPLER` may say.
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// The export of traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces {
    /// Where spans are sent.
    pub endpoint: Url,
    /// How long one export may take.
    pub timeout: Duration,
    /// How many spans may wait to be exported.
    pub queue: usize,
    /// How many spans one export has at most.
    pub batch: usize,
    /// How long a span waits for others.
    pub delay: Duration,
    /// Whether the variables name the service.
    pub names_service: bool,
}

/// A variable by which no traces can be exported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "traces are not exported: {variable} = {value:?}: use {supported}; or unset it, and restart the worker"
)]
pub struct Unsupported {
    variable: &'static str,
    value: String,
    supported: String,
}

type Variables<'a> = &'a dyn Fn(&'static str) -> Option<String>;

impl Traces {
    /// Reads the variables; none if no export is wanted. OpenTelemetry itself reads those of headers, compression, resource
    /// and sampler.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] for a value that this worker cannot follow.
    pub fn of_environment() -> Result<Option<Traces>, Unsupported> {
        Traces::of(&|name| std::env::var_os(name)?.into_string().ok().filter(|value| !value.is_empty()))
    }

    fn of(variable: Variables<'_>) -> Result<Option<Traces>, Unsupported> {
        let base = variable("OTEL_EXPORTER_OTLP_ENDPOINT");
        let whole = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let is_disabled =
            variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let exporter = variable("OTEL_TRACES_EXPORTER");
        match exporter.as_deref() {
            _ if is_disabled => return Ok(None),
            Some("none") => return Ok(None),
            None if base.is_none() && whole.is_none() => return Ok(None),
            Some("otlp") | None => {}
            Some(other) => return Err(unsupported("OTEL_TRACES_EXPORTER", other, "otlp or none")),
        }
        check(variable)?;
        let endpoint = match (whole, base) {
            (Some(url), _) => endpoint("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &url, "")?,
            (None, Some(url)) => endpoint("OTEL_EXPORTER_OTLP_ENDPOINT", &url, "v1/traces")?,
            (None, None) => endpoint("OTEL_EXPORTER_OTLP_ENDPOINT", LOCAL, "v1/traces")?,
        };
        let number = |name| variable(name).and_then(|value| value.parse::<u64>().ok());
        let size = |name, default: usize| {
            number(name)
                .map_or(default, |size| usize::try_from(size).unwrap_or(MOST_QUEUE))
                .clamp(1, MOST_QUEUE)
        };
        let timeout =
            number("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT").or_else(|| number("OTEL_EXPORTER_OTLP_TIMEOUT"));
        let attributes = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        Ok(Some(Traces {
            endpoint,
            timeout: timeout.map_or(MOST_TIMEOUT, Duration::from_millis).min(MOST_TIMEOUT),
            queue: size("OTEL_BSP_MAX_QUEUE_SIZE", 2_048),
            batch: size("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512),
            delay: Duration::from_millis(number("OTEL_BSP_SCHEDULE_DELAY").unwrap_or(5_000)),
            names_service: variable("OTEL_SERVICE_NAME").is_some() || attributes.contains("service.name="),
        }))
    }
}

/// Checks what OpenTelemetry would replace by a default without a word.
fn check(variable: Variables<'_>) -> Result<(), Unsupported> {
    for (names, known) in [
        (["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"], &["http/protobuf"][..]),
        (["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"], &["gzip", "none"]),
        (["OTEL_TRACES_SAMPLER"; 2], &SAMPLERS),
    ] {
        let Some((name, value)) = names.into_iter().find_map(|name| Some((name, variable(name)?))) else {
            continue;
        };
        if !known.contains(&value.as_str()) {
            return Err(unsupported(name, &value, &known.join(", ")));
        }
    }
    Ok(())
}

/// The URL of a receiver, with `path` after its own.
fn endpoint(variable: &'static str, text: &str, path: &str) -> Result<Url, Unsupported> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let mut url = url.ok_or_else(|| {
        unsupported(variable, text, "the URL of a receiver of OTLP over HTTP, such as http://localhost:4318")
    })?;
    if !path.is_empty() {
        let before = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{before}/{path}"));
    }
    Ok(url)
}

fn unsupported(variable: &'static str, value: &str, supported: &str) -> Unsupported {
    Unsupported { variable, value: value.to_owned(), supported: supported.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<Traces>, String> {
        let find = |name: &'static str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Traces::of(&find).map_err(|unsupported| unsupported.to_string())
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");

    #[test]
    fn traces_are_exported_only_if_the_standard_variables_say_so() {
        for (variables, is_on) in [
            (vec![], false),
            (vec![("OTEL_SERVICE_NAME", "approvals")], false),
            (vec![ENDPOINT], true),
            (vec![("OTEL_TRACES_EXPORTER", "otlp")], true),
            (vec![ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")], false),
            (vec![ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")], false),
            (vec![ENDPOINT, ("OTEL_SDK_DISABLED", "false")], true),
            (vec![ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")], true),
        ] {
            assert_eq!(of(&variables).unwrap().is_some(), is_on, "{variables:?}");
        }
    }

    #[test]
    fn the_variable_for_traces_is_the_whole_url_and_wins() {
        for (variables, expected) in [
            (vec![("OTEL_TRACES_EXPORTER", "otlp")], "http://localhost:4318/v1/traces"),
            (vec![ENDPOINT], "http://127.0.0.1:4318/v1/traces"),
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otel/a/")], "https://otel/a/v1/traces"),
            (vec![ENDPOINT, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://otel/x")], "http://otel/x"),
        ] {
            assert_eq!(of(&variables).unwrap().unwrap().endpoint.as_str(), expected, "{variables:?}");
        }
    }

    #[test]
    fn numbers_have_the_defaults_and_the_bounds() {
        let numbers = |variables: &[(&str, &str)]| {
            let all = [&[ENDPOINT], variables].concat();
            let Traces { timeout, queue, batch, delay, .. } = of(&all).unwrap().unwrap();
            (timeout.as_millis(), queue, batch, delay.as_millis())
        };
        assert_eq!(numbers(&[]), (10_000, 2_048, 512, 5_000));
        assert_eq!(
            numbers(&[
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
                ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
                ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"),
                ("OTEL_BSP_SCHEDULE_DELAY", "200"),
            ]),
            (500, 10, 1, 200)
        );
        let many = [("OTEL_EXPORTER_OTLP_TIMEOUT", "600000"), ("OTEL_BSP_MAX_QUEUE_SIZE", "99999999")];
        assert_eq!(numbers(&many), (10_000, MOST_QUEUE, 512, 5_000));
    }

    #[test]
    fn what_cannot_be_followed_is_told_with_what_can() {
        let told = of(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err();
        let expected = "traces are not exported: OTEL_EXPORTER_OTLP_PROTOCOL = \"grpc\": use http/protobuf; or unset \
                        it, and restart the worker";
        assert_eq!(told, expected);
        for (variable, value, use_instead) in [
            ("OTEL_TRACES_EXPORTER", "zipkin", "otlp or none"),
            ("OTEL_TRACES_SAMPLER", "always", "parentbased_always_on"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip, none"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "localhost:4318", "http://localhost:4318"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://otel:4317", "http://localhost:4318"),
        ] {
            // The first of a name is found.
            let told = of(&[(variable, value), ENDPOINT]).unwrap_err();
            assert!(
                told.contains(&format!("{variable} = {value:?}")) && told.contains(use_instead),
                "{told}"
            );
        }
    }
}
