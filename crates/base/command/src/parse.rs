//! Words to values, with the habits of Go's flag library.
//!
//! Flags and operands may be mixed; `--` ends the flags. `--flag=value`, `--flag value`,
//! `-fvalue`, `-f=value` and `-f value` are the same; a switch takes a value only with `=`.

use bytes::Bytes;

use crate::arguments::{Arguments, Value};
use crate::spec::{Flag, Kind};
use notation::duration::GoDuration;
use notation::number;
use notation::quote::quote;

/// Why a command line was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// Nobody declared the flag.
    #[error("unknown flag: --{0}")]
    Unknown(String),
    /// Nobody declared the letter.
    #[error("unknown shorthand flag: {letter:?} in -{word}")]
    UnknownShort {
        /// The letter.
        letter: char,
        /// The word it stands in, without the dash.
        word: String,
    },
    /// A flag that takes a value is the last word.
    #[error("flag needs an argument: {0}")]
    NoValue(String),
    /// A word begins like a flag and is none.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// The value does not fit.
    #[error("invalid argument {} for \"{flag}\" flag: {reason}", quote(value.as_bytes()))]
    Invalid {
        /// The value as given.
        value: String,
        /// The flag's names.
        flag: String,
        /// What is wrong.
        reason: String,
    },
    /// Flags that must be given were not.
    #[error("required flag(s) {0} not set")]
    Missing(String),
    /// The words ask for help.
    #[error("pflag: help requested")]
    Help,
}

/// Reads `words` by the declared `flags`.
///
/// # Errors
/// [`FlagError`] in the words of Go, or when they ask for help.
pub fn parse(flags: &[Flag], words: &[Bytes]) -> Result<Arguments, FlagError> {
    let mut parser = Parser {
        flags,
        arguments: Arguments::default(),
    };
    for flag in flags {
        let value = parse_value(flag.kind, flag.default);
        // Defaults are constants, and a test reads them all.
        parser
            .arguments
            .values
            .extend(value.ok().map(|value| (flag.name, value)));
    }
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match &word[..] {
            b"--" => {
                parser.arguments.dash = Some(parser.arguments.operands.len());
                parser.arguments.operands.extend(words.by_ref().cloned());
            }
            [b'-', b'-', long @ ..] => parser.long(&text(long), &mut words)?,
            [b'-', letters @ ..] if !letters.is_empty() => {
                parser.letters(&text(letters), &mut words)?;
            }
            _ => parser.arguments.operands.push(word.clone()),
        }
    }
    Ok(parser.arguments)
}

struct Parser<'a> {
    flags: &'a [Flag],
    arguments: Arguments,
}

type Words<'a> = std::slice::Iter<'a, Bytes>;

impl Parser<'_> {
    fn long(&mut self, word: &str, words: &mut Words<'_>) -> Result<(), FlagError> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        if name.is_empty() || name.starts_with('-') {
            return Err(FlagError::Syntax(format!("--{word}")));
        }
        let flag = self.flags.iter().find(|flag| flag.name == name).copied();
        let Some(flag) = flag else {
            return Err(match name {
                "help" => FlagError::Help,
                _ => FlagError::Unknown(name.to_owned()),
            });
        };
        let value = match (value, flag.kind) {
            (Some(value), _) => value,
            (None, Kind::Bool) => "true".to_owned(),
            (None, _) => next(words).ok_or_else(|| FlagError::NoValue(format!("--{name}")))?,
        };
        self.set(flag, value)
    }

    /// Reads `-abc`: switches, of which the last letter may take the rest as its value.
    fn letters(&mut self, word: &str, words: &mut Words<'_>) -> Result<(), FlagError> {
        let mut rest = word;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            let flag = self
                .flags
                .iter()
                .find(|flag| flag.short == Some(letter))
                .copied();
            let Some(flag) = flag else {
                let word = word.to_owned();
                return Err(match letter {
                    'h' => FlagError::Help,
                    _ => FlagError::UnknownShort { letter, word },
                });
            };
            let value = match (rest.strip_prefix('='), flag.kind) {
                (Some(value), _) => value.to_owned(),
                (None, Kind::Bool) => {
                    self.set(flag, "true".to_owned())?;
                    continue;
                }
                (None, _) if !rest.is_empty() => rest.to_owned(),
                (None, _) => next(words)
                    .ok_or_else(|| FlagError::NoValue(format!("{letter:?} in -{word}")))?,
            };
            return self.set(flag, value);
        }
        Ok(())
    }

    fn set(&mut self, flag: Flag, text: String) -> Result<(), FlagError> {
        let value = parse_value(flag.kind, &text).map_err(|reason| FlagError::Invalid {
            value: text,
            flag: match flag.short {
                Some(letter) => format!("-{letter}, --{}", flag.name),
                None => format!("--{}", flag.name),
            },
            reason,
        })?;
        let first = self.arguments.changed.insert(flag.name);
        match (self.arguments.values.get_mut(flag.name), value) {
            (Some(Value::List(list)), Value::List(more)) if !first => list.extend(more),
            (_, value) => {
                self.arguments.values.insert(flag.name, value);
            }
        }
        Ok(())
    }
}

/// Reads one value, from the command line or the environment.
///
/// # Errors
/// What is wrong with it.
pub fn parse_value(kind: Kind, text: &str) -> Result<Value, String> {
    Ok(match kind {
        Kind::Bool => Value::Bool(number::parse_bool(text).map_err(|e| e.to_string())?),
        Kind::Int => Value::Int(number::parse_int(text, 0).map_err(|e| e.to_string())?),
        Kind::Uint => Value::Uint(number::parse_uint(text, 0).map_err(|e| e.to_string())?),
        Kind::Uint32 => {
            let value = number::parse_uint32(text, 0).map_err(|e| e.to_string())?;
            Value::Uint(value.into())
        }
        Kind::Text => Value::Text(text.to_owned()),
        Kind::Duration => {
            let parsed = GoDuration::parse(text).map_err(|e| e.to_string())?;
            // A negative one is nothing that this program could wait for.
            Value::Duration(parsed.positive().unwrap_or_default())
        }
        Kind::List if text.is_empty() => Value::List(Vec::new()),
        Kind::List => Value::List(text.split(',').map(str::to_owned).collect()),
    })
}

fn next(words: &mut Words<'_>) -> Option<String> {
    words.next().map(|word| text(word))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLAGS: &[Flag] = &[
        Flag::switch("prefix", ""),
        Flag::switch("interactive", "").short('i'),
        Flag::int("limit", "0", ""),
        Flag::text("write-out", "simple", "").short('w'),
        Flag::of("endpoints", Kind::List, "127.0.0.1:2379", ""),
        Flag::of("dial-timeout", Kind::Duration, "2s", ""),
    ];

    fn words(line: &str) -> Vec<Bytes> {
        let words = line.split_whitespace();
        words
            .map(|word| Bytes::copy_from_slice(word.as_bytes()))
            .collect()
    }

    fn check(line: &str) -> Result<Arguments, String> {
        parse(FLAGS, &words(line)).map_err(|error| error.to_string())
    }

    /// Every spelling that scripts for etcdctl use must mean the same.
    #[test]
    fn spellings_mean_the_same() {
        for line in [
            "-w json",
            "-wjson",
            "-w=json",
            "--write-out json",
            "--write-out=json",
        ] {
            assert_eq!(check(line).unwrap().text("write-out"), "json", "{line}");
        }
        let mixed = check("a --prefix b -iwjson -- --limit -x").unwrap();
        assert_eq!(mixed.operands, words("a b --limit -x"));
        assert_eq!(mixed.dash, Some(2));
        assert!(mixed.bool("prefix") && mixed.bool("interactive"));
        assert!(!check("--prefix --prefix=false").unwrap().bool("prefix"));
        let lists = check("--endpoints a,b --endpoints c").unwrap();
        assert_eq!(lists.list("endpoints"), ["a", "b", "c"]);
        assert_eq!(check("").unwrap().list("endpoints"), ["127.0.0.1:2379"]);
        assert!(check("--limit 0").unwrap().is_changed("limit"));
        assert_eq!(check("-").unwrap().operands, words("-"));
    }

    /// The first line of the error output is matched by scripts.
    #[test]
    fn errors_are_those_of_go() {
        for (line, message) in [
            ("--bogus", "unknown flag: --bogus"),
            ("-x", "unknown shorthand flag: 'x' in -x"),
            ("-5", "unknown shorthand flag: '5' in -5"),
            ("--limit", "flag needs an argument: --limit"),
            ("-w", "flag needs an argument: 'w' in -w"),
            ("---x", "bad flag syntax: ---x"),
            (
                "--limit abc",
                r#"invalid argument "abc" for "--limit" flag: strconv.ParseInt: parsing "abc": invalid syntax"#,
            ),
            (
                "--prefix=maybe",
                r#"invalid argument "maybe" for "--prefix" flag: strconv.ParseBool: parsing "maybe": invalid syntax"#,
            ),
            (
                "--dial-timeout abc",
                r#"invalid argument "abc" for "--dial-timeout" flag: time: invalid duration "abc""#,
            ),
        ] {
            assert_eq!(check(line).unwrap_err(), message);
        }
        assert_eq!(parse(FLAGS, &words("x -h")).unwrap_err(), FlagError::Help);
        assert_eq!(parse(FLAGS, &words("--help")).unwrap_err(), FlagError::Help);
    }

    proptest! {
        /// Keys and values are bytes; no word may make the parser panic or change an operand.
        #[test]
        fn operands_stay_as_they_are(values: Vec<Vec<u8>>) {
            let mut line = vec![Bytes::from_static(b"--")];
            line.extend(values.into_iter().map(Bytes::from));
            let parsed = parse(FLAGS, &line).unwrap();
            prop_assert_eq!(&parsed.operands[..], &line[1..]);
            let _ = parse(FLAGS, &line[1..]);
        }
    }
}
