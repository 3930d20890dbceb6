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
//! - *Watches* and *leases*: see [`Watched`] and [`Leases`].

mod history;
mod leases;
mod ledger;
mod model;
mod reply;
mod txn;
mod watch;

pub(crate) use history::Asked;
pub(crate) use leases::{Leases, Moment};
pub(crate) use ledger::Ledger;
pub(crate) use model::Model;
pub(crate) use reply::Reply;
pub(crate) use watch::Watched;
