//! The fields format: one `"Name" : value` a line.

use std::fmt::{Display, Write as _};

use proto::etcdserverpb::{
    AlarmResponse, DeleteRangeResponse, HashKvResponse, LeaseTimeToLiveResponse, Member,
    PutResponse, RangeResponse, ResponseHeader, StatusResponse, TxnResponse, WatchResponse,
    response_op::Response,
};
use proto::mvccpb::{KeyValue, event::EventType};

use super::Unsupported;
use super::answer::{Answer, Endpoint, Health};
use notation::{duration, quote::quote};

/// Writes an answer as fields.
pub(super) fn render(answer: &Answer, hex: bool) -> Result<Vec<u8>, Unsupported> {
    let mut out = Fields {
        out: String::new(),
        hex,
    };
    out.answer(answer)?;
    Ok(out.out.into_bytes())
}

struct Fields {
    out: String,
    hex: bool,
}

impl Fields {
    fn answer(&mut self, answer: &Answer) -> Result<(), Unsupported> {
        match answer {
            Answer::Range(range, _) => self.range(range),
            Answer::Put(put) => self.put(put),
            Answer::Delete(delete) => self.delete(delete),
            Answer::Txn(txn) => self.txn(txn),
            Answer::Watch(watch) => self.watch(watch),
            Answer::LeaseGrant(grant) => {
                self.header(grant.header.as_ref());
                self.lease("ID", grant.id);
                self.field("TTL", grant.ttl);
            }
            Answer::LeaseTimeToLive(ttl, _) => self.time_to_live(ttl),
            Answer::LeaseList(list) => {
                self.header(list.header.as_ref());
                list.leases
                    .iter()
                    .for_each(|lease| self.lease("ID", lease.id));
            }
            Answer::LeaseKeepAlive(alive) => {
                self.header(alive.header.as_ref());
                self.lease("ID", alive.id);
                self.field("TTL", alive.ttl);
            }
            Answer::MemberList(list) => {
                self.header(list.header.as_ref());
                list.members.iter().for_each(|member| self.member(member));
            }
            Answer::Health(list) => list.iter().for_each(|health| self.health(health)),
            Answer::Status(list) => list.iter().for_each(|of| self.status(of)),
            Answer::HashKv(list) => list.iter().for_each(|of| self.hash_kv(of)),
            Answer::Alarms(alarms) => self.alarms(alarms),
            Answer::RoleGet(_, role) => {
                self.header(role.header.as_ref());
                for permission in &role.perm {
                    let kind = permission.perm_type().as_str_name();
                    self.field("PermType", format_args!(" {kind}"));
                    self.quoted("Key", &permission.key);
                    self.quoted("RangeEnd", &permission.range_end);
                }
            }
            Answer::RoleList(list) => {
                self.header(list.header.as_ref());
                let roles = list
                    .roles
                    .iter()
                    .map(|role| format!(" {}", quote(role.as_bytes())));
                let roles: String = roles.collect();
                let _ = writeln!(self.out, "\"Roles\" :{roles}");
            }
            _ => match answer.plain_header() {
                Some(header) => self.header(header),
                None => return Err(Unsupported::Format("fields")),
            },
        }
        Ok(())
    }

    fn field(&mut self, name: &str, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "\"{name}\" : {value}");
    }

    fn quoted(&mut self, name: &str, bytes: &[u8]) {
        self.field(name, quote(bytes));
    }

    fn id(&mut self, name: &str, id: u64) {
        if self.hex {
            self.field(name, format_args!("{id:x}"));
        } else {
            self.field(name, id);
        }
    }

    fn lease(&mut self, name: &str, id: i64) {
        if self.hex {
            self.field(name, format_args!("{id:016x}"));
        } else {
            self.field(name, id);
        }
    }

    fn header(&mut self, header: Option<&ResponseHeader>) {
        let header = header.copied().unwrap_or_default();
        self.id("ClusterID", header.cluster_id);
        self.id("MemberID", header.member_id);
        if header.revision > 0 {
            self.field("Revision", header.revision);
        }
        self.field("RaftTerm", header.raft_term);
    }

    fn pair(&mut self, prefix: &str, kv: &KeyValue) {
        self.quoted(&format!("{prefix}Key"), &kv.key);
        self.field(&format!("{prefix}CreateRevision"), kv.create_revision);
        self.field(&format!("{prefix}ModRevision"), kv.mod_revision);
        self.field(&format!("{prefix}Version"), kv.version);
        self.quoted(&format!("{prefix}Value"), &kv.value);
        self.lease(&format!("{prefix}Lease"), kv.lease);
    }

    fn range(&mut self, range: &RangeResponse) {
        self.header(range.header.as_ref());
        range.kvs.iter().for_each(|kv| self.pair("", kv));
        self.field("More", range.more);
        self.field("Count", range.count);
    }

    fn put(&mut self, put: &PutResponse) {
        self.header(put.header.as_ref());
        put.prev_kv.iter().for_each(|kv| self.pair("Prev", kv));
    }

    fn delete(&mut self, delete: &DeleteRangeResponse) {
        self.header(delete.header.as_ref());
        self.field("Deleted", delete.deleted);
        delete.prev_kvs.iter().for_each(|kv| self.pair("Prev", kv));
    }

    fn txn(&mut self, txn: &TxnResponse) {
        self.header(txn.header.as_ref());
        self.field("Succeeded", txn.succeeded);
        for operation in &txn.responses {
            match &operation.response {
                Some(Response::ResponseRange(range)) => self.range(range),
                Some(Response::ResponsePut(put)) => self.put(put),
                Some(Response::ResponseDeleteRange(delete)) => self.delete(delete),
                Some(Response::ResponseTxn(nested)) => self.txn(nested),
                None => {}
            }
        }
    }

    fn watch(&mut self, watch: &WatchResponse) {
        self.header(watch.header.as_ref());
        for event in &watch.events {
            let delete = event.r#type == i32::from(EventType::Delete);
            self.field("Type", if delete { "DELETE" } else { "PUT" });
            event.prev_kv.iter().for_each(|kv| self.pair("Prev", kv));
            event.kv.iter().for_each(|kv| self.pair("", kv));
        }
    }

    fn time_to_live(&mut self, ttl: &LeaseTimeToLiveResponse) {
        self.header(ttl.header.as_ref());
        self.lease("ID", ttl.id);
        self.field("TTL", ttl.ttl);
        self.field("GrantedTTL", ttl.granted_ttl);
        ttl.keys.iter().for_each(|key| self.quoted("Key", key));
    }

    fn member(&mut self, member: &Member) {
        self.id("ID", member.id);
        self.quoted("Name", member.name.as_bytes());
        for url in &member.peer_ur_ls {
            self.quoted("PeerURL", url.as_bytes());
        }
        for url in &member.client_ur_ls {
            self.quoted("ClientURL", url.as_bytes());
        }
        self.field("IsLearner", member.is_learner);
        self.out.push('\n');
    }

    fn health(&mut self, health: &Health) {
        self.quoted("Endpoint", health.endpoint.as_bytes());
        self.field("Health", health.error.is_empty());
        self.field("Took", duration::format(health.took));
        self.field("Error", &health.error);
        self.out.push('\n');
    }

    fn status(&mut self, of: &Endpoint<StatusResponse>) {
        let status = &of.answer;
        let downgrade = status.downgrade_info.clone().unwrap_or_default();
        self.header(status.header.as_ref());
        self.quoted("Version", status.version.as_bytes());
        self.quoted("StorageVersion", status.storage_version.as_bytes());
        self.field("DBSize", status.db_size);
        self.field("DBSizeInUse", status.db_size_in_use);
        self.field("DBSizeQuota", status.db_size_quota);
        self.field("Leader", status.leader);
        self.field("IsLearner", status.is_learner);
        self.field("RaftIndex", status.raft_index);
        self.field("RaftTerm", status.raft_term);
        self.field("RaftAppliedIndex", status.raft_applied_index);
        self.field("Errors", format_args!("[{}]", status.errors.join(" ")));
        self.quoted("Endpoint", of.endpoint.as_bytes());
        self.quoted(
            "DowngradeTargetVersion",
            downgrade.target_version.as_bytes(),
        );
        self.field("DowngradeEnabled", downgrade.enabled);
        self.out.push('\n');
    }

    fn hash_kv(&mut self, of: &Endpoint<HashKvResponse>) {
        self.header(of.answer.header.as_ref());
        self.quoted("Endpoint", of.endpoint.as_bytes());
        self.field("Hash", of.answer.hash);
        self.field("HashRevision", of.answer.hash_revision);
        self.out.push('\n');
    }

    fn alarms(&mut self, alarms: &AlarmResponse) {
        self.header(alarms.header.as_ref());
        for alarm in &alarms.alarms {
            self.field("MemberID", alarm.member_id);
            self.field("AlarmType", alarm.alarm().as_str_name());
            self.out.push('\n');
        }
    }
}
