//! The text of `/metrics` in the two formats that scrapers read.

use std::fmt::Write as _;

/// A text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4: every scraper reads it.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The format that an `Accept` header prefers. Without one, or if it names neither, the older format.
    pub fn of_accept(accept: &str) -> Format {
        let (mut open_metrics, mut text) = (0.0, 0.0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
            let quality = quality.unwrap_or(0.0);
            match media.to_ascii_lowercase().as_str() {
                "application/openmetrics-text" => open_metrics = quality.max(open_metrics),
                "text/plain" | "text/*" | "*/*" => text = quality.max(text),
                _ => {}
            }
        }
        if open_metrics > text { Format::OpenMetrics } else { Format::Text }
    }

    /// The `Content-Type` of a response in this format.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// A complete OpenMetrics text in this format.
    pub fn of_open_metrics(self, text: String) -> String {
        match self {
            Format::OpenMetrics => text,
            Format::Text => plain(&text),
        }
    }
}

/// OpenMetrics as text format 0.0.4. There a family has the name of its samples, units are not told, an information is
/// a gauge, and the text has no end mark.
fn plain(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + open_metrics.len() / 8);
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(line) = line.strip_prefix("# HELP ") {
            help = line.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                _ => ("", kind),
            };
            writeln!(text, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}")
                .expect("a string takes any text");
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_format_is_sent() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, format) in [
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("Application/OpenMetrics-Text; q=0.9, text/plain; q=0.8", Format::OpenMetrics),
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html", Format::Text),
            ("text/plain; version=0.0.4", Format::Text),
            ("application/openmetrics-text; q=0", Format::Text),
            ("application/openmetrics-text; q=0.1, text/plain; q=0.5", Format::Text),
            ("application/openmetrics-text; q=much", Format::Text),
        ] {
            assert_eq!(Format::of_accept(accept), format, "{accept}");
        }
    }

    #[test]
    fn the_older_format_names_families_after_their_samples() {
        let open_metrics = "# HELP a_seconds Time\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
                            a_seconds_total{x=\"# TYPE\"} 1.5\n# HELP b What runs\n# TYPE b info\nb_info{v=\"1\"} 1\n\
                            # HELP c Size\n# TYPE c gauge\nc 3\n# EOF\n";
        let text = "# HELP a_seconds_total Time\n# TYPE a_seconds_total counter\na_seconds_total{x=\"# TYPE\"} 1.5\n\
                    # HELP b_info What runs\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n\
                    # HELP c Size\n# TYPE c gauge\nc 3\n";
        assert_eq!(Format::Text.of_open_metrics(open_metrics.to_owned()), text);
        assert_eq!(Format::OpenMetrics.of_open_metrics(open_metrics.to_owned()), open_metrics);
    }
}
