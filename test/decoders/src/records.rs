//! Small values that are stored or sent by themselves.

use bytes::Bytes;
use cluster::{ConfChange, Member, Version};
use lease::LeaseRecord;
use types::{Record, RecordKey};

/// Stored pairs and their keys: what decodes, encodes to something that decodes to the same.
pub(crate) fn mvcc(bytes: &[u8]) {
    if let Ok(record) = Record::decode(&Bytes::copy_from_slice(bytes)) {
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }
    if let Ok(key) = RecordKey::decode(bytes) {
        key.with_bytes(|again| assert_eq!(again, bytes));
    }
}

/// Configuration changes, members and versions.
pub(crate) fn cluster(bytes: &[u8]) {
    if let Ok(change) = ConfChange::decode(&Bytes::copy_from_slice(bytes)) {
        assert_eq!(ConfChange::decode(&change.encode()), Ok(change.clone()));
        // Its context may say anything.
        let _ = change.change();
    }
    if let Ok(member) = Member::decode(bytes) {
        assert_eq!(Member::decode(member.encode().as_bytes()), Ok(member));
    }
    if let Ok(version) = String::from_utf8_lossy(bytes).parse::<Version>() {
        assert_eq!(version.to_string().parse(), Ok(version));
    }
    let _ = cluster::parse_member_id(bytes);
}

/// Lease records: the first eight bytes are the key in the bucket.
pub(crate) fn lease(bytes: &[u8]) {
    let (key, value) = bytes.split_at(bytes.len().min(8));
    if let Ok(record) = LeaseRecord::decode(key, value) {
        let again = LeaseRecord::decode(&LeaseRecord::key(record.id), &record.encode());
        assert_eq!(again, Ok(record));
    }
}
