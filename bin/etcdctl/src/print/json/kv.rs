//! Pairs, transactions and watch answers as JSON.

use proto::etcdserverpb::{
    DeleteRangeResponse, PutResponse, RangeResponse, ResponseOp, TxnResponse, WatchResponse,
    response_op::Response,
};
use proto::mvccpb::{Event, KeyValue};

use super::writer::{Object, Writer};
use super::{header, header_fields};

pub(super) fn range(object: &mut Object<'_>, range: &RangeResponse) {
    header(object, range.header.as_ref());
    object.array_set("kvs", &range.kvs, pair);
    object.bool_set("more", range.more);
    object.number_set("count", range.count);
}

pub(super) fn put(object: &mut Object<'_>, put: &PutResponse) {
    header(object, put.header.as_ref());
    if let Some(prev) = &put.prev_kv {
        pair(object.key("prev_kv"), prev);
    }
}

pub(super) fn delete(object: &mut Object<'_>, delete: &DeleteRangeResponse) {
    header(object, delete.header.as_ref());
    object.number_set("deleted", delete.deleted);
    object.array_set("prev_kvs", &delete.prev_kvs, pair);
}

pub(super) fn txn(object: &mut Object<'_>, txn: &TxnResponse) {
    header(object, txn.header.as_ref());
    object.bool_set("succeeded", txn.succeeded);
    object.array_set("responses", &txn.responses, operation);
}

/// One operation's answer, in the wrapper of Go's structure.
fn operation(writer: &mut Writer, operation: &ResponseOp) {
    writer.object(|wrapper| match &operation.response {
        None => wrapper.raw("Response", "null"),
        Some(response) => wrapper.object("Response", |object| match response {
            Response::ResponseRange(answer) => {
                object.object("response_range", |object| range(object, answer));
            }
            Response::ResponsePut(answer) => {
                object.object("response_put", |object| put(object, answer));
            }
            Response::ResponseDeleteRange(answer) => {
                object.object("response_delete_range", |object| delete(object, answer));
            }
            Response::ResponseTxn(answer) => {
                object.object("response_txn", |object| txn(object, answer));
            }
        }),
    });
}

pub(super) fn watch(object: &mut Object<'_>, watch: &WatchResponse) {
    let header = watch.header.unwrap_or_default();
    object.object("Header", |object| header_fields(object, &header));
    match &watch.events[..] {
        [] => object.raw("Events", "null"),
        events => object.key("Events").array(events, event),
    }
    object.raw("CompactRevision", watch.compact_revision);
    object.raw("Canceled", watch.canceled);
    object.raw("Created", watch.created);
    object.text("CancelReason", &watch.cancel_reason);
}

fn event(writer: &mut Writer, event: &Event) {
    writer.object(|object| {
        object.number_set("type", event.r#type);
        if let Some(kv) = &event.kv {
            pair(object.key("kv"), kv);
        }
        if let Some(prev) = &event.prev_kv {
            pair(object.key("prev_kv"), prev);
        }
    });
}

fn pair(writer: &mut Writer, kv: &KeyValue) {
    writer.object(|object| {
        object.bytes_set("key", &kv.key);
        object.number_set("create_revision", kv.create_revision);
        object.number_set("mod_revision", kv.mod_revision);
        object.number_set("version", kv.version);
        object.bytes_set("value", &kv.value);
        object.number_set("lease", kv.lease);
    });
}
