//! The help texts: the short forms of the command, and the list of all flags.

use std::fmt::Write as _;

use super::table::{self, Effect, Flag, Group};
use super::value::Kind;

/// The forms of the command; shown with every error of syntax.
pub(crate) const USAGE: &str = "\
Usage:

  etcd [flags]
    Run a member of a cluster.

  etcd --version
    Print the version.

  etcd -h | --help
    Print this text and the list of all flags.

  etcd --config-file <file>
    Run a member that is configured by a file (YAML or JSON). All other flags and
    all environment variables are then ignored.

  etcd gateway
    Forward TCP connections to members.

  etcd grpc-proxy
    Answer for members and cache what they say.

  Every flag can be given as an environment variable: --data-dir is ETCD_DATA_DIR.
  A flag and its variable must not be given together.
";

const GROUPS: [(Group, &str); 9] = [
    (Group::Member, "Member"),
    (Group::Clustering, "Clustering"),
    (Group::Security, "Security"),
    (Group::Auth, "Auth"),
    (Group::Monitoring, "Profiling and Monitoring"),
    (Group::Logging, "Logging"),
    (Group::Tracing, "Distributed tracing"),
    (Group::Features, "Features"),
    (Group::Unsafe, "Unsafe feature"),
];

/// All flags with their defaults, by group.
pub(crate) fn list() -> String {
    let mut out = String::new();
    for (group, title) in GROUPS {
        let _ = writeln!(out, "{title}:");
        for flag in table::all().filter(|flag| flag.group == group) {
            entry(&mut out, flag);
        }
        out.push('\n');
    }
    out
}

fn entry(out: &mut String, flag: &Flag) {
    let _ = match flag.kind {
        Kind::Text
        | Kind::Urls
        | Kind::UrlsOrNone
        | Kind::Origins
        | Kind::List
        | Kind::Set
        | Kind::Choice(_)
        | Kind::Choices(_)
        | Kind::Gates
        | Kind::Bool
        | Kind::Duration => writeln!(out, "  --{} '{}'", flag.name, flag.default),
        Kind::Int | Kind::Int64 | Kind::Uint | Kind::Uint32 | Kind::Uint64 => {
            writeln!(out, "  --{} {}", flag.name, flag.default)
        }
    };
    let _ = writeln!(out, "    {}", flag.help);
    let _ = match flag.effect {
        Effect::Built => Ok(()),
        Effect::None(reason) => writeln!(out, "    Taken, but without effect: {reason}."),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Help that forgets a flag hides it.
    #[test]
    fn every_flag_is_listed_once() {
        let list = list();
        for flag in table::all() {
            let line = format!("  --{} ", flag.name);
            assert_eq!(list.matches(&line).count(), 1, "{}", flag.name);
        }
        assert!(USAGE.lines().count() <= 26);
    }
}
