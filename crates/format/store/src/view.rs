//! What writer and readers share: the published state of the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::RwLock;
use types::Revision;

use crate::bucket::Buckets;
use crate::segment::Segment;

/// The segments at one moment, sorted by revision, the active one last; never empty.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) segments: Vec<Arc<Segment>>,
    /// Nothing above this is shown, even if its block is already listed.
    pub(crate) newest: Revision,
}

/// How much room the store takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The length of all files.
    pub total: u64,
    /// The part of it that is live: what would be left if all space were reclaimed.
    pub in_use: u64,
}

/// The state that readers see.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) view: ArcSwap<View>,
    /// Written by commits only, together with the view: who holds it for reading sees buckets and
    /// newest revision of the same commit. Not held while a file is read or written.
    pub(crate) buckets: RwLock<Buckets>,
    total: AtomicU64,
    in_use: AtomicU64,
}

impl Shared {
    pub(crate) fn new(view: View, buckets: Buckets) -> Self {
        Self {
            view: ArcSwap::from_pointee(view),
            buckets: RwLock::new(buckets),
            total: AtomicU64::new(0),
            in_use: AtomicU64::new(0),
        }
    }

    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            total: self.total.load(Ordering::Relaxed),
            in_use: self.in_use.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn set_sizes(&self, sizes: Sizes) {
        self.total.store(sizes.total, Ordering::Relaxed);
        // The directory of the active segment is counted before it is on disk.
        self.in_use
            .store(sizes.in_use.min(sizes.total), Ordering::Relaxed);
    }
}

impl View {
    /// The position of the segment whose interval holds `revision`.
    #[inline]
    pub(crate) fn position(&self, revision: Revision) -> usize {
        self.segments
            .partition_point(|segment| segment.upper() < revision)
    }
}
