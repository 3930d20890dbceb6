//! The words of one command line as values.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use notation::quote::quote;

use crate::parse::FlagError;

/// The value of one flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A switch.
    Bool(bool),
    /// A number that may be negative.
    Int(i64),
    /// A number.
    Uint(u64),
    /// A text.
    Text(String),
    /// A duration; a negative one is zero.
    Duration(Duration),
    /// A list.
    List(Vec<String>),
}

/// Flags with their values, and the operands.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// What the flags are set to, all of them.
    pub values: BTreeMap<&'static str, Value>,
    /// Which were given.
    pub changed: BTreeSet<&'static str>,
    /// The operands; keys and values may be any bytes.
    pub operands: Vec<Bytes>,
    /// How many operands stood before `--`, if it was there.
    pub dash: Option<usize>,
}

/// Getters ask for flags that their command declares, with the kind that it declares.
macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident, $variant:ident -> $type:ty;)*) => {
        $($(#[$doc])*
        pub fn $name(&self, name: &str) -> $type {
            match self.values.get(name) {
                Some(Value::$variant(value)) => value.clone(),
                _ => Default::default(),
            }
        })*
    };
}

impl Arguments {
    getters! {
        /// A switch.
        bool, Bool -> bool;
        /// A number that may be negative.
        int, Int -> i64;
        /// A number.
        uint, Uint -> u64;
        /// A duration.
        duration, Duration -> Duration;
        /// A list.
        list, List -> Vec<String>;
    }

    /// A text.
    pub fn text(&self, name: &str) -> String {
        self.str(name).to_owned()
    }

    /// A text, as it lies here.
    pub fn str(&self, name: &str) -> &str {
        match self.values.get(name) {
            Some(Value::Text(value)) => value,
            _ => "",
        }
    }

    /// Whether the flag was given, even with its default value.
    pub fn is_changed(&self, name: &str) -> bool {
        self.changed.contains(name)
    }

    /// Whether all of these were given.
    ///
    /// # Errors
    /// [`FlagError::Missing`] with those that were not.
    pub fn require(&self, names: &[&str]) -> Result<(), FlagError> {
        let is_missing = |name: &&&str| !self.is_changed(name);
        let missing: Vec<String> = names.iter().filter(is_missing).map(quote).collect();
        match missing.is_empty() {
            true => Ok(()),
            false => Err(FlagError::Missing(missing.join(", "))),
        }
    }

    /// An operand as text.
    pub fn operand(&self, at: usize) -> Option<String> {
        let operand = self.operands.get(at)?;
        Some(String::from_utf8_lossy(operand).into_owned())
    }
}
