//! The window of appends that were sent to a follower and are not yet acknowledged.
//!
//! Bounded in messages and in bytes, so that a slow follower costs the leader a fixed amount of
//! memory. Acknowledgements are cumulative: an index frees everything up to it.

use std::collections::VecDeque;

use types::Index;

/// A bounded queue of (last index, payload bytes) of sent appends.
#[derive(Clone, Debug)]
pub(crate) struct Inflights {
    sent: VecDeque<(Index, u64)>,
    bytes: u64,
    messages_max: usize,
    bytes_max: u64,
}

impl Inflights {
    /// An empty window; `bytes_max` 0 means that only messages are counted.
    pub(crate) fn new(messages_max: usize, bytes_max: u64) -> Self {
        Self {
            sent: VecDeque::new(),
            bytes: 0,
            messages_max,
            bytes_max,
        }
    }

    /// Notes an append whose last entry is `last`.
    pub(crate) fn add(&mut self, last: Index, bytes: u64) {
        self.sent.push_back((last, bytes));
        self.bytes += bytes;
    }

    /// Frees every append whose last entry is at most `index`.
    pub(crate) fn free_to(&mut self, index: Index) {
        while let Some((last, bytes)) = self.sent.front() {
            if *last > index {
                break;
            }
            self.bytes -= bytes;
            self.sent.pop_front();
        }
    }

    /// Whether no further entries may be sent. The byte bound is passed by at most one message.
    pub(crate) fn is_full(&self) -> bool {
        self.sent.len() >= self.messages_max || (self.bytes_max > 0 && self.bytes >= self.bytes_max)
    }

    /// How many appends are under way.
    pub(crate) fn len(&self) -> usize {
        self.sent.len()
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.sent.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A window that leaks a slot stalls its follower; one that forgets its bound eats memory.
        #[test]
        fn behaves_like_a_filtered_list(
            messages_max in 1usize..6,
            bytes_max in 0u64..30,
            steps in prop::collection::vec((any::<bool>(), 0u64..12), 0..60),
        ) {
            let mut window = Inflights::new(messages_max, bytes_max);
            let mut model: Vec<(u64, u64)> = Vec::new();
            let mut last = 0;
            for (add, number) in steps {
                if add && !window.is_full() {
                    last += 1 + number % 3;
                    window.add(Index(last), number);
                    model.push((last, number));
                } else {
                    let index = last.saturating_sub(number);
                    window.free_to(Index(index));
                    model.retain(|(last, _)| *last > index);
                }
                let bytes: u64 = model.iter().map(|(_, bytes)| bytes).sum();
                prop_assert_eq!(window.len(), model.len());
                let full = model.len() >= messages_max || (bytes_max > 0 && bytes >= bytes_max);
                prop_assert_eq!(window.is_full(), full);
            }
            window.clear();
            prop_assert_eq!(window.len(), 0);
            prop_assert!(!window.is_full());
        }
    }
}
