//! Users, roles and permissions: who may do what, as the log decides it.
//!
//! ```text
//! requests of the log ──> AuthState ──> changes of the buckets auth, authUsers, authRoles
//!                             │
//!                   who, access, KeyRange ──> allowed or an AuthError
//! ```
//! - Everything here is the same on every member: hashes of passwords come in ready made, tokens
//!   are the edge's.
//! - A refused operation changes nothing and does not move the auth revision.
//! - What a user may touch is the union of all grants of all its roles, merged once after each
//!   change that concerns the user, and asked with a typed [`types::KeyRange`] only.
//! - Password hashes leave only through [`AuthState::password`]; no `Debug` output holds one.

mod bucket;
mod check;
mod error;
mod permission;
mod ranges;
mod state;

pub use bucket::{BucketChange, LoadError, Table};
pub use check::{Access, Who};
pub use error::AuthError;
pub use permission::Permission;
pub use state::{AuthState, NewUser, Password, ROOT};
