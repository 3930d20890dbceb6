//! Lease answers as JSON: the header's fields stand beside the others.

use bytes::Bytes;
use proto::etcdserverpb::{
    LeaseGrantResponse, LeaseKeepAliveResponse, LeaseLeasesResponse, LeaseTimeToLiveResponse,
    ResponseHeader,
};

use super::header_fields;
use super::writer::{Object, Writer};

pub(super) fn grant(object: &mut Object<'_>, grant: &LeaseGrantResponse) {
    flat_header(object, grant.header.as_ref());
    object.raw("ID", grant.id);
    object.raw("TTL", grant.ttl);
    object.text("Error", &grant.error);
}

pub(super) fn keep_alive(object: &mut Object<'_>, alive: &LeaseKeepAliveResponse) {
    flat_header(object, alive.header.as_ref());
    object.raw("ID", alive.id);
    object.raw("TTL", alive.ttl);
}

pub(super) fn ttl(object: &mut Object<'_>, ttl: &LeaseTimeToLiveResponse) {
    flat_header(object, ttl.header.as_ref());
    object.raw("id", ttl.id);
    object.raw("ttl", ttl.ttl);
    object.raw("granted-ttl", ttl.granted_ttl);
    match &ttl.keys[..] {
        [] => object.raw("keys", "null"),
        keys => object
            .key("keys")
            .array(keys, |writer: &mut Writer, key: &Bytes| writer.bytes(key)),
    }
}

pub(super) fn list(object: &mut Object<'_>, list: &LeaseLeasesResponse) {
    flat_header(object, list.header.as_ref());
    object.key("leases").array(&list.leases, |writer, lease| {
        writer.object(|object| object.raw("id", lease.id));
    });
}

fn flat_header(object: &mut Object<'_>, header: Option<&ResponseHeader>) {
    if let Some(header) = header {
        header_fields(object, header);
    }
}
