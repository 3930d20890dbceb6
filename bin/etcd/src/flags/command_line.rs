//! The command line, in the grammar of Go's `flag` package: one or two dashes, `-name value` or
//! `-name=value`, truth values only after `=`; the first word that is no flag ends it.

use super::settings::{Settings, Source};
use super::table::{self, Flag};
use super::value::{Kind, ValueError};
use notation::quote::quote;

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// The help text.
    Help,
    /// To run with these settings; `leftover` is the first word that is no flag.
    Run {
        /// What the flags say.
        settings: Box<Settings>,
        /// The first word that is no flag.
        leftover: Option<String>,
    },
}

/// Why a command line cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SyntaxError {
    /// Dashes or `=` where the name should be.
    #[error("bad flag syntax: {0}")]
    BadSyntax(String),
    /// No such flag.
    #[error("flag provided but not defined: -{0}")]
    Undefined(String),
    /// The command line ends before the value.
    #[error("flag needs an argument: -{0}")]
    NoValue(String),
    /// The value is none of the flag's kind.
    #[error("invalid value {} for flag -{name}: {reason}", quote(value))]
    Invalid {
        /// The flag.
        name: String,
        /// Its value.
        value: String,
        /// Why.
        reason: ValueError,
    },
    /// The value is no truth value.
    #[error("invalid boolean value {} for -{name}: {reason}", quote(value))]
    InvalidBool {
        /// The flag.
        name: String,
        /// Its value.
        value: String,
        /// Why.
        reason: ValueError,
    },
}

/// What a name means.
enum Known {
    Flag(&'static Flag),
    Ignored,
    Help,
}

/// Reads the words after the program's name.
pub(crate) fn parse(words: &[String]) -> Result<Asked, SyntaxError> {
    let mut settings = Settings::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            let leftover = rest.next().cloned();
            return Ok(run(settings, leftover));
        }
        if word.len() < 2 || !word.starts_with('-') {
            return Ok(run(settings, Some(word.clone())));
        }
        let (name, value) = split(word)?;
        match known(name)? {
            Known::Help => return Ok(Asked::Help),
            Known::Ignored => {}
            Known::Flag(flag) if flag.kind == Kind::Bool => {
                set_bool(&mut settings, flag, value.unwrap_or("true"))?;
            }
            Known::Flag(flag) => {
                let value = value.or_else(|| rest.next().map(String::as_str));
                let value = value.ok_or_else(|| SyntaxError::NoValue(name.to_owned()))?;
                set(&mut settings, flag, value)?;
            }
        }
    }
    Ok(run(settings, None))
}

fn run(settings: Settings, leftover: Option<String>) -> Asked {
    let settings = Box::new(settings);
    Asked::Run { settings, leftover }
}

/// A flag's name, and its value if it stands in the same word.
fn split(word: &str) -> Result<(&str, Option<&str>), SyntaxError> {
    let body = word.strip_prefix("--").unwrap_or(&word[1..]);
    if body.is_empty() || body.starts_with(['-', '=']) {
        return Err(SyntaxError::BadSyntax(word.to_owned()));
    }
    Ok(match body.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (body, None),
    })
}

fn known(name: &str) -> Result<Known, SyntaxError> {
    match table::find(name) {
        Some(flag) => Ok(Known::Flag(flag)),
        None if table::IGNORED.contains(&name) => Ok(Known::Ignored),
        None if matches!(name, "h" | "help") => Ok(Known::Help),
        None => Err(SyntaxError::Undefined(name.to_owned())),
    }
}

fn set(settings: &mut Settings, flag: &Flag, value: &str) -> Result<(), SyntaxError> {
    let set = settings.parse(flag, value, Source::Flag);
    set.map_err(|reason| SyntaxError::Invalid {
        name: flag.name.to_owned(),
        value: value.to_owned(),
        reason,
    })
}

fn set_bool(settings: &mut Settings, flag: &Flag, value: &str) -> Result<(), SyntaxError> {
    let set = settings.parse(flag, value, Source::Flag);
    set.map_err(|reason| SyntaxError::InvalidBool {
        name: flag.name.to_owned(),
        value: value.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn settings(line: &str) -> (Settings, Option<String>) {
        match parse(&words(line)).unwrap() {
            Asked::Run { settings, leftover } => (*settings, leftover),
            Asked::Help => panic!("help"),
        }
    }

    /// Unit files written for etcd use all of these forms.
    #[test]
    fn forms() {
        for line in [
            "-name x",
            "--name x",
            "-name=x",
            "--name=x",
            "--name y --name x",
        ] {
            assert_eq!(settings(line).0.text("name"), "x", "{line}");
        }
        assert!(!settings("-pre-vote=false").0.is_on("pre-vote"));
        assert!(
            settings("--unsafe-no-fsync --name x")
                .0
                .is_on("unsafe-no-fsync")
        );
        assert_eq!(settings("--max-txn-ops 0x10").0.uint("max-txn-ops"), 16);
        assert_eq!(settings("--force --vv=9 --name x").0.text("name"), "x");
        assert_eq!(settings("--name=").0.text("name"), "");
    }

    #[test]
    fn leftovers() {
        assert_eq!(
            settings("--name x extra --bogus").1.as_deref(),
            Some("extra")
        );
        assert_eq!(settings("--pre-vote false").1.as_deref(), Some("false"));
        assert_eq!(settings("-- --bogus").1.as_deref(), Some("--bogus"));
        assert_eq!(settings("-").1.as_deref(), Some("-"));
        assert_eq!(settings("--").1, None);
    }

    #[test]
    fn help() {
        for line in ["-h", "--help", "--name x -help"] {
            assert!(matches!(parse(&words(line)), Ok(Asked::Help)), "{line}");
        }
    }

    #[test]
    fn refusals() {
        for (line, error) in [
            ("-bogus", "flag provided but not defined: -bogus"),
            ("--discovery=x", "flag provided but not defined: -discovery"),
            (
                "--experimental-x",
                "flag provided but not defined: -experimental-x",
            ),
            ("-name", "flag needs an argument: -name"),
            ("---name x", "bad flag syntax: ---name"),
            ("--=x", "bad flag syntax: --=x"),
            (
                "--snapshot-count abc",
                "invalid value \"abc\" for flag -snapshot-count: parse error",
            ),
            (
                "--pre-vote=maybe",
                "invalid boolean value \"maybe\" for -pre-vote: parse error",
            ),
            (
                "--initial-cluster-state=foo",
                "invalid value \"foo\" for flag -initial-cluster-state: invalid value",
            ),
            (
                "--listen-client-urls foo",
                "invalid value \"foo\" for flag -listen-client-urls: URL scheme must be http, https, unix, or unixs: foo",
            ),
            (
                "--feature-gates Foo=true",
                "invalid value \"Foo=true\" for flag -feature-gates: unrecognized feature gate: Foo",
            ),
        ] {
            assert_eq!(parse(&words(line)).unwrap_err().to_string(), error);
        }
    }
}
