//! `--force-new-cluster`: a member of a cluster that lost its quorum goes on alone.
//!
//! The log is continued with changes of the membership that remove everybody else, as if they had
//! been agreed on. The ids and the data stay. All entries count as committed: how far the lost members
//! had come is written down later than the entries themselves, and etcd, which drops what is beyond
//! that mark, may lose the last acknowledged writes. Whatever the lost members had promised to others
//! meanwhile is lost with them.

use cluster::{Change, ConfChange, Membership};
use types::{Entry, EntryKind, Index, MemberId, RequestId};
use wal::{Recovered, Wal, WalError};

/// Continues the log so that `member` is the only one left; `consistent` is the entry up to which
/// `membership` knows.
pub(super) fn make_alone(
    wal: &mut Wal,
    mut recovered: Recovered,
    member: MemberId,
    consistent: Index,
    membership: &Membership,
) -> Result<Recovered, WalError> {
    let commit = recovered.state.commit.max(consistent);
    let commit = commit.max(recovered.snapshot.index);
    let last = recovered.entries.last();
    let commit = last.map_or(commit, |last| commit.max(last.index));
    let known = as_of_the_end(membership, consistent, &recovered.entries);
    let changes = changes(&known, member);
    let indexes = std::iter::successors(Some(commit.next()), |index| Some(index.next()));
    let entries: Vec<Entry> = indexes
        .zip(&changes)
        .map(|(index, change)| Entry {
            kind: EntryKind::ConfChange,
            term: recovered.state.term,
            index,
            data: change.to_conf_change(RequestId(0)).encode(),
        })
        .collect();
    recovered.state.commit = entries.last().map_or(commit, |entry| entry.index);
    wal.append(&entries, Some(&recovered.state))?;
    wal.flush(true)?;
    recovered.entries.extend(entries);
    tracing::warn!(
        "local-member-id" = %member,
        "commit-index" = recovered.state.commit.0,
        "forcing restart member"
    );
    Ok(recovered)
}

/// The membership after all entries.
fn as_of_the_end(membership: &Membership, consistent: Index, entries: &[Entry]) -> Membership {
    let mut known = membership.clone();
    let later = entries
        .iter()
        .filter(|entry| entry.index > consistent && entry.kind == EntryKind::ConfChange);
    for entry in later {
        let change = ConfChange::decode(&entry.data).and_then(|change| change.change());
        if let Ok(change) = change {
            // What the members refused then is refused again.
            let _ = known.apply(&change);
        }
    }
    known
}

fn changes(known: &Membership, member: MemberId) -> Vec<Change> {
    let own = known.member(member);
    let promote = own.filter(|own| own.is_learner).map(|own| own.id);
    let others = known.members().filter(|other| other.id != member);
    let removals = others.map(|other| Change::Remove(other.id));
    promote
        .map(Change::Promote)
        .into_iter()
        .chain(removals)
        .collect()
}

#[cfg(test)]
mod tests {
    use cluster::{Member, Options};
    use types::{ClusterId, Term};

    use super::*;

    fn add(id: u64, is_learner: bool) -> Change {
        Change::Add(Member {
            id: MemberId(id),
            peer_urls: vec![format!("http://h:{id}")],
            is_learner,
            ..Member::default()
        })
    }

    /// A member that stays in the membership keeps its vote, and the cluster has no quorum again.
    #[test]
    fn everybody_else_goes() {
        let mut stored = Membership::new(ClusterId(1), Options::default());
        stored.apply(&add(1, false)).unwrap();
        stored.apply(&add(2, true)).unwrap();
        let entry = |index, change: &Change| Entry {
            kind: EntryKind::ConfChange,
            term: Term(1),
            index: Index(index),
            data: change.to_conf_change(RequestId(0)).encode(),
        };
        let entries = [
            entry(2, &Change::Remove(MemberId(2))),
            entry(5, &add(3, false)),
            entry(6, &add(3, false)),
        ];
        // The entry at 2 is in the stored state already.
        let known = as_of_the_end(&stored, Index(4), &entries);
        let ids: Vec<u64> = known.members().map(|member| member.id.0).collect();
        assert_eq!(ids, [1, 2, 3]);
        let removed = |ids: [u64; 2]| ids.map(|id| Change::Remove(MemberId(id))).to_vec();
        assert_eq!(changes(&known, MemberId(1)), removed([2, 3]));
        let mut expect = vec![Change::Promote(MemberId(2))];
        expect.extend(removed([1, 3]));
        assert_eq!(changes(&known, MemberId(2)), expect);
    }
}
