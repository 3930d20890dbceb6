//! Feature gates: parts of a member that can be switched by name.

use std::collections::BTreeMap;

use server::Feature;

use notation::number;
use notation::quote::quote;

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
}

const fn gate(name: &'static str, stage: Stage, default: bool) -> Gate {
    Gate {
        name,
        stage,
        default,
    }
}

/// All gates. `FastLeaseKeepAlive` holds either way, since renewals never wait for entries to be
/// applied; `TxnModeWriteWithSharedBuffer`, since reads never copy the write buffer;
/// `StopGRPCServiceOnDefrag`, since defragmentation blocks nobody; `PriorityRequest`, since
/// a revocation that is refused under load is tried again; `SetMemberLocalAddr`, since the system
/// chooses the source of connections to peers. The gates of lease checkpoints are on unless they
/// are refused, other than in etcd: what is left of a lease survives a change of the leader.
const GATES: &[Gate] = &[
    gate("AllAlpha", Stage::Alpha, false),
    gate("AllBeta", Stage::Beta, false),
    gate("CompactHashCheck", Stage::Alpha, false),
    gate("FastLeaseKeepAlive", Stage::Beta, true),
    gate("InitialCorruptCheck", Stage::Alpha, false),
    gate(CHECKPOINT, Stage::Alpha, true),
    gate(CHECKPOINT_PERSIST, Stage::Alpha, true),
    gate("PriorityRequest", Stage::Alpha, false),
    gate("SetMemberLocalAddr", Stage::Alpha, false),
    gate("StopGRPCServiceOnDefrag", Stage::Alpha, false),
    gate("TxnModeWriteWithSharedBuffer", Stage::Beta, true),
];

/// Whether the leader notes what is left of long leases.
pub(crate) const CHECKPOINT: &str = "LeaseCheckpoint";
/// Whether that is stored; it always is.
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
            let on = number::parse_bool(value).map_err(|_| GateError::NotABool {
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
        self.asked(gate).unwrap_or(gate.default)
    }

    /// What was asked for, of the gate or of all of its stage.
    fn asked(&self, gate: &Gate) -> Option<bool> {
        let group = match gate.stage {
            Stage::Alpha => "AllAlpha",
            Stage::Beta => "AllBeta",
        };
        let named = self.0.get(gate.name).or_else(|| self.0.get(group));
        named.copied()
    }

    /// Whether the gates can be set so together.
    pub(crate) fn check(&self) -> Result<(), GateError> {
        let persists = GATES.iter().find(|gate| gate.name == CHECKPOINT_PERSIST);
        let persists = persists.and_then(|gate| self.asked(gate));
        match persists == Some(true) && !self.is_on(CHECKPOINT) {
            true => Err(GateError::NothingToPersist),
            false => Ok(()),
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
        for text in ["LeaseCheckpoint=false", "AllAlpha=false", "AllAlpha=true"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in [
            "LeaseCheckpoint=false,LeaseCheckpointPersist=true",
            "AllAlpha=true,LeaseCheckpoint=false",
        ] {
            assert_eq!(check(text), Err(GateError::NothingToPersist), "{text}");
        }
    }

    #[test]
    fn groups_set_what_is_not_named() {
        let gates = Gates::parse("AllAlpha=true, CompactHashCheck=false,AllBeta=false").unwrap();
        assert!(!gates.is_on("CompactHashCheck"));
        assert!(gates.is_on("InitialCorruptCheck"));
        assert!(!gates.is_on("FastLeaseKeepAlive"));
        assert!(Gates::default().is_on("FastLeaseKeepAlive"));
        assert!(Gates::default().is_on(CHECKPOINT));
        assert_eq!(
            gates.named(),
            "AllAlpha=true,AllBeta=false,CompactHashCheck=false"
        );
    }
}
