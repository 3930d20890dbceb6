//! What all flags are set to, and by whom.

use std::collections::BTreeMap;

use super::table::{self, Flag};
use super::value::{Value, ValueError};
use crate::gates::Gates;
use notation::duration::GoDuration;
use notation::url::Url;

/// Who set a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody.
    Default,
    /// The command line.
    Flag,
    /// The environment.
    Environment,
    /// The configuration file.
    File,
    /// This program, from other settings.
    Derived,
}

/// The value of every flag of the table.
///
/// The getters are called with the names of the table; a test calls them all, so that a name or a
/// kind that is wrong in the code is found there.
#[derive(Clone, Debug)]
pub(crate) struct Settings(BTreeMap<&'static str, (Value, Source)>);

impl Default for Settings {
    fn default() -> Self {
        Self(
            table::all()
                .map(|flag| (flag.name, (default(flag), Source::Default)))
                .collect(),
        )
    }
}

/// The value of a flag that nobody set.
pub(crate) fn default(flag: &Flag) -> Value {
    let value = flag.kind.parse(flag.default);
    value.expect("the table's defaults are values of their kinds")
}

impl Settings {
    /// Reads `text` as the flag's new value.
    pub(crate) fn parse(
        &mut self,
        flag: &Flag,
        text: &str,
        source: Source,
    ) -> Result<(), ValueError> {
        let mut value = flag.kind.parse(text)?;
        // The one flag that adds up when it is repeated.
        if flag.name == "v2-deprecation" && self.source(flag.name) == source {
            let mut words = self.list(flag.name).to_vec();
            if let Value::List(more) = value {
                words.extend(more);
            }
            value = Value::List(words);
        }
        self.set(flag.name, value, source);
        Ok(())
    }

    /// Gives the flag a value.
    pub(crate) fn set(&mut self, name: &str, value: Value, source: Source) {
        let flag = table::find(name).expect("settings have names of the table");
        self.0.insert(flag.name, (value, source));
    }

    /// The value of a flag.
    pub(crate) fn get(&self, name: &str) -> &Value {
        &self.entry(name).0
    }

    /// Who set it.
    pub(crate) fn source(&self, name: &str) -> Source {
        self.entry(name).1
    }

    /// Whether a user set it.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        matches!(
            self.source(name),
            Source::Flag | Source::Environment | Source::File
        )
    }

    fn entry(&self, name: &str) -> &(Value, Source) {
        self.0.get(name).expect("settings have names of the table")
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Value::Text(text) => text,
            other => unfit(name, other),
        }
    }

    /// A truth value.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        match self.get(name) {
            Value::Bool(on) => *on,
            other => unfit(name, other),
        }
    }

    /// A signed number.
    pub(crate) fn int(&self, name: &str) -> i64 {
        match self.get(name) {
            Value::Int(number) => *number,
            other => unfit(name, other),
        }
    }

    /// An unsigned number.
    pub(crate) fn uint(&self, name: &str) -> u64 {
        match self.get(name) {
            Value::Uint(number) => *number,
            other => unfit(name, other),
        }
    }

    /// An unsigned number as a size.
    pub(crate) fn size(&self, name: &str) -> usize {
        usize::try_from(self.uint(name)).unwrap_or(usize::MAX)
    }

    /// A duration.
    pub(crate) fn duration(&self, name: &str) -> GoDuration {
        match self.get(name) {
            Value::Duration(duration) => *duration,
            other => unfit(name, other),
        }
    }

    /// URLs.
    pub(crate) fn urls(&self, name: &str) -> &[Url] {
        match self.get(name) {
            Value::Urls(urls) => urls,
            other => unfit(name, other),
        }
    }

    /// URLs as texts.
    pub(crate) fn url_texts(&self, name: &str) -> Vec<String> {
        self.urls(name).iter().map(Url::to_string).collect()
    }

    /// A list.
    pub(crate) fn list(&self, name: &str) -> &[String] {
        match self.get(name) {
            Value::List(words) => words,
            other => unfit(name, other),
        }
    }

    /// The feature gates.
    pub(crate) fn gates(&self) -> &Gates {
        match self.get("feature-gates") {
            Value::Gates(gates) => gates,
            other => unfit("feature-gates", other),
        }
    }
}

fn unfit(name: &str, value: &Value) -> ! {
    panic!("the flag {name} is not read as the kind that it has: {value:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last word counts, except for the one flag that etcd lets add up.
    #[test]
    fn repeated() {
        let mut settings = Settings::default();
        let mut set = |name: &str, text: &str| {
            let flag = table::find(name).unwrap();
            settings.parse(flag, text, Source::Flag).unwrap();
        };
        set("name", "a");
        set("name", "b");
        set("v2-deprecation", "gone");
        set("v2-deprecation", "write-only");
        assert_eq!(settings.text("name"), "b");
        assert_eq!(settings.list("v2-deprecation"), ["gone", "write-only"]);
        assert!(settings.is_set("name") && !settings.is_set("data-dir"));
    }
}
