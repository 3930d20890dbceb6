//! The checkers: what was promised, and whether it held.
//!
//! ```text
//! entries applied by members ──> Ledger ── Model ──> answers, reads, watch events of clients
//! ```
//! - *Agreement*: every member applies the same entries with the same outcome; equal states have
//!   equal hashes; one leader and one vote of each member a term ([`Ledger`]).
//! - *Linearizability*: the order of the log is the order of the history. Each answer is what the model
//!   gives at the request's place in the log; a read shows the model at its revision; and whatever a
//!   client was told before somebody asked is included in what that one is told (the parts of [`Ledger`] in `history.rs`).
//! - *Durability*: what was acknowledged is in the log that everybody ends with.
//! - *Rights*: a request of the log is refused exactly when its user may not make it at its place in the
//!   log; a read or a watch, when the user may not read the range as of what its member had applied.
//!   Users, roles, members, versions and alarms are equal on all members, also after a restart or the
//!   install of a snapshot (`government.rs`).
//! - *Watches* and *leases*: see [`Watched`] and [`Leases`].

mod auth;
mod government;
mod history;
mod leases;
mod ledger;
mod model;
mod permit;
mod reply;
mod txn;
mod watch;

pub(crate) use auth::ROOT;
pub(crate) use history::Asked;
pub(crate) use leases::{Leases, Moment};
pub(crate) use ledger::Ledger;
pub(crate) use model::Model;
pub(crate) use reply::Reply;
pub(crate) use watch::Watched;
