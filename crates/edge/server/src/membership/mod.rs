//! What a member does with and for the other members, beside consensus.
//!
//! It asks them over HTTP on their peer URLs ([`ask`]): who belongs to the cluster ([`mod@join`]), which
//! versions they speak ([`versions`]), what is left of a lease ([`leases`]), whether they store the
//! same ([`corruption`]). Changes of the membership are judged in [`strict`], and carried out by the
//! leader where only it can ([`promote`]); [`news`] tells of them.

pub(crate) mod answers;
pub(crate) mod ask;
pub(crate) mod corruption;
pub(crate) mod handover;
pub(crate) mod join;
pub(crate) mod leases;
pub(crate) mod news;
pub(crate) mod promote;
pub(crate) mod strict;
pub(crate) mod versions;

pub use corruption::{CorruptionChecks, Inconsistent};
pub use join::{Joining, JoiningError, check_not_bootstrapped, join};
