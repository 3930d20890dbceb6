//! Limits that clients rely on, with etcd's defaults.

/// Largest encoded request that is proposed, in bytes (`--max-request-bytes`).
pub const MAX_REQUEST_BYTES: usize = 1_572_864;
/// What the gRPC receive limit adds to the request limit, in bytes.
pub const GRPC_OVERHEAD_BYTES: usize = 512 * 1024;
/// Most operations of one list of a transaction (`--max-txn-ops`).
pub const MAX_TXN_OPS: usize = 128;
/// Most entries that may be committed but not applied before requests are refused.
pub const MAX_APPLY_GAP: u64 = 5_000;
/// Default space quota, in bytes (`--quota-backend-bytes`).
pub const DEFAULT_QUOTA_BYTES: i64 = 2 * 1024 * 1024 * 1024;
/// What a put costs beside its key and value when the quota is checked, in bytes.
pub const PUT_OVERHEAD_BYTES: u64 = 256;
/// What a lease grant costs when the quota is checked, in bytes.
pub const LEASE_OVERHEAD_BYTES: u64 = 64;
/// Largest time to live of a lease, in seconds.
pub const MAX_LEASE_TTL: i64 = 9_000_000_000;
/// The version that this server speaks as.
pub const SERVER_VERSION: &str = "3.7.1";
/// The cluster and storage version of that server.
pub const CLUSTER_VERSION: &str = "3.7.0";
