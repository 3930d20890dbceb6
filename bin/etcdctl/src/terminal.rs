//! Questions on the terminal whose answers are not shown.

use std::io::{BufRead as _, IsTerminal as _, Write as _, stderr, stdin};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::exit::Exit;

/// Asks for a password. Without a terminal there is nobody to ask, and the answer is empty.
pub(crate) fn ask_secretly(prompt: &str) -> Result<String, Exit> {
    eprint!("{prompt}");
    stderr().flush()?;
    if !stdin().is_terminal() {
        eprintln!("stdin is not a terminal; taking an empty password");
        return Ok(String::new());
    }
    let hidden = Hidden::new()?;
    let mut answer = String::new();
    let outcome = stdin().lock().read_line(&mut answer);
    drop(hidden);
    eprintln!();
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
