//! Shell completion, made from the declarations by way of clap's generators.

use clap::{Arg, ArgAction, Command as Clap};
use clap_complete::Shell;

use crate::spec::{Command, Flag, Kind};

/// The completion script of `shell`, or `None` when the shell is unknown.
pub fn script<Body>(root: &Command<Body>, shell: &str) -> Option<Vec<u8>> {
    let shell = match shell {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        "powershell" => Shell::PowerShell,
        _ => return None,
    };
    let mut out = Vec::new();
    let mut tree = convert(root);
    clap_complete::generate(shell, &mut tree, root.name, &mut out);
    Some(out)
}

fn convert<Body>(command: &Command<Body>) -> Clap {
    let own = command.flags.iter().map(|flag| argument(flag, false));
    let inherited = command.inherited.iter().map(|flag| argument(flag, true));
    Clap::new(command.name)
        .about(command.about)
        .disable_help_subcommand(true)
        .args(own.chain(inherited))
        .subcommands(command.children.iter().map(convert))
}

fn argument(flag: &Flag, global: bool) -> Arg {
    let action = match flag.kind {
        Kind::Bool => ArgAction::SetTrue,
        _ => ArgAction::Set,
    };
    let argument = Arg::new(flag.name)
        .long(flag.name)
        .help(flag.help)
        .action(action);
    let argument = argument.global(global);
    match flag.short {
        Some(letter) => argument.short(letter),
        None => argument,
    }
}
