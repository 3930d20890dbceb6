//! The life of the process: what it is asked, how it starts, and how it ends.
//!
//! Signals have their default action until the member is ready. Then SIGINT and SIGTERM stop it in
//! good order, and at the end the signal is let through, so that the exit status names it.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use server::engine::End;
use server::{Server, ServerError};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::configure::{self, Configured, Reason, Refused};
use crate::data_dir::{self, Contents, DataDirError};
use crate::derive;
use crate::environment::{Environment, EnvironmentError};
use crate::failure::{self, GoIo};
use crate::flags::command_line::{self, Asked};
use crate::flags::help;
use crate::flags::settings::Settings;
use crate::logging::Logger;
use crate::logging::field::fields;
use crate::logging::setup::SetupError;
use crate::start::{self, StartError};
use crate::validate::ConfigError;
use crate::{notify, panics, subcommand, version};

/// The flag whose value nobody else is to read, and what is shown in its place.
const SECRET: &str = "discovery-password";
const HIDDEN: &str = "******";
/// What is wrong with the settings or the start.
pub(crate) const FAILED: u8 = 1;
/// What is wrong with the command line's syntax, and what made etcd panic.
const BROKEN: u8 = 2;

/// Runs the program.
pub(crate) fn run(args: &[String]) -> ExitCode {
    let words = args.get(1..).unwrap_or_default();
    if let Err(error) = version::check_arch(version::arch(), &Environment::of_process()) {
        Logger::default().error(&error.to_string(), &[]);
        return FAILED.into();
    }
    if let Some(status) = subcommand::run(words) {
        return status;
    }
    match command_line::parse(words) {
        Err(error) => {
            complain(&format!("{error}\n{}", help::USAGE));
            BROKEN.into()
        }
        Ok(Asked::Help) => {
            complain(help::USAGE);
            print(&help::list());
            ExitCode::SUCCESS
        }
        Ok(Asked::Run {
            leftover: Some(word),
            ..
        }) => {
            let log = Logger::default();
            let reason = Reason::Leftover(word);
            refuse(args, &Refused { log, reason })
        }
        Ok(Asked::Run { settings, .. }) if settings.is_on("version") => {
            print(&version::text());
            ExitCode::SUCCESS
        }
        Ok(Asked::Run { settings, .. }) => {
            match configure::configure(*settings, &Environment::of_process()) {
                Ok(configured) => member(args, configured),
                Err(refused) => refuse(args, &refused),
            }
        }
    }
}

/// A line to standard error; nobody is left to be told when that fails.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{}", text.trim_end());
}

pub(crate) fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// The words of the command line, without the password that may be among them.
fn shown(args: &[String]) -> Vec<String> {
    let mut is_secret = false;
    let shown = |word: &String| {
        let hides = std::mem::take(&mut is_secret);
        let name = word.trim_start_matches('-');
        match name.split_once('=') {
            _ if hides => HIDDEN.to_owned(),
            Some((SECRET, _)) => format!("--{SECRET}={HIDDEN}"),
            _ => {
                is_secret = name == SECRET;
                word.clone()
            }
        }
    };
    args.iter().map(shown).collect()
}

fn refuse(args: &[String], refused: &Refused) -> ExitCode {
    let Refused { log, reason } = refused;
    match reason {
        Reason::Log(SetupError::UnknownLevel(_)) => {
            complain(&format!("panic: {reason}"));
            return BROKEN.into();
        }
        Reason::File(error) if error.is_plain() => {
            complain(&reason.text());
            return FAILED.into();
        }
        Reason::Environment(EnvironmentError::Conflict(variable)) => {
            let fields = fields!["environment-variable" => variable.as_str()];
            log.fatal("conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag))", fields);
            return FAILED.into();
        }
        _ => {}
    }
    log.info("Running: ", fields!["args" => shown(args)]);
    let fields = fields!["error" => reason.text()];
    log.warn("failed to verify flags", fields);
    if matches!(reason, Reason::Config(ConfigError::NoAdvertisedClientUrls)) {
        log.warn("advertise client URLs are not set", fields);
    }
    FAILED.into()
}

fn member(args: &[String], configured: Configured) -> ExitCode {
    let Configured { mut settings, log } = configured;
    panics::install(&log);
    log.info("Running: ", fields!["args" => shown(args)]);
    derive::derive(&mut settings, &log);
    let contents = match identify(&settings, &log) {
        Ok(contents) => contents,
        Err(status) => return status,
    };
    match start::start(&settings, contents, &log) {
        Ok(server) => serve(server, &settings, &log),
        Err(error) => {
            let fields = fields!["error" => failure::chain(&error)];
            if let StartError::Service(_) = &error {
                say_token_is_used(&settings, &failure::chain(&error), &log);
                return FAILED.into();
            }
            if error.is_of_bootstrap() {
                log.error("bootstrap failed", fields);
            }
            let message = match &error {
                StartError::Server(ServerError::Corrupt(_)) => "checkInitialHashKV failed",
                StartError::Descriptors(_) => {
                    "file descriptor limit of etcd process is too low; please set higher"
                }
                _ => "discovery failed",
            };
            log.fatal(message, fields);
            FAILED.into()
        }
    }
}

fn say_token_is_used(settings: &Settings, error: &str, log: &Logger) {
    let fields = fields![
        "discovery-token" => settings.text("discovery-token"),
        "discovery-endpoints" => settings.list("discovery-endpoints").to_vec(),
        "error" => error,
    ];
    log.warn(
        "failed to bootstrap; discovery token was already used",
        fields,
    );
    log.warn(
        "do not reuse discovery token; generate a new one to bootstrap a cluster",
        &[],
    );
}

fn identify(settings: &Settings, log: &Logger) -> Result<Contents, ExitCode> {
    let path = Path::new(settings.text("data-dir"));
    let (message, contents) = match data_dir::identify(path, log) {
        Ok(Contents::Member) => ("server has already been initialized", Contents::Member),
        Ok(Contents::Empty) => ("Initialize and start etcd server", Contents::Empty),
        Err(error @ DataDirError::Proxy) => {
            complain(&format!("panic: {error}"));
            return Err(BROKEN.into());
        }
        Err(error) => {
            let message = match &error {
                DataDirError::List { .. } => "failed to list data directory",
                _ => "invalid datadir; both member and proxy directories exist",
            };
            let data_dir = path.display().to_string();
            let fields = fields!["dir" => data_dir, "error" => error.to_string()];
            log.fatal(message, fields);
            return Err(FAILED.into());
        }
    };
    let kind = match contents {
        Contents::Member => "member",
        Contents::Empty => "empty",
    };
    log.info(
        message,
        fields!["data-dir" => path.display().to_string(), "dir-type" => kind],
    );
    Ok(contents)
}

/// Serves until a signal comes. Signals are caught before the member is called ready, since those
/// who wait for that may stop it at once.
fn serve(mut server: Server, settings: &Settings, log: &Logger) -> ExitCode {
    let signals = match Signals::new([SIGINT, SIGTERM]) {
        Ok(signals) => signals,
        Err(error) => {
            let fields = fields!["error" => GoIo(&error).to_string()];
            log.fatal("cannot handle signals", fields);
            return FAILED.into();
        }
    };
    start::serve(&mut server, log);
    notify::ready(log);
    let signal = ending(signals, &server);
    let message = match signal {
        Some(SIGINT) => "interrupt",
        Some(_) => "terminated",
        None => "",
    };
    match signal {
        Some(_) => log.info(
            "received signal; shutting down",
            fields!["signal" => message],
        ),
        None => {
            let error = "the member has been permanently removed from the cluster";
            log.warn("server error", fields!["error" => error]);
            log.warn("data-dir used by this member must be removed", &[]);
        }
    }
    let fields = fields![
        "name" => settings.text("name"),
        "data-dir" => settings.text("data-dir"),
        "advertise-peer-urls" => settings.url_texts("initial-advertise-peer-urls"),
        "advertise-client-urls" => settings.url_texts("advertise-client-urls"),
    ];
    log.info("closing etcd server", fields);
    server.shutdown();
    for url in settings.urls("listen-peer-urls") {
        let fields = fields!["address" => url.host_port()];
        log.info("stopped serving peer traffic", fields);
    }
    log.info("closed etcd server", fields);
    signal.map_or(ExitCode::SUCCESS, end_by)
}

/// Waits until a signal comes, or the member ends by itself.
fn ending(mut signals: Signals, server: &Server) -> Option<i32> {
    let ending = server.engine().ending().clone();
    let caught = Arc::new(AtomicI32::new(0));
    let watch = {
        let (ending, caught) = (ending.clone(), Arc::clone(&caught));
        move || {
            if let Some(signal) = signals.forever().next() {
                caught.store(signal, Ordering::Release);
                ending.set(End::Stopped);
            }
        }
    };
    // The thread ends with the process.
    let spawned = std::thread::Builder::new()
        .name("etcd-signals".to_owned())
        .spawn(watch);
    if spawned.is_err() {
        ending.set(End::Stopped);
    }
    match ending.wait() {
        End::Removed => None,
        End::Stopped => Some(caught.load(Ordering::Acquire)).filter(|signal| *signal != 0),
    }
}

/// Lets the signal do what it does by default; the first process of a container just ends.
fn end_by(signal: i32) -> ExitCode {
    if std::process::id() != 1 {
        // It ends the process, or else the status below does.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logs are read by more people than know the password.
    #[test]
    fn passwords_are_not_shown() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (given, expected) in [
            ("etcd --name a", "etcd --name a"),
            (
                "etcd --discovery-password=x --name a",
                "etcd --discovery-password=****** --name a",
            ),
            (
                "etcd -discovery-password x a",
                "etcd -discovery-password ****** a",
            ),
        ] {
            assert_eq!(shown(&words(given)), words(expected));
        }
    }
}
