//! GNU flags of the sub-commands: `--name value`, `--name=value`, in the words of Go's pflag.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::notation::duration::GoDuration;
use crate::notation::number;
use crate::notation::quote::quote;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing, or `=true` and `=false`.
    Bool,
    /// Any text.
    Text,
    /// Texts between commas; several flags add up.
    List,
    /// A duration in Go's notation.
    Duration,
    /// A signed number.
    Int,
    /// An unsigned number.
    Uint,
    /// An unsigned number of 32 bits.
    Uint32,
}

impl Kind {
    /// The word that stands for the value in the help, and in messages.
    fn word(self) -> &'static str {
        match self {
            Self::Bool => "",
            Self::Text => "string",
            Self::List => "strings",
            Self::Duration => "duration",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Uint32 => "uint32",
        }
    }
}

/// A flag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
}

/// Why the words of a command line were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlagError {
    /// No such flag.
    #[error("unknown flag: --{0}")]
    Unknown(String),
    /// No such letter.
    #[error("unknown shorthand flag: '{letter}' in -{word}")]
    UnknownLetter {
        /// The letter.
        letter: char,
        /// The letters that it stands among.
        word: String,
    },
    /// A dash and nothing that could be a name.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// The last word is a flag that wants a value.
    #[error("flag needs an argument: --{0}")]
    NoArgument(&'static str),
    /// A value that the flag cannot take.
    #[error("invalid argument {} for \"--{name}\" flag: {reason}", quote(value))]
    Value {
        /// The flag.
        name: &'static str,
        /// The value.
        value: String,
        /// Why.
        reason: String,
    },
}

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// The help.
    Help,
    /// The command with these values.
    Run(Values),
}

/// The values of all flags.
#[derive(Debug)]
pub(crate) struct Values {
    values: BTreeMap<&'static str, Vec<String>>,
}

/// Reads the words behind the command. Words that are no flags have no meaning here, as in etcd.
pub(crate) fn parse(flags: &[Flag], words: &[String]) -> Result<Asked, FlagError> {
    let mut values = BTreeMap::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            continue;
        };
        let Some(name) = name.strip_prefix('-') else {
            if name == "h" {
                return Ok(Asked::Help);
            }
            let letter = name.chars().next().unwrap_or_default();
            let word = name.to_owned();
            return Err(FlagError::UnknownLetter { letter, word });
        };
        if name.is_empty() {
            break;
        }
        if name.starts_with(['-', '=']) {
            return Err(FlagError::Syntax(word.clone()));
        }
        let (name, given) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        if name == "help" {
            return Ok(Asked::Help);
        }
        let flag = flags.iter().find(|flag| flag.name == name);
        let flag = flag.ok_or_else(|| FlagError::Unknown(name.to_owned()))?;
        let value = match (given, flag.kind) {
            (Some(value), _) => value,
            (None, Kind::Bool) => "true".to_owned(),
            (None, _) => words
                .next()
                .cloned()
                .ok_or(FlagError::NoArgument(flag.name))?,
        };
        check(flag, &value)?;
        let all: &mut Vec<String> = values.entry(flag.name).or_default();
        if flag.kind != Kind::List {
            all.clear();
        }
        all.push(value);
    }
    for flag in flags {
        values
            .entry(flag.name)
            .or_insert_with(|| vec![flag.default.to_owned()]);
    }
    Ok(Asked::Run(Values { values }))
}

fn check(flag: &Flag, value: &str) -> Result<(), FlagError> {
    let number = |function: &str, outcome: Result<(), number::NumberError>| {
        let because = |error| match error {
            number::NumberError::Syntax => "invalid syntax",
            number::NumberError::Range => "value out of range",
        };
        outcome.map_err(|error| {
            format!(
                "strconv.{function}: parsing {}: {}",
                quote(value),
                because(error)
            )
        })
    };
    let outcome = match flag.kind {
        Kind::Text | Kind::List => Ok(()),
        Kind::Bool => number(
            "ParseBool",
            number::truth(value)
                .map(drop)
                .ok_or(number::NumberError::Syntax),
        ),
        Kind::Duration => match GoDuration::parse(value) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        },
        Kind::Int => number("ParseInt", number::signed(value).map(drop)),
        Kind::Uint => number("ParseUint", number::unsigned(value).map(drop)),
        Kind::Uint32 => {
            let narrow = |wide| u32::try_from(wide).map_err(|_| number::NumberError::Range);
            number(
                "ParseUint",
                number::unsigned(value).and_then(narrow).map(drop),
            )
        }
    };
    outcome.map_err(|reason| FlagError::Value {
        name: flag.name,
        value: value.to_owned(),
        reason,
    })
}

impl Values {
    /// The text of a flag.
    pub(crate) fn text(&self, name: &str) -> &str {
        let all = self.values.get(name).and_then(|all| all.last());
        all.map_or("", String::as_str)
    }

    /// The texts of a list, without empty ones.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let all = self.values.get(name).into_iter().flatten();
        all.flat_map(|texts| texts.split(','))
            .filter(|text| !text.is_empty())
            .map(ToOwned::to_owned)
            .collect()
    }

    /// Whether a switch is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        number::truth(self.text(name)).unwrap_or_default()
    }

    /// The time of a duration that is positive.
    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        GoDuration::parse(self.text(name)).ok()?.positive()
    }

    /// The value of a signed number.
    pub(crate) fn int(&self, name: &str) -> i64 {
        number::signed(self.text(name)).unwrap_or_default()
    }

    /// The value of an unsigned number.
    pub(crate) fn uint(&self, name: &str) -> u64 {
        number::unsigned(self.text(name)).unwrap_or_default()
    }
}

/// The usage of a command, with all flags in the order of their names.
pub(crate) fn usage(command: &str, flags: &[Flag]) -> String {
    let mut rows: Vec<(String, String)> = flags.iter().map(row).collect();
    rows.push(("  -h, --help".to_owned(), "help for start".to_owned()));
    rows.sort_by(|a, b| {
        a.0.trim_start_matches("  -h, ")
            .trim_start()
            .cmp(b.0.trim_start())
    });
    let width = rows.iter().map(|(flag, _)| flag.len()).max().unwrap_or(0);
    let rows: String = rows
        .into_iter()
        .map(|(flag, help)| format!("{flag:width$}   {help}\n"))
        .collect();
    format!("Usage:\n  {command} [flags]\n\nFlags:\n{rows}")
}

fn row(flag: &Flag) -> (String, String) {
    let word = flag.kind.word();
    let named = format!("      --{} {word}", flag.name);
    let default = match (flag.kind, flag.default) {
        (_, "")
        | (Kind::Bool, "false")
        | (Kind::Int | Kind::Uint, "0")
        | (Kind::Duration, "0s") => String::new(),
        (Kind::Text, default) => format!(" (default {})", quote(default)),
        (Kind::List, default) => format!(" (default [{default}])"),
        (_, default) => format!(" (default {default})"),
    };
    (
        named.trim_end().to_owned(),
        format!("{}{default}", flag.help),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        Flag {
            name: "text",
            kind: Kind::Text,
            default: "a",
            help: "A text.",
        },
        Flag {
            name: "list",
            kind: Kind::List,
            default: "a,b",
            help: "Texts.",
        },
        Flag {
            name: "on",
            kind: Kind::Bool,
            default: "false",
            help: "A switch.",
        },
        Flag {
            name: "time",
            kind: Kind::Duration,
            default: "1m0s",
            help: "A time.",
        },
        Flag {
            name: "count",
            kind: Kind::Uint32,
            default: "7",
            help: "A number.",
        },
    ];

    fn parsed(line: &str) -> Result<Asked, FlagError> {
        let words: Vec<String> = line.split_whitespace().map(ToOwned::to_owned).collect();
        parse(FLAGS, &words)
    }

    fn values(line: &str) -> Values {
        match parsed(line).unwrap() {
            Asked::Run(values) => values,
            Asked::Help => panic!("help"),
        }
    }

    /// A unit file must mean here what it means to etcd.
    #[test]
    fn words() {
        let defaults = values("");
        assert_eq!(defaults.text("text"), "a");
        assert_eq!(defaults.list("list"), ["a", "b"]);
        assert_eq!(defaults.duration("time"), Some(Duration::from_secs(60)));
        assert_eq!(defaults.uint("count"), 7);
        let given = values("x --text=1 --text 2 --list c,d --list=e --on --time 0 -- --bogus");
        assert_eq!(given.text("text"), "2");
        assert_eq!(given.list("list"), ["c", "d", "e"]);
        assert!(given.is_on("on"));
        assert_eq!(given.duration("time"), None);
        assert!(!values("--on=false").is_on("on"));
        assert!(matches!(parsed("--on -h").unwrap(), Asked::Help));
    }

    #[test]
    fn refusals() {
        for (line, text) in [
            ("--bogus=1", "unknown flag: --bogus"),
            ("-x", "unknown shorthand flag: 'x' in -x"),
            ("--=x", "bad flag syntax: --=x"),
            ("--text", "flag needs an argument: --text"),
            (
                "--on=maybe",
                "invalid argument \"maybe\" for \"--on\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
            ),
            (
                "--time 5",
                "invalid argument \"5\" for \"--time\" flag: time: missing unit in duration \"5\"",
            ),
            (
                "--count 4294967296",
                "invalid argument \"4294967296\" for \"--count\" flag: strconv.ParseUint: parsing \"4294967296\": value out of range",
            ),
        ] {
            assert_eq!(parsed(line).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn help() {
        let text = usage("etcd x start", FLAGS);
        assert!(text.starts_with("Usage:\n  etcd x start [flags]\n\nFlags:\n      --count uint32    A number. (default 7)\n  -h, --help            help for start\n"), "{text}");
        assert!(
            text.ends_with("      --time duration   A time. (default 1m0s)\n"),
            "{text}"
        );
    }
}
