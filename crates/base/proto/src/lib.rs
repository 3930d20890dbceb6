//! The messages of etcd's v3 API, its limits, and its table of errors.
//!
//! `proto/` holds the message definitions; `src/gen/` the code made from them, which
//! `tests/generated.rs` keeps fresh. All `bytes` fields are [`bytes::Bytes`], slices of the buffer
//! that was received. Only the edge and `apply` speak these messages; the rest of the core has
//! types of its own.

pub mod descriptor;
pub mod error;
pub mod limits;
mod method;

pub use method::{METHODS, Method};

macro_rules! package {
    ($(#[$doc:meta])* $name:ident, $file:literal) => {
        $(#[$doc])*
        #[allow(missing_docs, unused_qualifications, clippy::all, clippy::pedantic, reason = "generated")]
        pub mod $name {
            include!(concat!("gen/", $file));
        }
    };
}

package!(
    /// Users, roles and permissions.
    authpb, "authpb.rs");
package!(
    /// The client API and what a proposal carries.
    etcdserverpb, "etcdserverpb.rs");
package!(
    /// The gRPC health service.
    health, "grpc.health.v1.rs");
package!(
    /// Leases on disk and between members.
    leasepb, "leasepb.rs");
package!(
    /// Replicated member attributes and versions.
    membershippb, "membershippb.rs");
package!(
    /// Stored pairs and events.
    mvccpb, "mvccpb.rs");
package!(
    /// The election service.
    v3electionpb, "v3electionpb.rs");
package!(
    /// The lock service.
    v3lockpb, "v3lockpb.rs");
