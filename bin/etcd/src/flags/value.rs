//! What flags can hold, and how each kind reads its text.

use crate::gates::{GateError, Gates};
use notation::duration::GoDuration;
use notation::number::{self, NumberError};
use notation::quote::quote;
use notation::url::{Url, UrlError};

/// What a flag holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A truth value.
    Bool,
    /// A signed number of 64 bits, called `int`.
    Int,
    /// The same, called `int64`.
    Int64,
    /// An unsigned number of 64 bits, called `uint`.
    Uint,
    /// The same, called `uint64`.
    Uint64,
    /// An unsigned number of 32 bits.
    Uint32,
    /// A duration.
    Duration,
    /// URLs; at least one.
    Urls,
    /// URLs, or none.
    UrlsOrNone,
    /// Origins of web pages, or `*`.
    Origins,
    /// A list between commas, in its order.
    List,
    /// A list between commas, as a sorted set.
    Set,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Some of these words, between commas.
    Choices(&'static [&'static str]),
    /// Feature gates.
    Gates,
}

/// What a flag was set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Text, also of a choice.
    Text(String),
    /// A truth value.
    Bool(bool),
    /// A signed number.
    Int(i64),
    /// An unsigned number.
    Uint(u64),
    /// A duration.
    Duration(GoDuration),
    /// URLs, sorted.
    Urls(Vec<Url>),
    /// A list.
    List(Vec<String>),
    /// Feature gates that were named.
    Gates(Gates),
}

/// Why a text is no value of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    /// A truth value or duration that does not look like one.
    #[error("parse error")]
    Syntax,
    /// A number.
    #[error("{}", .0.in_brief())]
    Number(#[from] NumberError),
    /// A number of 32 bits, which names the text once more.
    #[error(transparent)]
    Uint32(NumberError),
    /// No word of the choice.
    #[error("invalid value")]
    Choice,
    /// No word of several choices.
    #[error("invalid value {}", quote(.0))]
    Choices(String),
    /// A URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A feature gate.
    #[error(transparent)]
    Gate(#[from] GateError),
}

impl Kind {
    /// Reads a value as flags and environment variables write it.
    pub(crate) fn parse(self, text: &str) -> Result<Value, ValueError> {
        Ok(match self {
            Self::Text => Value::Text(text.to_owned()),
            Self::Bool => Value::Bool(number::parse_bool(text).map_err(|_| ValueError::Syntax)?),
            Self::Int | Self::Int64 => Value::Int(number::parse_int(text, 0)?),
            Self::Uint | Self::Uint64 => Value::Uint(number::parse_uint(text, 0)?),
            Self::Uint32 => Value::Uint(
                number::parse_uint32(text, 0)
                    .map_err(ValueError::Uint32)?
                    .into(),
            ),
            Self::Duration => {
                Value::Duration(GoDuration::parse(text).map_err(|_| ValueError::Syntax)?)
            }
            Self::UrlsOrNone if text.is_empty() => Value::Urls(Vec::new()),
            Self::Urls | Self::UrlsOrNone => Value::Urls(Url::parse_list(text)?),
            Self::Origins => Value::List(origins(text)?),
            Self::List => Value::List(list(text)),
            Self::Set => Value::List(set(text)),
            Self::Choice(words) => {
                let known = words.contains(&text);
                Value::Text(known.then(|| text.to_owned()).ok_or(ValueError::Choice)?)
            }
            Self::Choices(words) => {
                let chosen = list(text);
                let is_unknown = |word: &&String| !words.contains(&word.as_str());
                match chosen.iter().find(is_unknown) {
                    Some(word) => return Err(ValueError::Choices(word.clone())),
                    None => Value::List(chosen),
                }
            }
            Self::Gates => Value::Gates(Gates::parse(text)?),
        })
    }
}

fn origins(text: &str) -> Result<Vec<String>, UrlError> {
    if text == "*" {
        return Ok(vec![text.to_owned()]);
    }
    Ok(Url::parse_list(text)?.iter().map(Url::to_string).collect())
}

fn list(text: &str) -> Vec<String> {
    match text {
        "" => Vec::new(),
        _ => text.split(',').map(str::to_owned).collect(),
    }
}

fn set(text: &str) -> Vec<String> {
    let mut words = list(text);
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts match the words of a refusal.
    #[test]
    fn refusals() {
        for (kind, text, error) in [
            (Kind::Bool, "maybe", "parse error"),
            (Kind::Uint, "abc", "parse error"),
            (Kind::Uint64, "18446744073709551616", "value out of range"),
            (Kind::Int, "0x8000000000000000", "value out of range"),
            (Kind::Duration, "5", "parse error"),
            (
                Kind::Uint32,
                "x",
                "strconv.ParseUint: parsing \"x\": invalid syntax",
            ),
            (
                Kind::Uint32,
                "4294967296",
                "strconv.ParseUint: parsing \"4294967296\": value out of range",
            ),
            (Kind::Choice(&["new"]), "old", "invalid value"),
            (
                Kind::Choices(&["gone"]),
                "gone,foo",
                "invalid value \"foo\"",
            ),
            (
                Kind::Urls,
                "",
                "URL scheme must be http, https, unix, or unixs: ",
            ),
            (
                Kind::Origins,
                "",
                "URL scheme must be http, https, unix, or unixs: ",
            ),
            (Kind::Gates, "Foo=true", "unrecognized feature gate: Foo"),
        ] {
            assert_eq!(kind.parse(text).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn lists() {
        let words = |words: &[&str]| Value::List(words.iter().map(|&word| word.into()).collect());
        assert_eq!(Kind::List.parse("b,a,b"), Ok(words(&["b", "a", "b"])));
        assert_eq!(Kind::Set.parse("b,a,b"), Ok(words(&["a", "b"])));
        assert_eq!(Kind::List.parse(""), Ok(words(&[])));
        assert_eq!(Kind::Origins.parse("*"), Ok(words(&["*"])));
        assert_eq!(Kind::UrlsOrNone.parse(""), Ok(Value::Urls(Vec::new())));
    }
}
