//! Who may do what when an entry is applied: random nested transactions against a flat model, and the
//! callers that headers name.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use apply::{
    Alarms, Apply, Options, Outcome, Permit, Rejected, Response, SharedLeases, TokenChange,
};
use auth::{AuthError, AuthState, NewUser, Permission, Who};
use bytes::Bytes;
use cluster::Membership;
use disk::MemDir;
use lease::{Instant, LeaseTable};
use proptest::prelude::*;
use prost::Message as _;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    AuthDisableRequest, AuthEnableRequest, AuthRoleAddRequest, AuthUserAddRequest,
    AuthUserDeleteRequest, AuthUserGrantRoleRequest, Compare, DeleteRangeRequest,
    InternalAuthenticateRequest, InternalRaftRequest, LeaseRevokeRequest, PutRequest, RangeRequest,
    RequestHeader, RequestOp, TxnRequest,
};
use types::{ClusterId, Entry, EntryKind, Index, LeaseId, Term};

const KEYS: [&str; 4] = ["a", "b", "c", "d"];
const ENDS: [&str; 5] = ["", "\0", "b", "c", "e"];

/// What one operation asks for, in the plainest form: whether it writes, first key, end.
type Needs = Vec<(bool, &'static str, &'static str)>;

/// A random transaction, and everything that it needs.
fn txns() -> impl Strategy<Value = (TxnRequest, Needs)> {
    let leaf = operations().prop_map(|(op, needs)| {
        let txn = TxnRequest {
            success: vec![op],
            ..TxnRequest::default()
        };
        (txn, needs)
    });
    leaf.prop_recursive(4, 24, 3, |inner| {
        let nested = inner.prop_map(|(txn, needs)| {
            let request = Some(Request::RequestTxn(txn));
            (RequestOp { request }, needs)
        });
        let op = || prop_oneof![2 => operations(), 1 => nested.clone()];
        let branch = || prop::collection::vec(op(), 0..3);
        let compares = prop::collection::vec((0..KEYS.len(), 0..ENDS.len()), 0..2);
        (compares, branch(), branch()).prop_map(|(compares, success, failure)| {
            let mut needs = Needs::new();
            let mut txn = TxnRequest::default();
            for (key, end) in compares {
                needs.push((false, KEYS[key], ENDS[end]));
                txn.compare.push(Compare {
                    key: KEYS[key].into(),
                    range_end: ENDS[end].into(),
                    ..Compare::default()
                });
            }
            for (ops, branch) in [(success, &mut txn.success), (failure, &mut txn.failure)] {
                for (op, more) in ops {
                    needs.extend(more);
                    branch.push(op);
                }
            }
            (txn, needs)
        })
    })
}

fn operations() -> impl Strategy<Value = (RequestOp, Needs)> {
    let parts = (
        0..3,
        0..KEYS.len(),
        0..ENDS.len(),
        any::<bool>(),
        any::<bool>(),
    );
    parts.prop_map(|(kind, key, end, prev_kv, leased)| {
        let (key, range_end) = (KEYS[key], ENDS[end]);
        let mut needs = Needs::new();
        let request = match kind {
            0 => {
                needs.push((false, key, range_end));
                Request::RequestRange(RangeRequest {
                    key: key.into(),
                    range_end: range_end.into(),
                    ..RangeRequest::default()
                })
            }
            1 => {
                needs.push((true, key, ""));
                if leased {
                    // `d` hangs on the lease.
                    needs.push((true, "d", ""));
                }
                if prev_kv {
                    needs.push((false, key, ""));
                }
                Request::RequestPut(PutRequest {
                    key: key.into(),
                    lease: i64::from(leased),
                    prev_kv,
                    ..PutRequest::default()
                })
            }
            _ => {
                needs.push((true, key, range_end));
                if prev_kv {
                    needs.push((false, key, range_end));
                }
                Request::RequestDeleteRange(DeleteRangeRequest {
                    key: key.into(),
                    range_end: range_end.into(),
                    prev_kv,
                })
            }
        };
        (
            RequestOp {
                request: Some(request),
            },
            needs,
        )
    })
}

fn grants() -> impl Strategy<Value = Vec<(i32, &'static str, &'static str)>> {
    let grant = (0..3, 0..KEYS.len(), 0..ENDS.len());
    let grant = grant.prop_map(|(kind, key, end)| (kind, KEYS[key], ENDS[end]));
    let grant = grant.prop_filter("a range with keys", |(_, key, end)| {
        end.is_empty() || *end == "\0" || key < end
    });
    prop::collection::vec(grant, 0..5)
}

fn user(state: &mut AuthState, name: &str, role: &str) {
    let new = NewUser {
        name,
        hashed_password: "",
        no_password: false,
    };
    state.user_add(new).unwrap();
    if role != "root" {
        state.role_add(role).unwrap();
    }
    state.user_grant_role(name, role).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// A transaction is allowed exactly when each thing that it might do would be, one by one.
    #[test]
    fn nested_transactions((txn, needs) in txns(), grants in grants()) {
        let mut state = AuthState::default();
        user(&mut state, "root", "root");
        user(&mut state, "u", "r");
        for (kind, key, range_end) in &grants {
            let (key, range_end) = (Bytes::from(*key), Bytes::from(*range_end));
            let permission = Permission { kind: *kind, key, range_end };
            state.role_grant_permission("r", Some(permission)).unwrap();
        }
        state.enable().unwrap();
        let mut table = LeaseTable::new(lease::Options::for_election_timeout(Duration::from_secs(1)));
        table.grant(LeaseId(1), 60, Instant(Duration::ZERO)).unwrap();
        table.attach(Bytes::from("d"), LeaseId(1)).unwrap();
        let leases = SharedLeases::new(table);
        let permit = |user| Permit {
            auth: &state,
            who: Who { user, revision: state.revision() },
            leases: &leases,
        };
        // Every operation alone, as a request of its own.
        let alone = needs.iter().all(|(writes, key, end)| {
            let (key, range_end) = (Bytes::from(*key), Bytes::from(*end));
            let permit = permit("u");
            match writes {
                true => permit.delete_range(&DeleteRangeRequest { key, range_end, prev_kv: false }),
                false => permit.range(&RangeRequest { key, range_end, ..RangeRequest::default() }),
            }
            .is_ok()
        });
        prop_assert_eq!(permit("u").txn(&txn).is_ok(), alone);
        prop_assert_eq!(permit("root").txn(&txn), Ok(()));
        prop_assert_eq!(permit("x").txn(&txn).is_ok(), needs.is_empty());
        let nobody = Permit { who: Who::default(), ..permit("") };
        let refused = match needs.is_empty() {
            true => Ok(()),
            false => Err(Rejected::Auth(AuthError::UserEmpty)),
        };
        prop_assert_eq!(nobody.txn(&txn), refused);
    }
}

/// A replica on a disk in memory.
struct Replica {
    apply: Apply,
    _store: store::Store,
    next: u64,
}

impl Replica {
    fn new() -> Self {
        let (options, memory) = (store::Options::default(), mvcc::Options::default());
        let (writer, _, store) = mvcc::open(Arc::new(MemDir::new()), options, memory).unwrap();
        let table = LeaseTable::new(lease::Options::for_election_timeout(Duration::from_secs(1)));
        let apply = Apply::new(
            writer,
            SharedLeases::new(table),
            Alarms::default(),
            Membership::new(ClusterId(1), cluster::Options::default()),
            Index(0),
            Options { quota_bytes: None },
        );
        Self {
            apply,
            _store: store,
            next: 1,
        }
    }

    /// Applies a request of a user who was identified at an auth revision.
    fn run(&mut self, who: (&str, u64), request: InternalRaftRequest) -> Outcome {
        let header = RequestHeader {
            id: self.next,
            username: who.0.into(),
            auth_revision: who.1,
        };
        let request = InternalRaftRequest {
            header: Some(header),
            ..request
        };
        let entry = Entry {
            kind: EntryKind::Normal,
            term: Term(1),
            index: Index(self.next),
            data: request.encode_to_vec().into(),
        };
        self.next += 1;
        self.apply
            .entry(&entry, Instant(Duration::ZERO), false)
            .unwrap()
    }

    fn ask(
        &mut self,
        who: (&str, u64),
        request: InternalRaftRequest,
    ) -> Result<Response, Rejected> {
        self.run(who, request).applied.unwrap().result
    }
}

fn none() -> InternalRaftRequest {
    InternalRaftRequest::default()
}

fn put(key: &'static str) -> InternalRaftRequest {
    let put = PutRequest {
        key: key.into(),
        ..PutRequest::default()
    };
    InternalRaftRequest {
        put: Some(put),
        ..none()
    }
}

fn add_user(name: &str) -> InternalRaftRequest {
    let add = AuthUserAddRequest {
        name: name.into(),
        ..AuthUserAddRequest::default()
    };
    InternalRaftRequest {
        auth_user_add: Some(Box::new(add)),
        ..none()
    }
}

/// Root exists and authentication is on, at auth revision 3.
fn enabled() -> Replica {
    let mut replica = Replica::new();
    replica.ask(("", 0), add_user("root")).unwrap();
    let grant = AuthUserGrantRoleRequest {
        user: "root".into(),
        role: "root".into(),
    };
    let grant = InternalRaftRequest {
        auth_user_grant_role: Some(grant),
        ..none()
    };
    replica.ask(("", 0), grant).unwrap();
    let enable = InternalRaftRequest {
        auth_enable: Some(AuthEnableRequest {}),
        ..none()
    };
    assert!(replica.run(("", 0), enable).auth_changed);
    assert_eq!(replica.apply.auth().revision(), 3);
    replica
}

/// An entry is judged by what its header says and by the users as of its place in the log.
#[test]
fn headers_decide() {
    let mut replica = enabled();
    let auth = |error| Some(Rejected::Auth(error));
    assert_eq!(
        replica.ask(("", 0), put("k")).err(),
        auth(AuthError::UserEmpty)
    );
    assert_eq!(
        replica.ask(("root", 2), put("k")).err(),
        auth(AuthError::OldRevision)
    );
    assert_eq!(
        replica.ask(("x", 3), put("k")).err(),
        auth(AuthError::PermissionDenied)
    );
    assert_eq!(replica.apply.writer().revision(), 1, "nothing was written");
    assert_eq!(replica.ask(("root", 3), put("k")).err(), None);
    let add = |replica: &mut Replica, who| replica.ask(who, add_user("u")).err();
    assert_eq!(add(&mut replica, ("", 0)), auth(AuthError::UserEmpty));
    assert_eq!(add(&mut replica, ("x", 3)), auth(AuthError::UserNotFound));
    assert_eq!(
        add(&mut replica, ("root", 1)),
        None,
        "administrators may be behind"
    );
    assert_eq!(
        add(&mut replica, ("u", 4)),
        auth(AuthError::PermissionDenied)
    );
    assert_eq!(
        replica.ask(("root", 3), put("k")).err(),
        auth(AuthError::OldRevision)
    );
    // A lease without keys, or none, is anybody's to end, as in etcd.
    let revoke = InternalRaftRequest {
        lease_revoke: Some(LeaseRevokeRequest { id: 5 }),
        ..none()
    };
    assert_eq!(
        replica.ask(("u", 4), revoke).err(),
        Some(Rejected::LeaseNotFound)
    );
}

/// All members must make the same token of a login, and forget it at the same entry.
#[test]
fn logins() {
    let mut replica = enabled();
    let login = |name: &str| {
        let authenticate = InternalAuthenticateRequest {
            name: name.into(),
            simple_token: "abcdefghijklmnop".into(),
            ..InternalAuthenticateRequest::default()
        };
        InternalRaftRequest {
            authenticate: Some(Box::new(authenticate)),
            ..none()
        }
    };
    let index = replica.next;
    let outcome = replica.run(("", 0), login("root"));
    let Some(TokenChange::Assign(assigned)) = outcome.tokens else {
        panic!("no token");
    };
    assert_eq!(assigned.token(), format!("abcdefghijklmnop.{}", index - 1));
    assert_eq!((assigned.user.as_str(), assigned.revision), ("root", 3));
    assert!(!outcome.auth_changed && !format!("{assigned:?}").contains("abcdef"));
    let unknown = replica.run(("", 0), login("x"));
    assert_eq!(unknown.tokens, None);
    assert_eq!(
        unknown.applied.unwrap().result.err(),
        Some(Rejected::Auth(AuthError::Failed))
    );
    replica.ask(("root", 3), add_user("u")).unwrap();
    let delete = AuthUserDeleteRequest { name: "u".into() };
    let delete = InternalRaftRequest {
        auth_user_delete: Some(delete),
        ..none()
    };
    let deleted = replica.run(("root", 4), delete.clone());
    assert_eq!(deleted.tokens, Some(TokenChange::RevokeUser("u".into())));
    assert_eq!(
        replica.run(("root", 5), delete).tokens,
        None,
        "there is no such user"
    );
    let role = AuthRoleAddRequest { name: "r".into() };
    let role = InternalRaftRequest {
        auth_role_add: Some(role),
        ..none()
    };
    assert_eq!(replica.run(("root", 5), role).tokens, None);
    let disable = InternalRaftRequest {
        auth_disable: Some(AuthDisableRequest {}),
        ..none()
    };
    let disabled = replica.run(("root", 6), disable.clone());
    assert_eq!(disabled.tokens, Some(TokenChange::RevokeAll));
    assert_eq!(
        replica.run(("root", 6), disable).tokens,
        None,
        "it is off already"
    );
    assert_eq!(replica.ask(("", 0), put("k")).err(), None);
}
