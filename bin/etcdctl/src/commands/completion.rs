//! `completion`: scripts that teach a shell our commands.

use crate::exit::{ERROR, Exit};
use crate::flags::{self, Command, Run, group};
use crate::invocation::Invocation;
use crate::print;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "completion",
    operands: "[bash|zsh|fish|powershell]",
    about: "Prints a completion script for a shell",
    details: "Prints a completion script for a shell.

Bash:
  source <(etcdctl completion bash)
  etcdctl completion bash > /etc/bash_completion.d/etcdctl

Zsh:
  etcdctl completion zsh > \"${fpath[1]}/_etcdctl\"

Fish:
  etcdctl completion fish | source
  etcdctl completion fish > ~/.config/fish/completions/etcdctl.fish

PowerShell:
  etcdctl completion powershell | Out-String | Invoke-Expression",
    group: group::UTILITY,
    run: Run::Do(|invocation| Box::pin(async move { run(&invocation) })),
    ..Command::EMPTY
};

fn run(invocation: &Invocation) -> Result<(), Exit> {
    let operands = &invocation.arguments.operands;
    let Some(shell) = invocation
        .arguments
        .operand(0)
        .filter(|_| operands.len() == 1)
    else {
        return Err(refused(&format!(
            "accepts 1 arg(s), received {}",
            operands.len()
        )));
    };
    match flags::script(invocation.root, &shell) {
        Some(script) => print::write(&script),
        None => Err(refused(&format!(
            "invalid argument {shell:?} for {:?}",
            invocation.name
        ))),
    }
}

/// Mistakes here are shown with the usage, like those in flags.
fn refused(message: &str) -> Exit {
    let usage = "Usage:\n  etcdctl completion [bash|zsh|fish|powershell]\n\nFlags:\n  \
                 -h, --help   help for completion\n";
    eprintln!("Error: {message}\n{usage}");
    Exit::silent(ERROR)
}
