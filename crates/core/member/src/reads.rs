//! Linearizable reads between their confirmation and the moment that the state has caught up.

use std::collections::BTreeMap;

use types::{Index, RequestId};

/// Confirmed reads, by the index that they must see.
#[derive(Debug, Default)]
pub(crate) struct Reads(BTreeMap<Index, Vec<RequestId>>);

impl Reads {
    /// A read was confirmed at `index`.
    pub(crate) fn confirmed(&mut self, index: Index, id: RequestId) {
        self.0.entry(index).or_default().push(id);
    }

    /// The reads that may be answered once everything up to `applied` is applied.
    pub(crate) fn ready(&mut self, applied: Index) -> impl Iterator<Item = RequestId> + use<> {
        let later = self.0.split_off(&applied.next());
        std::mem::replace(&mut self.0, later)
            .into_values()
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A read answered too early would miss an acknowledged write.
    #[test]
    fn reads_wait_for_their_index() {
        let mut reads = Reads::default();
        reads.confirmed(Index(7), RequestId(1));
        reads.confirmed(Index(5), RequestId(2));
        reads.confirmed(Index(7), RequestId(3));
        assert_eq!(reads.ready(Index(4)).count(), 0);
        assert_eq!(reads.ready(Index(6)).collect::<Vec<_>>(), [RequestId(2)]);
        assert_eq!(
            reads.ready(Index(9)).collect::<Vec<_>>(),
            [RequestId(1), RequestId(3)]
        );
        assert_eq!(reads.ready(Index(9)).count(), 0);
    }
}
