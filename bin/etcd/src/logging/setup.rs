//! The logger that the settings ask for.

use std::io;
use std::path::Path;

use super::journal::{Journal, NoJournal};
use super::line::Format;
use super::output::Output;
use super::rotation::{Policy, PolicyError, Rotating};
use super::{Level, Logger};
use crate::failure::GoIo;
use crate::flags::settings::Settings;
use notation::quote::quote;

const DEFAULT: &str = "default";
const JOURNAL: &str = "systemd/journal";

/// Why there is no such logger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    /// A notation that is gone.
    #[error("--logger=capnslog is removed in v3.5")]
    OldLogger,
    /// A notation that never was.
    #[error("unknown logger option {}", quote(.0))]
    UnknownLogger(String),
    /// `default` among other outputs.
    #[error("multi logoutput for \"default\" is not supported yet")]
    SeveralDefaults,
    /// The journal among other outputs.
    #[error(
        "running with systemd/journal but other '--log-outputs' values ({0}) are configured with 'default'; override 'default' value with something else"
    )]
    JournalAndOthers(String),
    /// Rotation of something else than one file.
    #[error("--log-outputs requires a single file path when --log-rotate-config-json is defined")]
    NotOneFile,
    /// The rotation's policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A look that does not exist.
    #[error("unknown log format: {0}, supported values json, console")]
    UnknownFormat(String),
    /// The journal is not there.
    #[error(transparent)]
    NoJournal(#[from] NoJournal),
    /// A file cannot be opened.
    #[error("open {path}: {}", GoIo(source))]
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A level that does not exist; etcd panics here.
    #[error("unrecognized level: {}", quote(.0))]
    UnknownLevel(String),
}

/// Opens the outputs and makes the logger.
pub(crate) fn logger(settings: &Settings) -> Result<Logger, SetupError> {
    match settings.text("logger") {
        "zap" => {}
        "capnslog" => return Err(SetupError::OldLogger),
        other => return Err(SetupError::UnknownLogger(other.to_owned())),
    }
    let outputs = match settings.list("log-outputs") {
        [] => &[DEFAULT.to_owned()],
        outputs => outputs,
    };
    check(outputs)?;
    let policy = rotation(settings, outputs)?;
    let format = match settings.text("log-format") {
        "json" | "" => Format::Json,
        "console" => Format::Console,
        other => return Err(SetupError::UnknownFormat(other.to_owned())),
    };
    let name = settings.text("log-level");
    let level = Level::parse(name).ok_or_else(|| SetupError::UnknownLevel(name.to_owned()))?;
    // One output that discards lets all the others go as well.
    let outputs = match outputs.iter().any(|output| output == "/dev/null") {
        true => Vec::new(),
        false => outputs
            .iter()
            .map(|output| open(output, policy))
            .collect::<Result<_, _>>()?,
    };
    Ok(Logger::new(level, format, outputs))
}

fn check(outputs: &[String]) -> Result<(), SetupError> {
    let has = |name: &str| outputs.iter().any(|output| output == name);
    if outputs.len() > 1 && has(DEFAULT) {
        return Err(SetupError::SeveralDefaults);
    }
    if outputs.len() > 1 && has(JOURNAL) {
        return Err(SetupError::JournalAndOthers(outputs.join(" ")));
    }
    Ok(())
}

fn rotation(settings: &Settings, outputs: &[String]) -> Result<Option<Policy>, SetupError> {
    if !settings.is_on("enable-log-rotation") {
        return Ok(None);
    }
    let is_file = |output: &String| {
        !matches!(
            output.as_str(),
            DEFAULT | JOURNAL | "stderr" | "stdout" | "/dev/null"
        )
    };
    if outputs.len() != 1 || !outputs.iter().all(is_file) {
        return Err(SetupError::NotOneFile);
    }
    let policy = Policy::parse(settings.text("log-rotation-config-json"))?;
    Ok(Some(policy))
}

fn open(output: &str, policy: Option<Policy>) -> Result<Output, SetupError> {
    let path = Path::new(output);
    let opened = match (output, policy) {
        (DEFAULT | "stderr", _) => return Ok(Output::Stderr),
        ("stdout", _) => return Ok(Output::Stdout),
        (JOURNAL, _) => return Ok(Output::Journal(Journal::connect()?)),
        (_, Some(policy)) => Rotating::open(path, policy).map(Output::Rotating),
        (_, None) => Output::file(path),
    };
    opened.map_err(|source| SetupError::File {
        path: output.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::settings::Source;
    use crate::flags::table;

    fn with(values: &[(&str, &str)]) -> Result<Logger, SetupError> {
        let mut settings = Settings::default();
        for (name, value) in values {
            let flag = table::find(name).unwrap();
            settings.parse(flag, value, Source::Flag).unwrap();
        }
        logger(&settings)
    }

    /// A log that goes nowhere is found out in an emergency; it must be refused at the start.
    #[test]
    fn refusals() {
        for (values, error) in [
            (
                &[("logger", "capnslog")][..],
                "--logger=capnslog is removed in v3.5",
            ),
            (&[("logger", "foo")], "unknown logger option \"foo\""),
            (
                &[("log-outputs", "default,stderr")],
                "multi logoutput for \"default\" is not supported yet",
            ),
            (
                &[("log-format", "foo")],
                "unknown log format: foo, supported values json, console",
            ),
            (&[("log-level", "foo")], "unrecognized level: \"foo\""),
            (
                &[("enable-log-rotation", "true")],
                "--log-outputs requires a single file path when --log-rotate-config-json is defined",
            ),
            (
                &[("log-outputs", "/nowhere/x/y")],
                "open /nowhere/x/y: no such file or directory",
            ),
        ] {
            assert_eq!(with(values).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn outputs() {
        let outputs = |text: &str| with(&[("log-outputs", text)]).unwrap().0.outputs.len();
        assert_eq!(outputs("stderr,stdout"), 2);
        assert_eq!(outputs("stderr,/dev/null"), 0);
        assert_eq!(outputs(""), 1);
    }
}
