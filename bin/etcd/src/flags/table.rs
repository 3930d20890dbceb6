//! The table of all flags; its parts stand in the files of this folder, one a group.

mod cluster;
mod logging;
mod member;
mod monitoring;
mod security;
mod timing;

use super::value::Kind;

/// One flag: everything that is known of it.
#[derive(Debug)]
pub(crate) struct Flag {
    /// Its name, without dashes.
    pub(crate) name: &'static str,
    /// What it holds.
    pub(crate) kind: Kind,
    /// What it holds when nobody sets it.
    pub(crate) default: &'static str,
    /// Where help lists it.
    pub(crate) group: Group,
    /// What help says of it.
    pub(crate) help: &'static str,
    /// Where a configuration file sets it.
    pub(crate) file: FileKey,
    /// What becomes of it.
    pub(crate) effect: Effect,
}

/// The groups of the help text, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// The member and its storage.
    Member,
    /// How members find each other.
    Clustering,
    /// Certificates and access.
    Security,
    /// Users and tokens.
    Auth,
    /// Metrics and profiles.
    Monitoring,
    /// Log lines.
    Logging,
    /// Traces of requests.
    Tracing,
    /// Parts that can be switched.
    Features,
    /// What can lose data.
    Unsafe,
}

/// Where a configuration file sets a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKey {
    /// Nowhere.
    None,
    /// Under the flag's own name.
    Same,
    /// Under another key; dots stand between nested ones.
    At(&'static str),
}

/// What setting a flag does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// What help says.
    Built,
    /// Nothing, because there is nothing here that it could change; the sentence says why.
    None(&'static str),
}

impl Flag {
    const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            default,
            group: Group::Member,
            help,
            file: FileKey::Same,
            effect: Effect::Built,
        }
    }

    const fn file(self, file: FileKey) -> Self {
        Self { file, ..self }
    }

    const fn without_effect(self, reason: &'static str) -> Self {
        let effect = Effect::None(reason);
        Self { effect, ..self }
    }

    const fn group(self, group: Group) -> Self {
        Self { group, ..self }
    }

    /// The environment variable that sets it.
    pub(crate) fn variable(&self) -> String {
        let name = self.name.to_ascii_uppercase().replace(['-', '.'], "_");
        format!("ETCD_{name}")
    }

    /// The keys, outermost first, under which a configuration file sets it.
    pub(crate) fn file_path(&self) -> Option<Vec<&'static str>> {
        match self.file {
            FileKey::None => None,
            FileKey::Same => Some(vec![self.name]),
            FileKey::At(path) => Some(path.split('.').collect()),
        }
    }
}

/// All flags.
pub(crate) fn all() -> impl Iterator<Item = &'static Flag> {
    PARTS.iter().flat_map(|part| part.iter())
}

/// The flag of that name.
pub(crate) fn find(name: &str) -> Option<&'static Flag> {
    all().find(|flag| flag.name == name)
}

const PARTS: [&[Flag]; 6] = [
    member::FLAGS,
    cluster::FLAGS,
    security::FLAGS,
    timing::FLAGS,
    monitoring::FLAGS,
    logging::FLAGS,
];

/// Flags of old versions: taken like truth values, and without any effect.
pub(crate) const IGNORED: &[&str] = &[
    "cluster-active-size",
    "cluster-remove-delay",
    "cluster-sync-interval",
    "config",
    "force",
    "max-result-buffer",
    "max-retry-attempts",
    "peer-heartbeat-interval",
    "peer-election-timeout",
    "retry-interval",
    "snapshot",
    "v",
    "vv",
    "test.coverprofile",
    "test.outputdir",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A flag that stands twice, or whose default is no value, would surprise at a customer's.
    #[test]
    fn the_table_is_sound() {
        let mut names = BTreeSet::new();
        for flag in all() {
            assert!(names.insert(flag.name), "{} stands twice", flag.name);
            assert!(!IGNORED.contains(&flag.name), "{}", flag.name);
            assert!(flag.kind.parse(flag.default).is_ok(), "{}", flag.name);
            assert!(
                !flag.help.is_empty() && flag.help.ends_with('.'),
                "{}",
                flag.name
            );
        }
        assert_eq!(names.len(), 120);
    }

    #[test]
    fn variables() {
        let flag = find("backend-bbolt-freelist-type").unwrap();
        assert_eq!(flag.variable(), "ETCD_BACKEND_BBOLT_FREELIST_TYPE");
    }
}
