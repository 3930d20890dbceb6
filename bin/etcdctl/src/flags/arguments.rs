//! The words of one command line as values.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

/// The value of one flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Text(String),
    Duration(Duration),
    List(Vec<String>),
}

/// Flags with their values, and the operands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) values: BTreeMap<&'static str, Value>,
    pub(crate) changed: BTreeSet<&'static str>,
    /// The operands; keys and values may be any bytes.
    pub(crate) operands: Vec<Bytes>,
    /// How many operands stood before `--`, if it was there.
    pub(crate) dash: Option<usize>,
}

/// Getters ask for flags that their command declares, with the kind that it declares.
macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident, $variant:ident -> $type:ty;)*) => {
        $($(#[$doc])*
        pub(crate) fn $name(&self, name: &str) -> $type {
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
        /// A text.
        text, Text -> String;
        /// A duration.
        duration, Duration -> Duration;
        /// A list.
        list, List -> Vec<String>;
    }

    /// Whether the flag was given, even with its default value.
    pub(crate) fn is_changed(&self, name: &str) -> bool {
        self.changed.contains(name)
    }

    /// An operand as text.
    pub(crate) fn operand(&self, at: usize) -> Option<String> {
        let operand = self.operands.get(at)?;
        Some(String::from_utf8_lossy(operand).into_owned())
    }
}
