//! One line of the audit log.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use proto::Method;
use proto::error::Code;
use rpc::PeerAddress;

use super::subject::{Fact, Span, Subject};

/// Bytes of a key that are shown; of a longer one its length is told.
const KEY_MAX: usize = 1024;
/// Characters of a text that are shown.
const TEXT_MAX: usize = 1024;

/// What is told of one request.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) at: Timestamp,
    pub(crate) user: Option<&'a str>,
    /// The common name of a client certificate, whether or not it names a user.
    pub(crate) certificate: Option<&'a str>,
    pub(crate) client: PeerAddress,
    pub(crate) method: &'a Method,
    pub(crate) subject: &'a Subject,
    pub(crate) code: Code,
    pub(crate) revision: Option<i64>,
    pub(crate) took: Duration,
}

impl Line<'_> {
    /// Appends the line with its line feed.
    pub(crate) fn write(&self, out: &mut String) {
        // Writing to a string cannot fail.
        let _ = write!(out, "{{\"time\":\"{:.6}\"", self.at);
        if let Some(user) = self.user {
            text(out, "user", user);
        }
        if let Some(name) = self.certificate {
            text(out, "certificate", name);
        }
        let Method { service, name, .. } = self.method;
        let _ = write!(
            out,
            ",\"client\":\"{}\",\"rpc\":\"/{service}/{name}\"",
            self.client
        );
        self.spans(out);
        for (name, fact) in &self.subject.facts {
            self::fact(out, name, fact);
        }
        let _ = write!(out, ",\"code\":\"{}\"", self.code.name());
        if let Some(revision) = self.revision {
            let _ = write!(out, ",\"revision\":{revision}");
        }
        let _ = writeln!(out, ",\"latency_us\":{}}}", self.took.as_micros());
    }

    fn spans(&self, out: &mut String) {
        let Subject { spans, more, .. } = self.subject;
        if spans.is_empty() {
            return;
        }
        out.push_str(",\"keys\":[");
        for (at, Span { op, key, end }) in spans.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let _ = write!(out, "{comma}{{\"op\":\"{op}\"");
            bytes(out, "key", key);
            if !end.is_empty() {
                bytes(out, "range_end", end);
            }
            out.push('}');
        }
        out.push(']');
        if *more > 0 {
            let _ = write!(out, ",\"more_keys\":{more}");
        }
    }
}

fn fact(out: &mut String, name: &str, fact: &Fact) {
    let _ = match fact {
        Fact::Text(value) => return text(out, name, value),
        Fact::Texts(values) => {
            let _ = write!(out, ",\"{name}\":[");
            for (at, value) in values.iter().take(16).enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                quoted(out, value);
            }
            out.push(']');
            Ok(())
        }
        Fact::Number(number) => write!(out, ",\"{name}\":{number}"),
        Fact::Id(id) => write!(out, ",\"{name}\":\"{id:x}\""),
        Fact::Is(is) => write!(out, ",\"{name}\":{is}"),
    };
}

fn text(out: &mut String, name: &str, value: &str) {
    let _ = write!(out, ",\"{name}\":");
    quoted(out, value);
}

/// A key: as text where it is text, else in base64 under another name.
fn bytes(out: &mut String, name: &str, value: &[u8]) {
    let shown = value.get(..KEY_MAX).unwrap_or(value);
    match std::str::from_utf8(shown) {
        Ok(value) => text(out, name, value),
        Err(_) => {
            let _ = write!(out, ",\"{name}_base64\":\"{}\"", STANDARD.encode(shown));
        }
    }
    if shown.len() < value.len() {
        let _ = write!(out, ",\"{name}_bytes\":{}", value.len());
    }
}

fn quoted(out: &mut String, value: &str) {
    out.push('"');
    for letter in value.chars().take(TEXT_MAX) {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            // Neither may a terminal be steered by a key.
            letter if letter.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(subject: &Subject) -> serde_json::Value {
        let mut out = String::new();
        let method = proto::METHODS.iter().find(|m| m.name == "Put").unwrap();
        Line {
            at: Timestamp::new(1_795_257_599, 7_000_000).unwrap(),
            user: Some("a\"\u{1b}\u{85}"),
            certificate: Some("cn"),
            client: PeerAddress::Unix,
            method,
            subject,
            code: Code::PermissionDenied,
            revision: Some(7),
            took: Duration::from_micros(12),
        }
        .write(&mut out);
        assert!(out.ends_with("}\n") && out.lines().count() == 1, "{out}");
        assert!(!out.trim_end().contains(char::is_control), "{out:?}");
        serde_json::from_str(&out).unwrap()
    }

    /// A line that is no JSON, or whose reader is steered by a key, is worse than none.
    #[test]
    fn lines() {
        let mut subject = Subject::of("put", "k\n\"".into(), "".into())
            .with_id("lease", 255)
            .with("role", Fact::Text("r".into()))
            .with("peer_urls", Fact::Texts(vec!["a".into(), "b".into()]))
            .with("learner", Fact::Is(true))
            .with("ttl", Fact::Number(-1));
        subject.span(
            "range",
            vec![0xff_u8, 0].into(),
            vec![b'x'; KEY_MAX + 1].into(),
        );
        let line = line(&subject);
        assert_eq!(line["time"], "2026-11-21T10:39:59.007000Z");
        assert_eq!(line["user"], "a\"\u{1b}\u{85}");
        assert_eq!(line["certificate"], "cn");
        assert_eq!(line["client"], "@");
        assert_eq!(line["rpc"], "/etcdserverpb.KV/Put");
        assert_eq!(
            line["keys"][0],
            serde_json::json!({"op": "put", "key": "k\n\""})
        );
        assert_eq!(line["keys"][1]["key_base64"], "/wA=");
        assert_eq!(
            line["keys"][1]["range_end"].as_str().unwrap().len(),
            KEY_MAX
        );
        assert_eq!(line["keys"][1]["range_end_bytes"], KEY_MAX + 1);
        assert_eq!(line["lease"], "ff");
        assert_eq!(line["peer_urls"], serde_json::json!(["a", "b"]));
        assert_eq!(
            (&line["learner"], &line["ttl"]),
            (&true.into(), &(-1).into())
        );
        assert_eq!(
            (&line["code"], &line["revision"]),
            (&"PermissionDenied".into(), &7.into())
        );
        assert_eq!(line["latency_us"], 12);
    }
}
