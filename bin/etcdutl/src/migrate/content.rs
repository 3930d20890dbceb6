//! Which version of etcd a log needs.
//!
//! It depends on which requests and fields occur, not on what is in them. Nothing that a cluster
//! logs needs more than 3.5, except the request that is made to test this.

use cluster::Version;
use disk::Dir;
use prost::Message as _;
use proto::etcdserverpb::InternalRaftRequest;
use types::{Entry, EntryKind};
use wal::{OpenError, Start};

/// The version that the entries after the newest mark need.
pub(crate) fn version(log: &dyn Dir) -> Result<Version, OpenError> {
    let recovered = wal::read(log, Start::Newest)?;
    let needed = recovered.entries.iter().map(entry).max();
    Ok(needed.unwrap_or(Version::minor(3, 0)))
}

fn entry(entry: &Entry) -> Version {
    match entry.kind {
        EntryKind::ConfChange => Version::minor(3, 0),
        EntryKind::ConfChangeV2 => Version::minor(3, 4),
        EntryKind::Normal => match InternalRaftRequest::decode(&entry.data[..]) {
            Ok(request) => self::request(&request),
            // A request of 3.5 in its old form.
            Err(_) => Version::minor(3, 3),
        },
    }
}

fn request(request: &InternalRaftRequest) -> Version {
    if let Some(test) = &request.downgrade_version_test {
        return test
            .ver
            .parse()
            .map_or(Version::minor(3, 6), Version::without_patch);
    }
    let is_of_35 = request.cluster_version_set.is_some()
        || request.cluster_member_attr_set.is_some()
        || request.downgrade_info_set.is_some()
        || request.auth_status.is_some()
        || request.auth_user_add.is_some()
        || request.auth_user_change_password.is_some();
    match is_of_35 {
        true => Version::minor(3, 5),
        false if request.lease_checkpoint.is_some() => Version::minor(3, 4),
        false => Version::minor(3, 3),
    }
}
