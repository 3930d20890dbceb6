//! What a proposal asks for, by the names that etcd's metrics have for it.

use types::Entry;
use wire::{Fields, Value};

/// The field of a proposal in which its header stands.
const HEADER: u64 = 100;

/// The names by the number of the field that a proposal has set.
const NAMES: [(u64, &str); 26] = [
    (4, "Put"),
    (5, "DeleteRange"),
    (6, "Txn"),
    (7, "Compaction"),
    (8, "LeaseGrant"),
    (9, "LeaseRevoke"),
    (10, "Alarm"),
    (11, "LeaseCheckpoint"),
    (1000, "AuthEnable"),
    (1011, "AuthDisable"),
    (1012, "Authenticate"),
    (1013, "AuthStatus"),
    (1100, "AuthUserAdd"),
    (1101, "AuthUserDelete"),
    (1102, "AuthUserGet"),
    (1103, "AuthUserChangePassword"),
    (1104, "AuthUserGrantRole"),
    (1105, "AuthUserRevokeRole"),
    (1106, "AuthUserList"),
    (1107, "AuthRoleList"),
    (1200, "AuthRoleAdd"),
    (1201, "AuthRoleDelete"),
    (1202, "AuthRoleGet"),
    (1203, "AuthRoleGrantPermission"),
    (1204, "AuthRoleRevokePermission"),
    (1300, "ClusterVersionSet"),
];

/// Names beside those of proposals.
const OTHERS: [&str; 6] = [
    "ClusterMemberAttrSet",
    "DowngradeInfoSet",
    "DowngradeVersionTest",
    "Range",
    "ReadonlyTxn",
    "unknown",
];

/// An operation that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Op(u8);

impl Op {
    /// How many there are.
    pub(crate) const COUNT: usize = NAMES.len() + OTHERS.len();
    const OTHER: u8 = NAMES.len() as u8;
    /// A range that a client asked for.
    pub(crate) const RANGE: Self = Self(Self::OTHER + 3);
    /// A transaction that only reads.
    pub(crate) const READONLY_TXN: Self = Self(Self::OTHER + 4);
    /// A lease is granted.
    pub(crate) const LEASE_GRANT: Self = Self(4);
    /// A lease is revoked.
    pub(crate) const LEASE_REVOKE: Self = Self(5);
    const UNKNOWN: Self = Self(Self::OTHER + 5);

    /// What an entry of the log asks for; nothing if it is no request.
    pub(crate) fn of_entry(entry: &Entry) -> Option<Self> {
        let is_request = entry.kind == types::EntryKind::Normal && !entry.data.is_empty();
        is_request.then(|| Self::of_proposal(&entry.data))
    }

    /// What an encoded proposal asks for: its first field beside the header.
    pub(crate) fn of_proposal(data: &[u8]) -> Self {
        for (field, value) in Fields::new(data).map_while(Result::ok) {
            if field != HEADER && matches!(value, Value::Bytes(_)) {
                return Self::of_field(field);
            }
        }
        Self::UNKNOWN
    }

    fn of_field(field: u64) -> Self {
        let other = |at: u8| Self(Self::OTHER + at);
        match field {
            1301 => other(0),
            1302 => other(1),
            9900 => other(2),
            _ => {
                let place = NAMES.iter().position(|(number, _)| *number == field);
                let place = place.and_then(|place| u8::try_from(place).ok());
                place.map_or(Self::UNKNOWN, Self)
            }
        }
    }

    /// Its place among all.
    pub(crate) fn place(self) -> usize {
        usize::from(self.0)
    }

    /// The name of the operation at a place.
    pub(crate) fn name(place: usize) -> &'static str {
        match NAMES.get(place) {
            Some((_, name)) => name,
            None => OTHERS.get(place - NAMES.len()).unwrap_or(&"unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use proto::etcdserverpb::{InternalRaftRequest, PutRequest, RequestHeader, TxnRequest};
    use proto::membershippb::DowngradeInfoSetRequest;

    use super::*;

    /// A dashboard that shows puts as transactions is worse than none.
    #[test]
    fn operations_of_proposals() {
        let header = Some(RequestHeader {
            id: u64::MAX,
            username: "u".repeat(300),
            auth_revision: 7,
        });
        let of = |request: InternalRaftRequest| {
            let request = InternalRaftRequest {
                header: header.clone(),
                ..request
            };
            Op::name(Op::of_proposal(&request.encode_to_vec()).place())
        };
        let put = InternalRaftRequest {
            put: Some(PutRequest::default()),
            ..InternalRaftRequest::default()
        };
        assert_eq!(of(put), "Put");
        let txn = InternalRaftRequest {
            txn: Some(TxnRequest::default()),
            ..InternalRaftRequest::default()
        };
        assert_eq!(of(txn), "Txn");
        let downgrade = InternalRaftRequest {
            downgrade_info_set: Some(DowngradeInfoSetRequest::default()),
            ..InternalRaftRequest::default()
        };
        assert_eq!(of(downgrade), "DowngradeInfoSet");
        assert_eq!(of(InternalRaftRequest::default()), "unknown");
        assert_eq!(Op::of_proposal(b"\xff"), Op::UNKNOWN);
        assert_eq!(Op::name(Op::LEASE_GRANT.place()), "LeaseGrant");
        assert_eq!(Op::name(Op::LEASE_REVOKE.place()), "LeaseRevoke");
        assert_eq!(Op::name(Op::RANGE.place()), "Range");
        assert_eq!(Op::name(Op::READONLY_TXN.place()), "ReadonlyTxn");
        assert_eq!(Op::name(Op::COUNT - 1), "unknown");
    }
}
