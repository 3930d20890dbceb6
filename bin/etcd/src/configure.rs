//! From the command line, the environment and the file to checked settings and their logger.

use crate::environment::{Environment, EnvironmentError};
use crate::failure;
use crate::file::{self, FileError};
use crate::flags::settings::{Settings, Source};
use crate::flags::value::Value;
use crate::logging::field::fields;
use crate::logging::setup::{self, SetupError};
use crate::logging::{self, Logger};
use crate::validate::{self, ConfigError};
use notation::duration::GoDuration;
use notation::quote::quote;

/// Peer connections are never given less, in nanoseconds.
const RAFT_TIMEOUT_MIN: GoDuration = GoDuration(5_000_000_000);

/// Settings with which a member can be started, and the logger that they ask for.
#[derive(Debug)]
pub(crate) struct Configured {
    /// The settings.
    pub(crate) settings: Settings,
    /// The logger.
    pub(crate) log: Logger,
}

/// Why there are none, and the logger to say so.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The configured logger, as far as it got.
    pub(crate) log: Logger,
    /// Why.
    pub(crate) reason: Reason,
}

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Reason {
    /// A word on the command line that is no flag.
    #[error("{} is not a valid flag", quote(.0))]
    Leftover(String),
    /// The environment.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The logger.
    #[error(transparent)]
    Log(#[from] SetupError),
    /// Settings that do not go together.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl Reason {
    /// The reason as the log shows it.
    pub(crate) fn text(&self) -> String {
        failure::chain(self)
    }
}

/// Completes and checks what the command line says.
pub(crate) fn configure(flags: Settings, environment: &Environment) -> Result<Configured, Refused> {
    let early = Logger::default();
    let path = match flags.text("config-file") {
        "" => environment.config_file().unwrap_or_default().to_owned(),
        named => named.to_owned(),
    };
    let loaded = load(flags, &path, environment, &early);
    let settings = loaded.map_err(|reason| Refused {
        log: early.clone(),
        reason,
    })?;
    let log = setup::logger(&settings).map_err(|error| Refused {
        log: early,
        reason: error.into(),
    })?;
    logging::layer::install(&log);
    if let Err(error) = validate::validate(&settings, &log) {
        let reason = error.into();
        return Err(Refused { log, reason });
    }
    if !path.is_empty() {
        let fields = fields!["path" => path];
        log.info("loaded server configuration, other configuration command line flags and environment variables will be ignored if provided", fields);
    }
    Ok(Configured { settings, log })
}

fn load(
    flags: Settings,
    path: &str,
    environment: &Environment,
    log: &Logger,
) -> Result<Settings, Reason> {
    if !path.is_empty() {
        return Ok(file::load(path)?);
    }
    let mut settings = flags;
    environment.apply(&mut settings, log)?;
    raise_raft_timeouts(&mut settings, log);
    Ok(settings)
}

fn raise_raft_timeouts(settings: &mut Settings, log: &Logger) {
    for name in ["raft-read-timeout", "raft-write-timeout"] {
        if settings.duration(name) < RAFT_TIMEOUT_MIN {
            log.info(
                &format!("{name} increased to minimum value: {RAFT_TIMEOUT_MIN}"),
                &[],
            );
            settings.set(name, Value::Duration(RAFT_TIMEOUT_MIN), Source::Derived);
        }
    }
}
