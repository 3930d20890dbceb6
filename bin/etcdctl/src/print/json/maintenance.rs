//! Health, status, hashes and alarms as JSON.

use proto::etcdserverpb::{AlarmResponse, HashKvResponse, StatusResponse};

use super::header;
use super::writer::{Object, Writer};
use crate::print::answer::{Endpoint, Health};
use notation::duration;

pub(super) fn health(writer: &mut Writer, health: &Health) {
    writer.object(|object| {
        object.text("endpoint", &health.endpoint);
        object.raw("health", health.error.is_empty());
        object.text("took", &duration::format(health.took));
        object.text_set("error", &health.error);
    });
}

pub(super) fn status(writer: &mut Writer, of: &Endpoint<StatusResponse>) {
    writer.object(|object| {
        object.text("Endpoint", &of.endpoint);
        object.object("Status", |object| status_fields(object, &of.answer));
    });
}

fn status_fields(object: &mut Object<'_>, status: &StatusResponse) {
    header(object, status.header.as_ref());
    object.text_set("version", &status.version);
    object.number_set("dbSize", status.db_size);
    object.number_set("leader", status.leader);
    object.number_set("raftIndex", status.raft_index);
    object.number_set("raftTerm", status.raft_term);
    object.number_set("raftAppliedIndex", status.raft_applied_index);
    object.array_set("errors", &status.errors, |writer, error| writer.text(error));
    object.number_set("dbSizeInUse", status.db_size_in_use);
    object.bool_set("isLearner", status.is_learner);
    object.text_set("storageVersion", &status.storage_version);
    object.number_set("dbSizeQuota", status.db_size_quota);
    if let Some(info) = &status.downgrade_info {
        object.object("downgradeInfo", |object| {
            object.bool_set("enabled", info.enabled);
            object.text_set("targetVersion", &info.target_version);
        });
    }
}

pub(super) fn hash_kv(writer: &mut Writer, of: &Endpoint<HashKvResponse>) {
    writer.object(|object| {
        object.text("Endpoint", &of.endpoint);
        object.object("HashKV", |object| {
            let hash = &of.answer;
            header(object, hash.header.as_ref());
            object.number_set("hash", hash.hash);
            object.number_set("compact_revision", hash.compact_revision);
            object.number_set("hash_revision", hash.hash_revision);
        });
    });
}

pub(super) fn alarms(object: &mut Object<'_>, alarms: &AlarmResponse) {
    header(object, alarms.header.as_ref());
    object.array_set("alarms", &alarms.alarms, |writer, alarm| {
        writer.object(|object| {
            object.number_set("memberID", alarm.member_id);
            object.number_set("alarm", alarm.alarm);
        });
    });
}
