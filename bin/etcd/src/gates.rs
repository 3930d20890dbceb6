//! Feature gates: parts of a member that can be switched by name.

use std::collections::BTreeMap;

use server::Feature;

use crate::notation::number;
use crate::notation::quote::quote;

/// How settled a gate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Off unless it is asked for.
    Alpha,
    /// On unless it is refused.
    Beta,
}

/// One gate.
struct Gate {
    name: &'static str,
    stage: Stage,
    default: bool,
    effect: GateEffect,
}

/// What switching a gate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GateEffect {
    /// It stands for all gates of its stage.
    Group,
    /// It is honoured, or what it asks for holds either way.
    Harmless,
    /// On is refused.
    NotBuilt,
}

const fn gate(name: &'static str, stage: Stage, default: bool, effect: GateEffect) -> Gate {
    Gate {
        name,
        stage,
        default,
        effect,
    }
}

/// All gates. `FastLeaseKeepAlive` holds either way, since renewals never wait for entries to be
/// applied; `TxnModeWriteWithSharedBuffer`, since reads never copy the write buffer;
/// `StopGRPCServiceOnDefrag`, since defragmentation blocks nobody; `PriorityRequest`, since
/// a revocation that is refused under load is tried again; `SetMemberLocalAddr`, since the system
/// chooses the source of connections to peers.
const GATES: &[Gate] = &[
    gate("AllAlpha", Stage::Alpha, false, GateEffect::Group),
    gate("AllBeta", Stage::Beta, false, GateEffect::Group),
    gate(
        "CompactHashCheck",
        Stage::Alpha,
        false,
        GateEffect::Harmless,
    ),
    gate(
        "FastLeaseKeepAlive",
        Stage::Beta,
        true,
        GateEffect::Harmless,
    ),
    gate(
        "InitialCorruptCheck",
        Stage::Alpha,
        false,
        GateEffect::Harmless,
    ),
    gate(CHECKPOINT, Stage::Alpha, false, GateEffect::NotBuilt),
    gate(
        CHECKPOINT_PERSIST,
        Stage::Alpha,
        false,
        GateEffect::NotBuilt,
    ),
    gate("PriorityRequest", Stage::Alpha, false, GateEffect::Harmless),
    gate(
        "SetMemberLocalAddr",
        Stage::Alpha,
        false,
        GateEffect::Harmless,
    ),
    gate(
        "StopGRPCServiceOnDefrag",
        Stage::Alpha,
        false,
        GateEffect::Harmless,
    ),
    gate(
        "TxnModeWriteWithSharedBuffer",
        Stage::Beta,
        true,
        GateEffect::Harmless,
    ),
];

const CHECKPOINT: &str = "LeaseCheckpoint";
const CHECKPOINT_PERSIST: &str = "LeaseCheckpointPersist";

/// The gates that were named, with what they were set to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gates(BTreeMap<&'static str, bool>);

/// Why gates cannot be set so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GateError {
    /// No gate has that name.
    #[error("unrecognized feature gate: {0}")]
    Unknown(String),
    /// Nothing follows the name.
    #[error("missing bool value for {0}")]
    NoValue(String),
    /// What follows the name is no truth value.
    #[error(
        "invalid value of {name}={value}, err: strconv.ParseBool: parsing {}: invalid syntax",
        quote(value)
    )]
    NotABool {
        /// The gate.
        name: String,
        /// The text.
        value: String,
    },
    /// Persisting asks for something to persist.
    #[error(
        "enabling feature gate {CHECKPOINT_PERSIST} requires enabling feature gate {CHECKPOINT}"
    )]
    NothingToPersist,
    /// The part does not exist yet.
    #[error("feature gate {0} is not built yet")]
    NotBuilt(&'static str),
}

impl Gates {
    /// Reads `Name=true,Name=false`.
    pub(crate) fn parse(text: &str) -> Result<Self, GateError> {
        let mut gates = Self::default();
        let parts = text.split(',').map(str::trim);
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim(), value.trim());
            if !part.contains('=') {
                return Err(GateError::NoValue(name.to_owned()));
            }
            let on = number::truth(value).ok_or_else(|| GateError::NotABool {
                name: name.to_owned(),
                value: value.to_owned(),
            })?;
            let known = GATES.iter().find(|gate| gate.name == name);
            let known = known.ok_or_else(|| GateError::Unknown(name.to_owned()))?;
            gates.0.insert(known.name, on);
        }
        Ok(gates)
    }

    /// Whether a gate is on: as named, as all of its stage, or by default.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        let known = GATES.iter().find(|gate| gate.name == name);
        known.is_some_and(|gate| self.holds(gate))
    }

    fn holds(&self, gate: &Gate) -> bool {
        let group = match gate.stage {
            Stage::Alpha => "AllAlpha",
            Stage::Beta => "AllBeta",
        };
        let named = self.0.get(gate.name).or_else(|| self.0.get(group));
        named.copied().unwrap_or(gate.default)
    }

    /// Whether the gates can be set so together, and all that are on are built.
    pub(crate) fn check(&self) -> Result<(), GateError> {
        if self.is_on(CHECKPOINT_PERSIST) && !self.is_on(CHECKPOINT) {
            return Err(GateError::NothingToPersist);
        }
        let missing = |gate: &&Gate| gate.effect == GateEffect::NotBuilt && self.holds(gate);
        match GATES.iter().find(missing) {
            Some(gate) => Err(GateError::NotBuilt(gate.name)),
            None => Ok(()),
        }
    }

    /// All gates, as `/metrics` shows them.
    pub(crate) fn features(&self) -> Vec<Feature> {
        let feature = |gate: &Gate| Feature {
            name: gate.name,
            stage: match gate.stage {
                Stage::Alpha => "ALPHA",
                Stage::Beta => "BETA",
            },
            enabled: self.holds(gate),
        };
        GATES.iter().map(feature).collect()
    }

    /// The gates that were named, sorted, as they are written.
    pub(crate) fn named(&self) -> String {
        let named: Vec<String> = self
            .0
            .iter()
            .map(|(name, on)| format!("{name}={on}"))
            .collect();
        named.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gate that is misspelt must not be taken for one that is off.
    #[test]
    fn refusals() {
        for (text, error) in [
            ("Foo=true", "unrecognized feature gate: Foo"),
            (
                "compactHashCheck=true",
                "unrecognized feature gate: compactHashCheck",
            ),
            (
                "CompactHashCheck",
                "missing bool value for CompactHashCheck",
            ),
            (
                "CompactHashCheck=maybe",
                "invalid value of CompactHashCheck=maybe, err: strconv.ParseBool: parsing \"maybe\": invalid syntax",
            ),
        ] {
            assert_eq!(Gates::parse(text).unwrap_err().to_string(), error);
        }
        let check = |text: &str| Gates::parse(text).unwrap().check();
        assert_eq!(check(""), Ok(()));
        assert_eq!(
            check("LeaseCheckpointPersist=true"),
            Err(GateError::NothingToPersist)
        );
        assert_eq!(
            check("LeaseCheckpoint=true"),
            Err(GateError::NotBuilt("LeaseCheckpoint"))
        );
        assert_eq!(
            check("AllAlpha=true"),
            Err(GateError::NotBuilt("LeaseCheckpoint"))
        );
    }

    #[test]
    fn groups_set_what_is_not_named() {
        let gates = Gates::parse("AllAlpha=true, CompactHashCheck=false,AllBeta=false").unwrap();
        assert!(!gates.is_on("CompactHashCheck"));
        assert!(gates.is_on("InitialCorruptCheck"));
        assert!(!gates.is_on("FastLeaseKeepAlive"));
        assert!(Gates::default().is_on("FastLeaseKeepAlive"));
        assert_eq!(
            gates.named(),
            "AllAlpha=true,AllBeta=false,CompactHashCheck=false"
        );
    }
}
