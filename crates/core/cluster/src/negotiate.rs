//! Which version the members agree on, and on which way down.
//!
//! The leader asks every member for the version that it speaks. The cluster's version is the lowest
//! of them, and it only rises; a downgrade that was enabled lowers it by one minor version, so that
//! older members may come back.

use std::collections::BTreeMap;

use types::MemberId;

use crate::membership::Membership;
use crate::version::Version;

/// What the members said of themselves; none for one that did not answer.
pub type Versions = BTreeMap<MemberId, Option<Version>>;

/// The cluster version when nobody knows better.
const LOWEST: Version = Version::minor(3, 0);

/// Why a downgrade is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DowngradeError {
    /// The target is not `major.minor` or `major.minor.patch`.
    #[error("wrong downgrade target version format")]
    Format,
    /// The members have not agreed on a version yet.
    #[error("cluster version not found during downgrade")]
    NoVersion,
    /// The target is not one minor version below.
    #[error("invalid downgrade target version")]
    Target,
    /// There is a downgrade already.
    #[error("cluster has a downgrade job in progress")]
    InProgress,
}

impl Membership {
    /// The cluster version to propose, if it has to change.
    #[must_use]
    pub fn decide_version(&self, versions: &Versions) -> Option<Version> {
        let lowest = self.lowest_version(versions);
        let Some(current) = self.version() else {
            return Some(lowest.unwrap_or(LOWEST));
        };
        let lowest = lowest?;
        if let Some(target) = self.downgrade_target() {
            return is_one_below(current, target).then_some(target);
        }
        (current.major == lowest.major && current < lowest).then_some(lowest)
    }

    /// Whether every member speaks the version that the cluster is on its way to, so that the
    /// downgrade is over.
    #[must_use]
    pub fn is_downgraded(&self, versions: &Versions) -> bool {
        let Some(target) = self.downgrade_target() else {
            return false;
        };
        self.members().all(|member| {
            let version = versions.get(&member.id).copied().flatten();
            version.is_some_and(|version| version.without_patch() == target)
        })
    }

    /// Whether a downgrade to `target` may begin; the version that it leads to.
    ///
    /// # Errors
    /// [`DowngradeError`].
    pub fn check_downgrade(&self, target: &str) -> Result<Version, DowngradeError> {
        let target = parse_target(target).ok_or(DowngradeError::Format)?;
        let current = self.version().ok_or(DowngradeError::NoVersion)?;
        if !is_one_below(current, target) {
            return Err(DowngradeError::Target);
        }
        match self.downgrade().enabled {
            true => Err(DowngradeError::InProgress),
            false => Ok(target),
        }
    }

    fn lowest_version(&self, versions: &Versions) -> Option<Version> {
        let version = |id| versions.get(&id).copied().flatten();
        let known: Option<Vec<Version>> = self.members().map(|member| version(member.id)).collect();
        known?.into_iter().min().map(Version::without_patch)
    }

    fn downgrade_target(&self) -> Option<Version> {
        let downgrade = self.downgrade();
        let target: Option<Version> = downgrade.target_version.parse().ok();
        target
            .filter(|_| downgrade.enabled)
            .map(Version::without_patch)
    }
}

fn is_one_below(current: Version, target: Version) -> bool {
    current.major == target.major && current.minor == target.minor + 1
}

fn parse_target(text: &str) -> Option<Version> {
    let text = match text.split('.').count() {
        2 => format!("{text}.0"),
        _ => text.to_owned(),
    };
    text.parse().ok().map(Version::without_patch)
}

#[cfg(test)]
mod tests {
    use types::ClusterId;

    use super::*;
    use crate::{Change, Member, Options};

    fn cluster(version: Option<&str>, downgrade: Option<&str>) -> Membership {
        let mut cluster = Membership::new(ClusterId(1), Options::default());
        for id in 1..=3 {
            let member = Member {
                id: MemberId(id),
                ..Member::default()
            };
            cluster.apply(&Change::Add(member)).unwrap();
        }
        if let Some(version) = version {
            cluster.set_version(version.parse().unwrap());
        }
        cluster.set_downgrade(downgrade.map(|target| target.parse().unwrap()));
        cluster
    }

    fn versions(texts: [&str; 3]) -> Versions {
        (1..)
            .map(MemberId)
            .zip(texts.map(|text| text.parse().ok()))
            .collect()
    }

    /// A cluster version above a member's own stops that member; one too low withholds features.
    #[test]
    fn the_lowest_member_decides() {
        for (current, downgrade, said, decided) in [
            (None, None, ["3.7.1", "3.7.1", "3.7.1"], Some("3.7.0")),
            (None, None, ["3.7.1", "3.6.14", "3.7.1"], Some("3.6.0")),
            (None, None, ["3.7.1", "", ""], Some("3.0.0")),
            (Some("3.0.0"), None, ["3.7.1", "", ""], None),
            (
                Some("3.0.0"),
                None,
                ["3.7.1", "3.7.0", "3.8.0"],
                Some("3.7.0"),
            ),
            (Some("3.7.0"), None, ["3.7.1", "3.7.0", "3.7.0"], None),
            (Some("3.7.0"), None, ["3.7.1", "3.6.0", "3.7.0"], None),
            (Some("3.7.0"), None, ["4.0.0", "4.0.0", "4.0.0"], None),
            (Some("3.7.0"), Some("3.6.0"), ["3.7.1"; 3], Some("3.6.0")),
            (Some("3.6.0"), Some("3.6.0"), ["3.7.1"; 3], None),
        ] {
            let cluster = cluster(current, downgrade);
            let decided = decided.map(|text| text.parse().unwrap());
            assert_eq!(cluster.decide_version(&versions(said)), decided, "{said:?}");
        }
    }

    /// A downgrade that never ends blocks every later one.
    #[test]
    fn a_downgrade_ends_when_all_have_gone_down() {
        let cluster = cluster(Some("3.6.0"), Some("3.6.0"));
        assert!(cluster.is_downgraded(&versions(["3.6.14", "3.6.1", "3.6.0"])));
        assert!(!cluster.is_downgraded(&versions(["3.6.14", "3.7.1", "3.6.0"])));
        assert!(!cluster.is_downgraded(&versions(["3.6.14", "", "3.6.0"])));
        let calm = self::cluster(Some("3.6.0"), None);
        assert!(!calm.is_downgraded(&versions(["3.6.0"; 3])));
    }

    #[test]
    fn targets() {
        let calm = cluster(Some("3.7.0"), None);
        assert_eq!(calm.check_downgrade("3.6"), Ok(Version::minor(3, 6)));
        assert_eq!(calm.check_downgrade("3.6.5"), Ok(Version::minor(3, 6)));
        for (target, error) in [
            ("3.7", DowngradeError::Target),
            ("3.5.0", DowngradeError::Target),
            ("v3.6", DowngradeError::Format),
            ("3", DowngradeError::Format),
            ("", DowngradeError::Format),
        ] {
            assert_eq!(calm.check_downgrade(target), Err(error), "{target}");
        }
        let early = cluster(None, None);
        assert_eq!(early.check_downgrade("3.6"), Err(DowngradeError::NoVersion));
        let busy = cluster(Some("3.7.0"), Some("3.6.0"));
        assert_eq!(busy.check_downgrade("3.6"), Err(DowngradeError::InProgress));
    }
}
