//! The trace that a message belongs to, in the format that the rest of the system uses.

/// Converts the X-Ray header that SQS keeps (`Root=1-…;Parent=…;Sampled=…`) to a W3C `traceparent`.
///
/// Returns `None` if the header is empty, incomplete or malformed: a bad trace is no reason to fail a message. Without
/// `Sampled=1`, the trace is marked as not sampled.
pub fn traceparent(x_ray_header: &str) -> Option<String> {
    let field = |name: &str| {
        let mut fields = x_ray_header.split(';').filter_map(|field| field.trim().split_once('='));
        fields.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let mut root = field("Root")?.strip_prefix("1-")?.split('-');
    let (seconds, unique, end) = (root.next()?, root.next()?, root.next());
    let parent = field("Parent")?;
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits
            && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    if end.is_some() || !is_hex(seconds, 8) || !is_hex(unique, 24) || !is_hex(parent, 16) {
        return None;
    }
    let flags = if field("Sampled") == Some("1") { "01" } else { "00" };
    Some(format!("00-{seconds}{unique}-{parent}-{flags}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_x_ray_header_becomes_a_traceparent() {
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
        let expected = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8";
        for (header, flags) in [
            (format!("{root};Parent=53995c3f42cd8ad8;Sampled=1"), "01"),
            (format!("{root}; Parent=53995c3f42cd8ad8; Sampled=0; Lineage=1:a:0"), "00"),
            (format!("{root};Parent=53995c3f42cd8ad8"), "00"),
        ] {
            assert_eq!(traceparent(&header), Some(format!("{expected}-{flags}")), "{header}");
        }
    }

    #[test]
    fn anything_else_is_no_trace() {
        for header in [
            "",
            "Root=1-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a994272793-00;Parent=53995c3f42cd8ad8",
            "Root=2-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
            "Root=1-5759E988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f",
            "Root=;Parent=;Sampled=1",
        ] {
            assert_eq!(traceparent(header), None, "{header}");
        }
    }
}
