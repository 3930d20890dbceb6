//! The synced watchers, found by key.
//!
//! Watchers of the same range form a group, so that an event costs one search however many
//! clients watch the same keys. Groups of one key are in a hash map, the others in a tree of
//! intervals.

use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::FixedState;
use types::{Event, EventKind, KeyRange};

use crate::intervals::Intervals;
use crate::mailbox::{Address, Mailbox};
use crate::request::Filters;

#[expect(
    clippy::disallowed_types,
    reason = "the hasher is seeded by the caller and the map is only walked into a sorted list"
)]
type PointGroups = std::collections::HashMap<Bytes, Group, FixedState>;

/// A registered watcher.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) address: Address,
    pub(crate) filters: Filters,
    /// The first revision that it has not been given; those below are none of its business.
    pub(crate) next: i64,
    pub(crate) mailbox: Arc<Mailbox>,
}

/// All registered watchers.
#[derive(Debug)]
pub(crate) struct Registry {
    points: PointGroups,
    ranges: Intervals<Group>,
    len: usize,
}

/// The watchers of one range, by ascending ticket.
#[derive(Debug, Default)]
struct Group {
    members: Vec<Member>,
    /// The newest revision whose puts, and whose deletions, have been offered to the members: a
    /// transaction may have thousands of events in the range.
    visited: [i64; 2],
}

impl Registry {
    /// An empty registry. The seed keeps clients from choosing keys that collide.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            points: PointGroups::with_hasher(FixedState::with_seed(seed)),
            ranges: Intervals::default(),
            len: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a watcher; tickets are given out in ascending order.
    pub(crate) fn insert(&mut self, range: &KeyRange, member: Member) {
        let group = match range {
            KeyRange::Point(key) => self.points.entry(key.clone()).or_default(),
            _ => self.ranges.entry(range, Group::default),
        };
        group.insert(member);
        self.len += 1;
    }

    /// Removes a watcher; says whether it was there.
    pub(crate) fn remove(&mut self, range: &KeyRange, address: Address) -> bool {
        let group = match range {
            KeyRange::Point(key) => self.points.get_mut(key),
            _ => self.ranges.get_mut(range),
        };
        let Some(group) = group else { return false };
        if !group.remove(address) {
            return false;
        }
        self.len -= 1;
        if group.members.is_empty() {
            match range {
                KeyRange::Point(key) => drop(self.points.remove(key)),
                _ => drop(self.ranges.remove(range)),
            }
        }
        true
    }

    /// Calls `keep` for every watcher that wants `event` and has not been given its revision, and
    /// removes those for which it says no.
    pub(crate) fn offer(
        &mut self,
        revision: i64,
        event: &Event,
        mut keep: impl FnMut(&Member) -> bool,
    ) {
        let mut removed = 0;
        let mut offer = |group: &mut Group| {
            removed += group.offer(revision, event.kind, &mut keep);
            !group.members.is_empty()
        };
        if let Some(group) = self.points.get_mut(&event.key)
            && !offer(group)
        {
            self.points.remove(&event.key);
        }
        self.ranges.visit(&event.key, offer);
        self.len -= removed;
    }

    /// Takes all watchers out, oldest registration first.
    pub(crate) fn drain(&mut self) -> Vec<Member> {
        let mut members: Vec<Member> = self
            .points
            .drain()
            .map(|(_, group)| group)
            .chain(self.ranges.drain())
            .flat_map(|group| group.members)
            .collect();
        members.sort_unstable_by_key(|member| member.address.ticket);
        self.len = 0;
        members
    }
}

impl Group {
    fn insert(&mut self, member: Member) {
        debug_assert!(
            self.members
                .last()
                .is_none_or(|last| last.address.ticket < member.address.ticket)
        );
        if self.members.is_empty() {
            // Most groups have one member: do not make room for four.
            self.members.reserve_exact(1);
        }
        self.members.push(member);
    }

    fn remove(&mut self, address: Address) -> bool {
        let found = self
            .members
            .binary_search_by_key(&address.ticket, |member| member.address.ticket);
        found.map(|at| self.members.remove(at)).is_ok()
    }

    /// Offers a revision to the members that want this kind of event; returns how many left.
    fn offer(
        &mut self,
        revision: i64,
        kind: EventKind,
        keep: &mut impl FnMut(&Member) -> bool,
    ) -> usize {
        let visited = match kind {
            EventKind::Put => &mut self.visited[0],
            EventKind::Delete => &mut self.visited[1],
        };
        if *visited == revision {
            return 0;
        }
        *visited = revision;
        let before = self.members.len();
        self.members.retain_mut(|member| {
            if !member.filters.admits(kind) || member.next > revision {
                return true;
            }
            let kept = keep(member);
            member.next = revision + 1;
            kept
        });
        before - self.members.len()
    }
}
