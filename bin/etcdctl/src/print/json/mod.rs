//! The JSON format: one line an answer.
//!
//! Most answers are their message with its field names, in field order, zero values left out.
//! Watch answers, endpoint lists and leases have shapes of their own, which come from the Go
//! structures that etcdctl prints.

mod auth;
mod cluster;
mod kv;
mod lease;
mod maintenance;
pub(crate) mod writer;

use proto::etcdserverpb::ResponseHeader;

use self::writer::{Object, Writer};
use super::answer::Answer;

/// Writes an answer as one line.
pub(crate) fn render(answer: &Answer, hex: bool) -> Vec<u8> {
    let mut writer = Writer::default();
    value(&mut writer, answer, hex);
    let mut line = writer.into_string();
    line.push('\n');
    line.into_bytes()
}

fn value(writer: &mut Writer, answer: &Answer, hex: bool) {
    match answer {
        Answer::Range(range, _) => writer.object(|object| kv::range(object, range)),
        Answer::Put(put) => writer.object(|object| kv::put(object, put)),
        Answer::Delete(delete) => writer.object(|object| kv::delete(object, delete)),
        Answer::Txn(txn) => writer.object(|object| kv::txn(object, txn)),
        Answer::Watch(watch) => writer.object(|object| kv::watch(object, watch)),
        Answer::LeaseGrant(grant) => writer.object(|object| lease::grant(object, grant)),
        Answer::LeaseRevoke(_, revoke) => headed(writer, revoke.header.as_ref()),
        Answer::LeaseTimeToLive(ttl, _) => writer.object(|object| lease::ttl(object, ttl)),
        Answer::LeaseList(list) => writer.object(|object| lease::list(object, list)),
        Answer::LeaseKeepAlive(alive) => writer.object(|object| lease::keep_alive(object, alive)),
        Answer::MemberAdd(add, _) => cluster::add(writer, add, hex),
        Answer::MemberRemove(_, remove) => {
            cluster::members(writer, remove.header.as_ref(), &remove.members, hex);
        }
        Answer::MemberUpdate(_, update) => {
            cluster::members(writer, update.header.as_ref(), &update.members, hex);
        }
        Answer::MemberPromote(_, promote) => {
            cluster::members(writer, promote.header.as_ref(), &promote.members, hex);
        }
        Answer::MemberList(list) => {
            cluster::members(writer, list.header.as_ref(), &list.members, hex);
        }
        Answer::Health(list) => writer.array(list, maintenance::health),
        // An empty list of Go that nothing was put into.
        Answer::Status(list) if list.is_empty() => writer.raw("null"),
        Answer::HashKv(list) if list.is_empty() => writer.raw("null"),
        Answer::Status(list) => writer.array(list, maintenance::status),
        Answer::HashKv(list) => writer.array(list, maintenance::hash_kv),
        Answer::MoveLeader(_, _, moved) => headed(writer, moved.header.as_ref()),
        Answer::Alarms(alarms) => writer.object(|object| maintenance::alarms(object, alarms)),
        Answer::Downgrade(_, downgrade) => writer.object(|object| {
            header(object, downgrade.header.as_ref());
            object.text_set("version", &downgrade.version);
        }),
        _ => auth::value(writer, answer),
    }
}

/// An object with only a header.
fn headed(writer: &mut Writer, of: Option<&ResponseHeader>) {
    writer.object(|object| header(object, of));
}

fn header(object: &mut Object<'_>, header: Option<&ResponseHeader>) {
    if let Some(header) = header {
        object.object("header", |object| header_fields(object, header));
    }
}

fn header_fields(object: &mut Object<'_>, header: &ResponseHeader) {
    object.number_set("cluster_id", header.cluster_id);
    object.number_set("member_id", header.member_id);
    object.number_set("revision", header.revision);
    object.number_set("raft_term", header.raft_term);
}
