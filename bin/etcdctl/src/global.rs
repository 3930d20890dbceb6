//! The flags that every command takes, and their environment variables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::exit::{ERROR, Exit};
use crate::flags::{Arguments, Flag, Kind, Value, parse_value};
use crate::log::{Level, log};
use notation::duration;

/// What the names of environment variables begin with.
const PREFIX: &str = "ETCDCTL_";

/// The global flags.
pub(crate) const FLAGS: &[Flag] = &[
    Flag::of(
        "endpoints",
        Kind::List,
        "127.0.0.1:2379",
        "addresses of the members to talk to",
    ),
    Flag::text(
        "write-out",
        "simple",
        "output format: fields, json, protobuf, simple or table",
    )
    .short('w'),
    Flag::switch("hex", "print bytes and IDs in hexadecimal"),
    Flag::switch("debug", "print the effective settings to stderr"),
    Flag::of(
        "dial-timeout",
        Kind::Duration,
        "2s",
        "how long connecting to a member may take",
    ),
    Flag::of(
        "command-timeout",
        Kind::Duration,
        "5s",
        "how long a short command may take, without connecting",
    ),
    Flag::of(
        "keepalive-time",
        Kind::Duration,
        "2s",
        "how long a connection may be silent before it is probed",
    ),
    Flag::of(
        "keepalive-timeout",
        Kind::Duration,
        "6s",
        "how long a probe may stay unanswered",
    ),
    Flag::int(
        "max-request-bytes",
        "0",
        "largest request to send, in bytes (0 means 2 MiB)",
    ),
    Flag::int(
        "max-recv-bytes",
        "0",
        "largest answer to receive, in bytes (0 means 2^31-1)",
    ),
    Flag::of(
        "insecure-transport",
        Kind::Bool,
        "true",
        "connect without TLS",
    ),
    Flag::of(
        "insecure-discovery",
        Kind::Bool,
        "true",
        "accept SRV records of members without TLS",
    ),
    Flag::switch(
        "insecure-skip-tls-verify",
        "do not verify server certificates (for tests only)",
    ),
    Flag::text("cert", "", "client certificate file"),
    Flag::text("key", "", "file with the key of the client certificate"),
    Flag::text(
        "cacert",
        "",
        "file with the authorities that may have signed server certificates",
    ),
    Flag::text(
        "auth-jwt-token",
        "",
        "token to authenticate with, instead of --user and --password",
    ),
    Flag::text(
        "user",
        "",
        "name[:password] to authenticate with (asks for a missing password)",
    ),
    Flag::text(
        "password",
        "",
        "password to authenticate with; --user is then the name alone",
    ),
    Flag::text(
        "discovery-srv",
        "",
        "domain whose SRV records list the members",
    )
    .short('d'),
    Flag::text(
        "discovery-srv-name",
        "",
        "suffix of the service name in SRV records",
    ),
];

/// Variables that belong to one command and not to a flag.
const WATCH_VARIABLES: [&str; 2] = ["ETCDCTL_WATCH_KEY", "ETCDCTL_WATCH_RANGE_END"];

/// The name of a flag's variable.
pub(crate) fn variable(flag: &str) -> String {
    format!("{PREFIX}{}", flag.to_uppercase().replace('-', "_"))
}

/// Lets the environment speak for flags that were not given. A variable and a flag for the same
/// setting are a mistake; a variable that belongs to no flag is worth a warning.
pub(crate) fn apply_environment(
    arguments: &mut Arguments,
    environment: &BTreeMap<String, String>,
    command: &str,
) -> Result<(), Exit> {
    for flag in FLAGS {
        let name = variable(flag.name);
        let Some(text) = environment.get(&name).filter(|text| !text.is_empty()) else {
            continue;
        };
        if arguments.is_changed(flag.name) {
            let message = "conflicting environment variable is shadowed by corresponding \
                           command-line flag (either unset environment variable or disable flag))";
            log(Level::Fatal, message, &[("environment-variable", &name)]);
            return Err(Exit::silent(ERROR));
        }
        // What cannot be read is ignored, as etcdctl always did.
        if let Ok(value) = parse_value(flag.kind, text) {
            arguments.values.insert(flag.name, value);
            arguments.changed.insert(flag.name);
        }
    }
    for pair in unrecognized(environment, command) {
        let message = "unrecognized environment variable";
        log(Level::Warn, message, &[("environment-variable", &pair)]);
    }
    Ok(())
}

fn unrecognized(environment: &BTreeMap<String, String>, command: &str) -> Vec<String> {
    let known: Vec<String> = FLAGS.iter().map(|flag| variable(flag.name)).collect();
    let ours = environment
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX));
    let watch = |name: &str| command == "watch" && WATCH_VARIABLES.contains(&name);
    ours.filter(|(name, _)| !known.contains(name) && !watch(name))
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// All settings as variables, by name.
pub(crate) fn settings(arguments: &Arguments) -> String {
    let mut lines: Vec<String> = FLAGS
        .iter()
        .filter_map(|flag| {
            let value = arguments.values.get(flag.name)?;
            Some(format!("{}={}", variable(flag.name), show(value)))
        })
        .collect();
    lines.sort_unstable();
    lines.iter().fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "{line}");
        out
    })
}

fn show(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Text(value) => value.clone(),
        Value::Duration(value) => duration::format(*value),
        Value::List(value) => format!("[{}]", value.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::parse;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn arguments(words: &[&'static str]) -> Arguments {
        let words: Vec<_> = words.iter().map(|word| (*word).into()).collect();
        parse(FLAGS, &words).unwrap()
    }

    /// A default that does not parse would silently be another one.
    #[test]
    fn every_flag_has_its_default() {
        let arguments = arguments(&[]);
        for flag in FLAGS {
            assert!(arguments.values.contains_key(flag.name), "{}", flag.name);
        }
        assert!(arguments.bool("insecure-transport"));
    }

    /// The rules by which containers configure etcdctl.
    #[test]
    fn the_environment_fills_what_was_not_given() {
        let mut found = arguments(&["--hex"]);
        let variables = environment(&[
            ("ETCDCTL_ENDPOINTS", "a:1,b:2"),
            ("ETCDCTL_WRITE_OUT", ""),
            ("ETCDCTL_DIAL_TIMEOUT", "abc"),
            ("ETCDCTL_COMMAND_TIMEOUT", "7s"),
        ]);
        apply_environment(&mut found, &variables, "get").unwrap();
        assert_eq!(found.list("endpoints"), ["a:1", "b:2"]);
        assert_eq!(found.text("write-out"), "simple");
        assert_eq!(found.duration("dial-timeout").as_secs(), 2);
        assert_eq!(found.duration("command-timeout").as_secs(), 7);

        let both = environment(&[("ETCDCTL_HEX", "true")]);
        let refused = apply_environment(&mut arguments(&["--hex"]), &both, "get");
        assert_eq!(refused, Err(Exit::silent(ERROR)));
    }

    /// A misspelt variable must not be ignored silently.
    #[test]
    fn foreign_variables_are_named() {
        let variables = environment(&[
            ("ETCDCTL_API", "3"),
            ("ETCDCTL_WATCH_KEY", "k"),
            ("ETCDCTL_USER", "u"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(unrecognized(&variables, "watch"), ["ETCDCTL_API=3"]);
        assert_eq!(
            unrecognized(&variables, "get"),
            ["ETCDCTL_API=3", "ETCDCTL_WATCH_KEY=k"]
        );
    }

    /// `--debug` is how people find out what is in effect.
    #[test]
    fn settings_are_listed_by_name() {
        let text = settings(&arguments(&["--endpoints", "a:1,b:2"]));
        assert!(text.starts_with(
            "ETCDCTL_AUTH_JWT_TOKEN=\nETCDCTL_CACERT=\nETCDCTL_CERT=\nETCDCTL_COMMAND_TIMEOUT=5s\n"
        ));
        assert!(text.contains("ETCDCTL_ENDPOINTS=[a:1,b:2]\n"));
        assert!(text.ends_with("ETCDCTL_WRITE_OUT=simple\n"));
    }
}
