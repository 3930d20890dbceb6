//! Who belongs to the cluster: members, removed ids, the cluster version, a downgrade under way.
//!
//! [`Membership`] is a pure value that changes only by committed entries, the same way on every
//! member. A configuration change travels as a [`ConfChange`] (the bytes in the log) and is
//! understood as a [`Change`]; [`Membership::validate`] gives the verdict that all members must
//! share and [`Membership::apply`] does it and says what to store ([`BucketChange`]). Whether a
//! change is wise (strict reconfiguration) is asked before it is proposed: see
//! [`Membership::may_add_voter`] and its siblings. Transport, raft and the store are the caller's.

mod bootstrap;
mod bucket;
mod change;
mod identity;
mod join;
mod json;
mod member;
mod membership;
mod negotiate;
mod reconfigure;
mod version;
mod version2;

pub use bootstrap::{Bootstrap, BootstrapError};
pub use bucket::{BucketChange, Table};
pub use change::{Change, ConfChange, ConfChangeKind, DecodeChangeError};
pub use identity::{derive_cluster_id, derive_member_id, parse_member_id};
pub use join::{JoinError, join};
pub use member::{DecodeMemberError, Member};
pub use membership::{ChangeError, LoadError, Membership, Options, UnknownMember};
pub use negotiate::{DowngradeError, Versions};
pub use version::{Downgrade, ParseVersionError, TooOld, Version};
