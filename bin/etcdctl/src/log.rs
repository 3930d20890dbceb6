//! Log lines on stderr: one JSON object each, with the keys that etcd's tools use.

use jiff::Timestamp;

use crate::print::json::writer::Writer;

/// How much a line matters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Level {
    Info,
    Warn,
    Fatal,
}

/// Writes one line; `pairs` are the details.
pub(crate) fn log(level: Level, message: &str, pairs: &[(&str, &str)]) {
    let now = format!("{:.6}", Timestamp::now());
    eprintln!("{}", line(level, &now, message, pairs));
}

fn line(level: Level, now: &str, message: &str, pairs: &[(&str, &str)]) -> String {
    let level = match level {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Fatal => "fatal",
    };
    let mut writer = Writer::default();
    writer.object(|object| {
        object.text("level", level);
        object.text("ts", now);
        object.text("msg", message);
        for (key, value) in pairs {
            object.text(key, value);
        }
    });
    writer.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Log collectors parse every line.
    #[test]
    fn a_line_is_one_json_object() {
        assert_eq!(
            line(Level::Warn, "2026", "a \"b\"", &[("key", "v\n")]),
            r#"{"level":"warn","ts":"2026","msg":"a \"b\"","key":"v\n"}"#
        );
    }
}
