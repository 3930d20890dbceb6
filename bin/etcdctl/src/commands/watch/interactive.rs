//! Watches that are read from stdin, one a line, all on one stream.

use bytes::Bytes;
use client::Watcher;
use tokio::sync::mpsc;

use super::request::{Environment, NO_COMMAND, Plan};
use super::{FLAGS, bad, show};
use crate::exit::{Exit, INVALID_INPUT};
use crate::flags;
use crate::invocation::{Invocation, Session};
use notation::quote::split_words;

/// Lines that are read ahead.
const LINES: usize = 16;

/// What one line asks for.
#[derive(Debug, PartialEq)]
enum Line {
    Watch(Box<Plan>),
    Progress,
    /// Nothing that can be done; the text says why.
    Ignored(String),
}

pub(super) async fn run(invocation: &Invocation) -> Result<(), Exit> {
    let session = invocation.session()?;
    let watcher = session.client().await?.watcher(true);
    let (failed, mut failures) = mpsc::channel(1);
    let mut lines = read_lines();
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            failure = failures.recv() => return failure.map_or(Ok(()), Err),
        };
        let Some(line) = line else {
            let message = "error reading watch request line: EOF";
            return Err(Exit::new(INVALID_INPUT, message));
        };
        match understand(&line, &Environment::read())? {
            Line::Watch(plan) => start(&session, &watcher, *plan, failed.clone()).await,
            Line::Progress => watcher.request_progress().await,
            Line::Ignored(text) => eprintln!("Invalid command{text}"),
        }
    }
}

async fn start(session: &Session, watcher: &Watcher, plan: Plan, failed: mpsc::Sender<Exit>) {
    let watch = watcher.watch(plan.request).await;
    let printer = session.printer;
    tokio::spawn(async move {
        if let Err(exit) = show::show(printer, watch, &plan.command).await {
            // The program ends with the first failure; later ones find nobody listening.
            let _ = failed.send(exit).await;
        }
    });
}

/// Reads stdin on a thread of its own, because it cannot be waited for otherwise.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn understand(line: &str, environment: &Environment) -> Result<Line, Exit> {
    let line = line.trim();
    let words = split_words(line).unwrap_or_default();
    let (first, rest) = match words.split_first() {
        Some((first, rest)) => (first.as_slice(), rest),
        None => {
            let text = format!(": {line} (watch and progress supported)");
            return Ok(Line::Ignored(text));
        }
    };
    match (first, rest) {
        (b"progress", _) => return Ok(Line::Progress),
        (b"watch", []) if environment.key.is_empty() => {
            let text = format!(" {line} (command type or key is not provided)");
            return Ok(Line::Ignored(text));
        }
        (b"watch", _) => {}
        _ => return Ok(Line::Ignored(format!(" {line} (only support watch)"))),
    }
    let rest: Vec<Bytes> = rest.iter().cloned().map(Bytes::from).collect();
    let arguments = flags::parse(FLAGS, &rest).map_err(|error| bad(error.to_string()))?;
    match Plan::new(&arguments, environment) {
        Ok(plan) => Ok(Line::Watch(Box::new(plan))),
        Err(exit) if exit.message.as_deref() == Some(NO_COMMAND) => Err(exit),
        Err(exit) => {
            let reason = exit.message.unwrap_or_default();
            Ok(Line::Ignored(format!(" {line} ({reason})")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<Line, (u8, String)> {
        understand(line, &Environment::default()).map_err(|exit| (exit.code, exit.message.unwrap()))
    }

    /// A session of watches must survive a typing mistake, and end with a wrong flag.
    #[test]
    fn lines_are_understood_or_named() {
        for (line, text) in [
            ("", ":  (watch and progress supported)"),
            ("'", ": ' (watch and progress supported)"),
            ("foo", " foo (only support watch)"),
            ("bad cmd", " bad cmd (only support watch)"),
            ("watch", " watch (command type or key is not provided)"),
            ("watch -- echo", " watch -- echo (bad number of arguments)"),
            (
                "watch a b --prefix",
                " watch a b --prefix (`range_end` and `--prefix` are mutually exclusive)",
            ),
        ] {
            assert_eq!(check(line), Ok(Line::Ignored(text.to_owned())), "{line}");
        }
        assert_eq!(check(" progress x"), Ok(Line::Progress));
        match check("watch --rev 7 'a b' -- sh -c \"echo x\"").unwrap() {
            Line::Watch(plan) => {
                assert_eq!(
                    (&plan.request.key[..], plan.request.start_revision),
                    (&b"a b"[..], 7)
                );
                assert_eq!(plan.command, ["sh", "-c", "echo x"]);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(
            check("watch --bogus a"),
            Err((128, "unknown flag: --bogus".to_owned()))
        );
        assert_eq!(check("watch a --"), Err((128, NO_COMMAND.to_owned())));
    }
}
