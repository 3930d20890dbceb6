//! From the command line to the command.

use std::ffi::OsString;
use std::io::Write;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use clap_complete::Shell;

use crate::cli::{Cli, Command, Hashkv, Snapshot};
use crate::complaint::complaint;
use crate::failure::Failure;
use crate::output::Format;
use crate::{defrag, hashkv, migrate, recover, restore, status};

/// Runs the command that the arguments (with the program's name first) ask for.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let args: Vec<OsString> = args.collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            return print(&error.render().to_string());
        }
        Err(error) => {
            let words: Vec<&str> = args.iter().skip(1).filter_map(|arg| arg.to_str()).collect();
            if words.first() == Some(&"help") {
                eprintln!("Unknown help topic {:?}\n{}", &words[1..], usage([]));
                return Ok(());
            }
            return Err(Failure::Usage {
                text: complaint(&error, words.last().unwrap_or(&"")),
                usage: usage(words),
            });
        }
    };
    let global = &cli.global;
    match &cli.command {
        None => print(&usage([])),
        Some(Command::Version { .. }) => print(&version()),
        Some(Command::Completion { shells }) => completion(shells),
        Some(Command::Hashkv(arguments)) => run_hashkv(&cli, arguments),
        Some(Command::Snapshot { command }) => match command {
            None | Some(Snapshot::Unknown(_)) => print(&usage(["snapshot"])),
            Some(Snapshot::Status { files }) => match &files[..] {
                [file] => status::run(file, global.timeout, &global.write_out),
                _ => Err(Failure::Arguments(
                    "snapshot status requires exactly one argument",
                )),
            },
            Some(Snapshot::Restore(arguments)) => restore::run(arguments),
        },
        Some(Command::Defrag(arguments)) => defrag::run(arguments, global.timeout),
        Some(Command::Recover(arguments)) => {
            recover::run(arguments, global.timeout, &global.write_out)
        }
        Some(Command::Migrate(arguments)) => migrate::run(arguments, global.timeout),
    }
}

fn run_hashkv(cli: &Cli, arguments: &Hashkv) -> Result<(), Failure> {
    let [file] = &arguments.files[..] else {
        return Err(Failure::Usage {
            text: format!("accepts 1 arg(s), received {}", arguments.files.len()),
            usage: usage(["hashkv"]),
        });
    };
    let format = Format::parse(&cli.global.write_out)?;
    hashkv::run(file, arguments.rev, cli.global.timeout, format)
}

fn version() -> String {
    let full = env!("CARGO_PKG_VERSION");
    let api = full.rsplit_once('.').map_or(full, |(minor, _)| minor);
    format!("etcdutl version: {full}\nAPI version: {api}\n")
}

fn completion(shells: &[String]) -> Result<(), Failure> {
    let refuse = |text| Failure::Usage {
        text,
        usage: usage(["completion"]),
    };
    let [name] = shells else {
        let count = shells.len();
        return Err(refuse(format!("accepts 1 arg(s), received {count}")));
    };
    let shell = match name.as_str() {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        "powershell" => Shell::PowerShell,
        _ => {
            let text = format!("invalid argument {name:?} for \"etcdutl completion\"");
            return Err(refuse(text));
        }
    };
    let mut script = Vec::new();
    if name != "zsh" {
        // zsh wants its `#compdef` on the first line.
        writeln!(script, "# {name} completion for etcdutl").context("cannot print")?;
    }
    clap_complete::generate(shell, &mut Cli::command(), "etcdutl", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// The usage block of the command that `names` lead to; what names no command is passed over.
fn usage<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut command = Cli::command();
    // Lets global flags and full names reach the sub-commands.
    command.build();
    for name in names {
        if let Some(found) = subcommand(&command, name) {
            command = found;
        }
    }
    command.render_help().to_string()
}

/// The only sub-command that begins with `name`.
fn subcommand(command: &clap::Command, name: &str) -> Option<clap::Command> {
    let mut found = command
        .get_subcommands()
        .filter(|sub| !name.is_empty() && sub.get_name().starts_with(name));
    match (found.next(), found.next()) {
        (Some(sub), None) => Some(sub.clone()),
        _ => None,
    }
}

/// Prints a result; a closed pipe is an error like any other.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("cannot print")?;
    Ok(())
}
