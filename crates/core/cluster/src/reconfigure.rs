//! Whether a change is wise, asked before it is proposed (`--strict-reconfig-check`).
//!
//! Only members that have started count as able to vote, and of these only those that the asked
//! member has been connected to for a while. These answers are local advice: they never decide about
//! a committed entry.

use types::MemberId;

use crate::membership::Membership;

impl Membership {
    /// Whether a voter may be added: the started voters are a quorum of the enlarged cluster.
    ///
    /// A cluster of one started voter may always grow to two, or it could never grow.
    #[must_use]
    pub fn may_add_voter(&self) -> bool {
        let (voters, started) = self.count_voters(None);
        (voters, started) == (1, 1) || started >= quorum(voters + 1)
    }

    /// Whether a member may be removed: the started voters left are a quorum of the voters left.
    #[must_use]
    pub fn may_remove(&self, id: MemberId) -> bool {
        if self.member(id).is_some_and(|member| member.is_learner) {
            return true;
        }
        let (voters, started) = self.count_voters(Some(id));
        started >= quorum(voters)
    }

    /// Whether a learner may be promoted, counted as started itself.
    #[must_use]
    pub fn may_promote(&self) -> bool {
        let (voters, started) = self.count_voters(None);
        started + 1 >= quorum(voters + 1)
    }

    /// Whether every voter is connected, the asked member `own` included: an addition raises the
    /// quorum, so nobody may be missing already.
    #[must_use]
    pub fn is_fully_connected(&self, own: MemberId, connected: impl Fn(MemberId) -> bool) -> bool {
        self.voters()
            .all(|member| member.id == own || connected(member.id))
    }

    /// Whether a connected voter may leave: those that stay connected are a quorum without it.
    #[must_use]
    pub fn may_lose_connected(&self, own: MemberId, connected: impl Fn(MemberId) -> bool) -> bool {
        let voters = self.voters().count();
        let connected = self
            .voters()
            .filter(|member| member.id == own || connected(member.id))
            .count();
        connected > quorum(voters.saturating_sub(1))
    }

    fn count_voters(&self, without: Option<MemberId>) -> (usize, usize) {
        self.voters()
            .filter(|member| Some(member.id) != without)
            .fold((0, 0), |(voters, started), member| {
                (voters + 1, started + usize::from(member.is_started()))
            })
    }
}

fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}

#[cfg(test)]
mod tests {
    use types::ClusterId;

    use super::*;
    use crate::{Change, Member, Options};

    fn cluster(started: &[bool]) -> Membership {
        let mut cluster = Membership::new(ClusterId(1), Options::default());
        for (id, started) in (1..).zip(started) {
            let member = Member {
                id: MemberId(id),
                name: if *started { "n" } else { "" }.to_owned(),
                ..Member::default()
            };
            cluster.apply(&Change::Add(member)).unwrap();
        }
        cluster
    }

    /// A change let through here can leave a cluster without quorum for good.
    #[test]
    fn only_started_voters_count() {
        assert!(cluster(&[true]).may_add_voter());
        assert!(!cluster(&[true, false]).may_add_voter());
        assert!(cluster(&[true, true]).may_add_voter());
        let grown = cluster(&[true, true, true, false]);
        assert!(grown.may_add_voter());
        let grown = cluster(&[true, true, true, false, false]);
        assert!(!grown.may_add_voter());
        assert!(!grown.may_remove(MemberId(1)));
        assert!(grown.may_remove(MemberId(5)));
        assert!(!cluster(&[true]).may_remove(MemberId(1)));
        assert!(cluster(&[true]).may_promote());
        assert!(!cluster(&[true, false, false]).may_promote());
    }

    /// A voter that cannot be reached must block what would make it indispensable.
    #[test]
    fn connections_count() {
        let three = cluster(&[true, true, true]);
        let own = MemberId(1);
        let only = |ids: &'static [u64]| move |id: MemberId| ids.contains(&id.0);
        assert!(three.is_fully_connected(own, only(&[2, 3])));
        assert!(!three.is_fully_connected(own, only(&[2])));
        assert!(three.may_lose_connected(own, only(&[2, 3])));
        assert!(!three.may_lose_connected(own, only(&[2])));
        assert!(cluster(&[true]).is_fully_connected(own, only(&[])));
        assert!(cluster(&[true, true]).may_lose_connected(own, only(&[2])));
        assert!(!cluster(&[true, true]).may_lose_connected(own, only(&[])));
    }
}
