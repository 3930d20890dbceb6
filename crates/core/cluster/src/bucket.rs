//! What a change of the membership stores, as plain values for the caller's store.

use bytes::Bytes;

/// A bucket of the database that holds membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// `members`: id in hex to the member's JSON.
    Members,
    /// `members_removed`: id in hex to the text `removed`; only ever grows.
    MembersRemoved,
    /// `cluster`: `clusterVersion` and `downgrade`.
    Cluster,
}

impl Table {
    /// The name of the bucket.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::MembersRemoved => "members_removed",
            Self::Cluster => "cluster",
        }
    }
}

/// One key to write, or to delete when there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketChange {
    /// The bucket.
    pub table: Table,
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Option<Bytes>,
}
