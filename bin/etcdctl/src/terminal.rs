//! Questions on the terminal whose answers are not shown. Without a terminal the answers are lines of
//! stdin.

use std::io::{BufRead as _, IsTerminal as _, stdin};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::exit::Exit;
use crate::print;

/// Asks for a password; without an answer it is empty.
pub(crate) fn ask_secretly(prompt: &str) -> Result<String, Exit> {
    print::write(prompt.as_bytes())?;
    let hidden = stdin().is_terminal().then(Hidden::new).transpose()?;
    let mut answer = String::new();
    let outcome = stdin().lock().read_line(&mut answer);
    drop(hidden);
    print::line("")?;
    outcome?;
    Ok(answer.trim_end_matches(['\r', '\n']).to_owned())
}

/// A terminal that does not show what is typed, until it is dropped.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn new() -> Result<Self, Exit> {
        let before = tcgetattr(stdin()).map_err(std::io::Error::from)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(stdin(), OptionalActions::Now, &silent).map_err(std::io::Error::from)?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that has gone away needs no restoring.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}
