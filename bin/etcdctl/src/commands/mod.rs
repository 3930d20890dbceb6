//! The commands: one file a group, each with its declaration and its code.

mod alarm;
mod auth;
mod check;
mod compaction;
mod completion;
mod defrag;
mod del;
mod downgrade;
mod elect;
mod endpoint;
mod execute;
mod get;
mod help;
mod lease;
mod lock;
mod make_mirror;
mod member;
mod move_leader;
mod operands;
mod options;
mod progress;
mod put;
mod role;
mod signals;
mod snapshot;
mod txn;
mod user;
mod version;
mod watch;

use crate::flags::Command;
use crate::global;

/// The program.
pub(crate) const ROOT: Command = Command {
    name: "etcdctl",
    about: "The command line client of etcd's v3 API.",
    inherited: global::FLAGS,
    children: &[
        get::COMMAND,
        put::COMMAND,
        del::COMMAND,
        txn::COMMAND,
        watch::COMMAND,
        compaction::COMMAND,
        lease::COMMAND,
        alarm::COMMAND,
        defrag::COMMAND,
        downgrade::COMMAND,
        endpoint::COMMAND,
        member::COMMAND,
        move_leader::COMMAND,
        snapshot::COMMAND,
        elect::COMMAND,
        lock::COMMAND,
        auth::COMMAND,
        role::COMMAND,
        user::COMMAND,
        check::COMMAND,
        completion::COMMAND,
        help::COMMAND,
        make_mirror::COMMAND,
        options::COMMAND,
        version::COMMAND,
    ],
    ..Command::EMPTY
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Run, parse};

    fn check(command: &Command, path: &str) {
        for flag in command.flags.iter().chain(command.inherited) {
            assert!(!flag.help.is_empty(), "{path} --{}", flag.name);
        }
        let arguments = parse(command.flags, &[]).unwrap();
        for flag in command.flags {
            assert!(
                arguments.values.contains_key(flag.name),
                "{path} --{}",
                flag.name
            );
        }
        assert!(!command.about.is_empty(), "{path}");
        assert_eq!(
            matches!(command.run, Run::Help),
            !command.children.is_empty(),
            "{path}"
        );
        for child in command.children {
            check(child, &format!("{path} {}", child.name));
        }
    }

    /// A flag whose default does not parse would read as empty.
    #[test]
    fn every_declaration_is_whole() {
        check(&ROOT, ROOT.name);
        let names: Vec<&str> = ROOT.children.iter().map(|child| child.name).collect();
        assert_eq!(names.len(), 25);
    }
}
