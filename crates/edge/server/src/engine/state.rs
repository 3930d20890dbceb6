//! What the small buckets of a store say, besides its keys.

use std::collections::BTreeMap;

use apply::Alarms;
use auth::AuthState;
use cluster::Membership;
use lease::{LeaseRecord, LeaseTable};
use mvcc::Writer;
use store::Bucket;
use types::ClusterId;

use super::boot::StartError;
use super::running::Config;

/// How the state is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct StateOptions {
    pub(super) cluster: ClusterId,
    membership: cluster::Options,
    leases: lease::Options,
}

/// Everything that lives in memory beside the keys.
pub(super) struct State {
    pub(super) membership: Membership,
    pub(super) leases: LeaseTable,
    pub(super) alarms: Alarms,
    pub(super) auth: AuthState,
}

impl StateOptions {
    pub(super) fn new(config: &Config, cluster: ClusterId) -> Self {
        Self {
            cluster,
            membership: config.membership,
            leases: config.leases,
        }
    }
}

impl State {
    /// Reads the buckets of a store that was opened.
    pub(super) fn load(
        options: StateOptions,
        files: &store::Reader,
        writer: &Writer,
    ) -> Result<Self, StartError> {
        let bucket = |bucket| files.bucket(bucket);
        let membership = Membership::load(
            options.cluster,
            options.membership,
            &bucket(Bucket::Members),
            &bucket(Bucket::MembersRemoved),
            &bucket(Bucket::Cluster),
        )?;
        let own = proto::limits::SERVER_VERSION.parse();
        membership.check_server(own.unwrap_or(cluster::Version::minor(0, 0)))?;
        Ok(Self {
            membership,
            leases: load_leases(options.leases, &bucket(Bucket::Lease), writer)?,
            alarms: Alarms::load(&bucket(Bucket::Alarm)),
            auth: AuthState::load(
                &bucket(Bucket::Auth),
                &bucket(Bucket::AuthUsers),
                &bucket(Bucket::AuthRoles),
            )?,
        })
    }
}

fn load_leases(
    options: lease::Options,
    bucket: &BTreeMap<bytes::Bytes, bytes::Bytes>,
    writer: &Writer,
) -> Result<LeaseTable, StartError> {
    let mut table = LeaseTable::new(options);
    for (key, value) in bucket {
        let record = LeaseRecord::decode(key, value)?;
        table.restore(record.id, record.ttl, record.remaining);
    }
    for (key, lease) in writer.attached_leases() {
        // A key may outlive its lease only through damage that etcd shrugs off as well.
        if table.attach(key, lease).is_err() {
            tracing::warn!(%lease, "a key is attached to a lease that does not exist");
        }
    }
    Ok(table)
}
