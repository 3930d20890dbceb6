//! One log line: JSON with zap's keys in zap's order, or zap's console form.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use super::field::Field;
use super::level::Level;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON object.
    Json,
    /// Columns between tabs, with the fields as JSON.
    Console,
}

/// The fields of a line as members of a JSON object.
#[derive(Debug)]
pub(super) struct Members {
    text: String,
    /// What stands between a key and its value, and after commas.
    space: &'static str,
}

/// Where in the code a line was logged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'a> {
    pub(super) module: &'a str,
    pub(super) file: &'a str,
    pub(super) line: u32,
}

/// Everything that a line says beside its moment.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) level: Level,
    pub(super) logger: Option<&'a str>,
    pub(super) caller: Caller<'a>,
    pub(super) message: &'a str,
    pub(super) members: &'a Members,
}

impl Members {
    pub(super) fn new(format: Format) -> Self {
        let space = match format {
            Format::Json => "",
            Format::Console => " ",
        };
        Self {
            text: String::new(),
            space,
        }
    }

    pub(super) fn push(&mut self, key: &str, value: &Field) {
        match value {
            Field::Text(text) => self.push_text(key, text),
            Field::Bool(value) => self.push_literal(key, value),
            Field::Int(value) => self.push_literal(key, value),
            Field::Uint(value) => self.push_literal(key, value),
            Field::List(texts) => self.push_list(key, texts),
        }
    }

    pub(super) fn push_text(&mut self, key: &str, value: &str) {
        self.key(key);
        quote(&mut self.text, value);
    }

    /// A number or truth value, whose text is its JSON.
    pub(super) fn push_literal(&mut self, key: &str, value: impl std::fmt::Display) {
        self.key(key);
        let _ = write!(self.text, "{value}");
    }

    fn push_list(&mut self, key: &str, texts: &[String]) {
        self.key(key);
        self.text.push('[');
        for (index, text) in texts.iter().enumerate() {
            if index > 0 {
                self.text.push(',');
                self.text.push_str(self.space);
            }
            quote(&mut self.text, text);
        }
        self.text.push(']');
    }

    fn key(&mut self, key: &str) {
        if !self.text.is_empty() {
            self.text.push(',');
            self.text.push_str(self.space);
        }
        quote(&mut self.text, key);
        self.text.push(':');
        self.text.push_str(self.space);
    }
}

impl Line<'_> {
    /// The whole line with its line feed.
    pub(super) fn render(&self, format: Format, stamp: &str) -> String {
        match format {
            Format::Json => self.json(stamp),
            Format::Console => self.console(stamp),
        }
    }

    fn json(&self, stamp: &str) -> String {
        let mut out = String::with_capacity(160 + self.members.text.len());
        let _ = write!(out, r#"{{"level":"{}","ts":"{stamp}""#, self.level.name());
        if let Some(logger) = self.logger {
            out.push_str(r#","logger":"#);
            quote(&mut out, logger);
        }
        out.push_str(r#","caller":"#);
        quote(&mut out, &self.caller.short());
        out.push_str(r#","msg":"#);
        quote(&mut out, self.message);
        if !self.members.text.is_empty() {
            out.push(',');
            out.push_str(&self.members.text);
        }
        if self.level >= Level::Error {
            out.push_str(r#","stacktrace":"#);
            quote(&mut out, &self.caller.frame());
        }
        out.push_str("}\n");
        out
    }

    fn console(&self, stamp: &str) -> String {
        let mut out = String::with_capacity(160 + self.members.text.len());
        let _ = write!(out, "{stamp}\t{}\t", self.level.name());
        if let Some(logger) = self.logger {
            let _ = write!(out, "{logger}\t");
        }
        let _ = write!(out, "{}\t{}", self.caller.short(), self.message);
        if !self.members.text.is_empty() {
            let _ = write!(out, "\t{{{}}}", self.members.text);
        }
        if self.level >= Level::Error {
            let _ = write!(out, "\n{}", self.caller.frame());
        }
        out.push('\n');
        out
    }
}

impl Caller<'_> {
    /// `folder/file.rs:line`; a crate's root folder has the crate's name.
    fn short(&self) -> String {
        let path = Path::new(self.file);
        let file = path
            .file_name()
            .and_then(OsStr::to_str)
            .unwrap_or(self.file);
        let folder = path.parent().and_then(Path::file_name);
        let folder = folder.and_then(OsStr::to_str);
        let folder = match folder {
            Some("src") | None => self.module.split("::").next().unwrap_or_default(),
            Some(folder) => folder,
        };
        format!("{folder}/{file}:{}", self.line)
    }

    /// The caller as the one frame of a stack trace: release builds keep no symbols for more.
    fn frame(&self) -> String {
        format!("{}\n\t{}:{}", self.module, self.file, self.line)
    }
}

/// Appends the text as a JSON string.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..' ' => drop(write!(out, "\\u{:04x}", u32::from(char))),
            _ => out.push(char),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: Level, logger: Option<&str>, format: Format) -> String {
        let mut members = Members::new(format);
        members.push("data-dir", &Field::Text("a \"b\"\u{1}".to_owned()));
        members.push("count", &Field::Int(-3));
        members.push("urls", &Field::List(vec!["x".to_owned(), "y".to_owned()]));
        let line = Line {
            level,
            logger,
            caller: Caller {
                module: "server::engine",
                file: "crates/edge/server/src/engine/keeper.rs",
                line: 7,
            },
            message: "a\tmessage",
            members: &members,
        };
        line.render(format, "2026-01-02T03:04:05.191519Z")
    }

    /// Log collectors are configured for exactly these keys in this order.
    #[test]
    fn json() {
        assert_eq!(
            line(Level::Info, None, Format::Json),
            concat!(
                r#"{"level":"info","ts":"2026-01-02T03:04:05.191519Z","caller":"engine/keeper.rs:7","#,
                r#""msg":"a\tmessage","data-dir":"a \"b\"\u0001","count":-3,"urls":["x","y"]}"#,
                "\n"
            )
        );
        let error = line(Level::Error, Some("raft"), Format::Json);
        assert!(error.contains(r#"Z","logger":"raft","caller":"#), "{error}");
        let trace =
            r#","stacktrace":"server::engine\n\tcrates/edge/server/src/engine/keeper.rs:7"}"#;
        assert!(error.trim_end().ends_with(trace), "{error}");
        let value: serde_json::Value = serde_json::from_str(&error).unwrap();
        assert_eq!(value["data-dir"], "a \"b\"\u{1}");
    }

    #[test]
    fn console() {
        assert_eq!(
            line(Level::Warn, Some("raft"), Format::Console),
            concat!(
                "2026-01-02T03:04:05.191519Z\twarn\traft\tengine/keeper.rs:7\ta\tmessage\t",
                r#"{"data-dir": "a \"b\"\u0001", "count": -3, "urls": ["x", "y"]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn callers() {
        let short = |module, file| {
            Caller {
                module,
                file,
                line: 1,
            }
            .short()
        };
        assert_eq!(
            short("etcd::life", "bin/etcd/src/life.rs"),
            "etcd/life.rs:1"
        );
        assert_eq!(short("etcd", "life.rs"), "etcd/life.rs:1");
    }
}
