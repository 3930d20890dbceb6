//! From words to the end: find the command, read its flags, run it.

use bytes::Bytes;

use crate::commands::ROOT;
use crate::exit::{ERROR, Exit};
use crate::flags::{self, FlagError, Found, Run};
use crate::invocation::Invocation;
use crate::log::{Level, log};
use crate::print;

/// Runs the program with the words that follow its name.
pub(crate) fn run(words: Vec<Bytes>) -> Result<(), Exit> {
    let found = flags::find(&ROOT, words);
    if let Some(name) = found.stray() {
        return Err(unknown_command(&found, &name));
    }
    let arguments = match flags::parse(&found.flags(), &found.words) {
        Ok(arguments) => arguments,
        Err(FlagError::Help) => return show_help(&found),
        Err(error) => {
            eprintln!("Error: {error}\n{}", flags::usage(&found));
            return Err(Exit::silent(ERROR));
        }
    };
    let Run::Do(body) = found.command().run else {
        return show_help(&found);
    };
    let invocation = Invocation {
        root: &ROOT,
        name: found.name(),
        arguments,
    };
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build()?;
    let outcome = runtime.block_on(body(invocation));
    // A thread that still reads stdin must not keep the program.
    runtime.shutdown_background();
    outcome
}

/// Says on stderr why the program ends.
pub(crate) fn report(exit: &Exit) {
    if let Some(cause) = &exit.unreachable {
        let message = "no member could be reached";
        log(
            Level::Warn,
            message,
            &[("logger", "etcd-client"), ("error", cause)],
        );
    }
    if let Some(message) = &exit.message {
        eprintln!("Error: {message}");
    }
}

fn show_help(found: &Found) -> Result<(), Exit> {
    print::write(flags::help(found).as_bytes())
}

fn unknown_command(found: &Found, name: &str) -> Exit {
    let message = flags::unknown_command(found, name);
    Exit::error(format!("{message}\nRun '{} --help' for usage.", ROOT.name))
}
