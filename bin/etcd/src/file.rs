//! The configuration file: YAML or JSON, in the types that etcd declares for its keys.
//!
//! Keys are matched without regard to case and unknown ones are ignored. A file replaces all flags
//! and variables: it starts from the defaults.

mod decode;
mod place;
pub(crate) mod yaml;

use std::io;

use self::decode::{Decoded, TypeError};
use self::place::Place;
use self::yaml::YamlError;
use crate::failure::GoIo;
use crate::flags::settings::{Settings, Source};
use crate::flags::table::{self, Flag};
use crate::flags::value::{Kind, Value, ValueError};
use notation::quote::quote;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It cannot be read.
    #[error("{step} {path}: {}", GoIo(source))]
    Read {
        /// Opening it, or what follows.
        step: &'static str,
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is no YAML.
    #[error("error converting YAML to JSON: {0}")]
    Yaml(#[from] YamlError),
    /// A value has another type than its key.
    #[error("error unmarshaling JSON: while decoding JSON: json: {0}")]
    Type(#[from] TypeError),
    /// A URL.
    #[error("unexpected error setting up {key}: {reason}")]
    Url {
        /// The key.
        key: &'static str,
        /// Why.
        reason: ValueError,
    },
    /// Neither new nor existing.
    #[error("unexpected clusterState {}", quote(.0))]
    ClusterState(String),
    /// Another text that is no value of its kind.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// Any of these, and where in the file; etcd says only what.
    #[error("{error} ({place})")]
    At {
        /// What is wrong.
        error: Box<FileError>,
        /// Line and key.
        place: Place,
    },
}

impl FileError {
    /// Whether etcd says it in a plain line.
    pub(crate) fn is_plain(&self) -> bool {
        match self {
            Self::Url { .. } => true,
            Self::At { error, .. } => error.is_plain(),
            _ => false,
        }
    }
}

/// Settings as a file has them.
pub(crate) fn load(path: &str) -> Result<Settings, FileError> {
    let text = std::fs::read_to_string(path).map_err(|source| FileError::Read {
        step: match source.kind() {
            io::ErrorKind::IsADirectory => "read",
            _ => "open",
        },
        path: path.to_owned(),
        source,
    })?;
    read(&text)
}

/// Settings as the text of a file has them.
pub(crate) fn read(text: &str) -> Result<Settings, FileError> {
    let document = yaml::parse(text)?;
    let at = |path: &str, error: FileError| match Place::of(path, text) {
        Some(place) => FileError::At {
            error: Box::new(error),
            place,
        },
        None => error,
    };
    let mut settings = Settings::default();
    let decoded = decode::decode(&document);
    for (flag, value) in decoded.map_err(|error| at(&error.path.clone(), error.into()))? {
        let path = flag.file_path().unwrap_or_default().join(".");
        if let Some(value) = convert(flag, value).map_err(|error| at(&path, error))? {
            settings.set(flag.name, value, Source::File);
        }
    }
    if settings.uint("self-signed-cert-validity") == 0 {
        settings.set("self-signed-cert-validity", Value::Uint(1), Source::File);
    }
    Ok(settings)
}

/// What a decoded value means for its flag; nothing when it leaves the default.
fn convert(flag: &Flag, value: Decoded) -> Result<Option<Value>, FileError> {
    let text = match value {
        Decoded::Text(text) => text,
        Decoded::Value(value) => return Ok(Some(value)),
    };
    match flag.kind {
        Kind::Text => Ok(Some(Value::Text(text))),
        _ if text.is_empty() => Ok(None),
        Kind::Choice(_) => {
            let parsed = flag.kind.parse(&text);
            parsed.map(Some).map_err(|_| FileError::ClusterState(text))
        }
        Kind::Urls | Kind::UrlsOrNone | Kind::Origins => {
            let parsed = flag.kind.parse(&text);
            parsed.map(Some).map_err(|reason| FileError::Url {
                key: named(flag),
                reason,
            })
        }
        // Not even looked at.
        Kind::Choices(_) => Ok(None),
        kind => Ok(Some(kind.parse(&text)?)),
    }
}

/// What etcd calls the key when its value is refused; one name is wrong there, and matched on.
fn named(flag: &Flag) -> &'static str {
    match flag.name {
        "advertise-client-urls" => "advertise-peer-urls",
        name => name,
    }
}

/// The flags that a file can set.
fn settable() -> impl Iterator<Item = (&'static Flag, Vec<&'static str>)> {
    table::all().filter_map(|flag| Some((flag, flag.file_path()?)))
}

#[cfg(test)]
mod tests;
