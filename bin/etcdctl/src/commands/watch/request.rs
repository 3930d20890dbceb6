//! Which watch the arguments and the environment ask for.

use std::os::unix::ffi::OsStringExt as _;

use bytes::Bytes;
use client::prefix_end;
use proto::etcdserverpb::WatchCreateRequest;

use super::bad;
use crate::exit::Exit;
use crate::flags::Arguments;
use notation::quote::quote;

/// Keys that come from the environment; empty when unset.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    pub(super) key: Bytes,
    pub(super) range_end: Bytes,
}

impl Environment {
    pub(super) fn read() -> Self {
        let bytes = |name| std::env::var_os(name).map(|value| value.into_vec().into());
        Self {
            key: bytes("ETCDCTL_WATCH_KEY").unwrap_or_default(),
            range_end: bytes("ETCDCTL_WATCH_RANGE_END").unwrap_or_default(),
        }
    }
}

/// One watch, and the program to run for its events.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) request: WatchCreateRequest,
    /// Empty for none.
    pub(super) command: Vec<Bytes>,
}

/// What is said of `--` with nothing behind it.
pub(super) const NO_COMMAND: &str = "bad number of arguments (found separator --, but no commands)";

impl Plan {
    pub(super) fn new(arguments: &Arguments, environment: &Environment) -> Result<Self, Exit> {
        let operands = &arguments.operands;
        let (keys, command) = operands.split_at(arguments.dash.unwrap_or(operands.len()));
        if environment.key.is_empty() && !environment.range_end.is_empty() {
            let end = quote(&environment.range_end);
            let message =
                format!("ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END={end}");
            return Err(bad(message));
        }
        if arguments.dash.is_some() && command.is_empty() {
            return Err(bad(NO_COMMAND));
        }
        let (key, end) = match (keys, &environment.key) {
            ([], key) if !key.is_empty() => (key.clone(), environment.range_end.clone()),
            ([], _) => return Err(bad("bad number of arguments")),
            (_, key) if !key.is_empty() => {
                let message = "bad number of arguments (found conflicting environment key)";
                return Err(bad(message));
            }
            ([key, rest @ ..], _) => (key.clone(), rest.first().cloned().unwrap_or_default()),
        };
        let command = command.to_vec();
        let request = request(arguments, key, end)?;
        Ok(Self { request, command })
    }
}

fn request(arguments: &Arguments, key: Bytes, end: Bytes) -> Result<WatchCreateRequest, Exit> {
    let prefix = arguments.bool("prefix");
    if prefix && !end.is_empty() {
        return Err(bad("`range_end` and `--prefix` are mutually exclusive"));
    }
    let range_end = match prefix {
        true if key.is_empty() => Bytes::from_static(b"\0"),
        true => prefix_end(&key),
        false => end,
    };
    Ok(WatchCreateRequest {
        // An empty key cannot be watched; the first possible key stands for it.
        key: if key.is_empty() {
            Bytes::from_static(b"\0")
        } else {
            key
        },
        range_end,
        start_revision: arguments.int("rev"),
        progress_notify: arguments.bool("progress-notify"),
        prev_kv: arguments.bool("prev-kv"),
        ..WatchCreateRequest::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::parse;

    fn check(line: &str, key: &'static str, end: &'static str) -> Result<Plan, String> {
        let words: Vec<Bytes> = line
            .split_whitespace()
            .map(|word| word.to_owned().into())
            .collect();
        let arguments = parse(super::super::FLAGS, &words).unwrap();
        let environment = Environment {
            key: key.into(),
            range_end: end.into(),
        };
        Plan::new(&arguments, &environment).map_err(|exit| exit.message.unwrap())
    }

    /// Where the keys end and the program begins decides what is run.
    #[test]
    fn keys_and_programs_are_told_apart() {
        let range = |line, key, end| {
            let plan = check(line, key, end).unwrap();
            (plan.request.key, plan.request.range_end, plan.command.len())
        };
        assert_eq!(range("a", "", ""), ("a".into(), "".into(), 0));
        assert_eq!(range("a b", "", ""), ("a".into(), "b".into(), 0));
        assert_eq!(
            range("a --prefix -- echo x", "", ""),
            ("a".into(), "b".into(), 2)
        );
        assert_eq!(range("-- echo", "k", "l"), ("k".into(), "l".into(), 1));
    }

    /// Each mistake has its own text in upstream's tests.
    #[test]
    fn mistakes_are_named() {
        for (line, key, end, message) in [
            ("", "", "", "bad number of arguments"),
            ("-- echo", "", "", "bad number of arguments"),
            (
                "a --",
                "",
                "",
                "bad number of arguments (found separator --, but no commands)",
            ),
            (
                "a",
                "k",
                "",
                "bad number of arguments (found conflicting environment key)",
            ),
            (
                "a",
                "",
                "wk",
                r#"ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END="wk""#,
            ),
            (
                "a b --prefix",
                "",
                "",
                "`range_end` and `--prefix` are mutually exclusive",
            ),
        ] {
            assert_eq!(check(line, key, end).unwrap_err(), message, "{line}");
        }
    }
}
