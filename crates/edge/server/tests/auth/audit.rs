//! The audit log: who did what, with what result, and never with what value.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use prost::Message;
use proto::etcdserverpb::compare::TargetUnion;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    AuthUserAddRequest, AuthUserChangePasswordRequest, AuthenticateRequest, Compare, PutRequest,
    PutResponse, RequestOp, TxnRequest,
};
use proto::v3electionpb::{CampaignRequest, LeaderKey, ProclaimRequest};
use proto::v3lockpb::{LockRequest, LockResponse};
use serde_json::Value;
use server::audit::{AuditConfig, Output, Policy};

use crate::methods::row;
use crate::world::{KV, World, password};

/// What must turn up in no line.
const SECRET: &str = "PLANTED";

/// A log in memory.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Output for Kept {
    fn append(&self, lines: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().extend_from_slice(lines);
        Ok(())
    }
}

impl Kept {
    async fn world(&self) -> World {
        let output = Arc::new(self.clone());
        World::with(|config| {
            config.audit = Some(AuditConfig {
                policy: Policy::default(),
                output,
            });
        })
        .await
    }

    /// All lines, once the member has written them.
    fn lines(&self, world: World) -> Vec<Value> {
        drop(world.member.stop());
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// A request of each kind that carries something secret.
fn with_secret(service: &str, method: &str) -> Option<Bytes> {
    let secret = || SECRET.to_owned();
    let put = || PutRequest {
        key: "k3".into(),
        value: SECRET.into(),
        ..PutRequest::default()
    };
    let op = |request| {
        vec![RequestOp {
            request: Some(request),
        }]
    };
    let leader = || LeaderKey {
        name: "k".into(),
        key: "k/8".into(),
        ..LeaderKey::default()
    };
    let bytes = match (service, method) {
        (KV, "Put") => put().encode_to_vec(),
        (KV, "Txn") => {
            let compare = || Compare {
                key: "k1".into(),
                target_union: Some(TargetUnion::Value(SECRET.into())),
                target: 3,
                ..Compare::default()
            };
            let inner = TxnRequest {
                compare: vec![compare()],
                success: op(Request::RequestPut(put())),
                failure: op(Request::RequestPut(put())),
            };
            TxnRequest {
                compare: vec![compare()],
                success: op(Request::RequestTxn(inner.clone())),
                failure: op(Request::RequestTxn(inner)),
            }
            .encode_to_vec()
        }
        (_, "Authenticate") => AuthenticateRequest {
            name: "exact".into(),
            password: secret(),
        }
        .encode_to_vec(),
        (_, "UserAdd") => AuthUserAddRequest {
            name: "n".into(),
            password: secret(),
            hashed_password: secret(),
            ..AuthUserAddRequest::default()
        }
        .encode_to_vec(),
        (_, "UserChangePassword") => AuthUserChangePasswordRequest {
            name: "n".into(),
            password: secret(),
            hashed_password: secret(),
        }
        .encode_to_vec(),
        (_, "Campaign") => CampaignRequest {
            name: "k".into(),
            lease: 8,
            value: SECRET.into(),
        }
        .encode_to_vec(),
        (_, "Proclaim") => ProclaimRequest {
            leader: Some(leader()),
            value: SECRET.into(),
        }
        .encode_to_vec(),
        _ => return None,
    };
    Some(bytes.into())
}

/// An audit log is read by more people than the data: one secret in it makes it a leak.
#[tokio::test]
async fn no_secret_of_any_method_is_recorded() {
    let kept = Kept::default();
    let world = kept.world().await;
    let (last, first): (Vec<&proto::Method>, Vec<_>) = proto::METHODS
        .iter()
        .partition(|method| method.name == "AuthDisable");
    let planted_token = format!("{SECRET}.1");
    let tokens = [world.exact.clone(), world.root.clone()];
    for method in first.into_iter().chain(last) {
        let (service, name) = (method.service, method.name);
        let message = with_secret(service, name);
        let message = message
            .or_else(|| row(service, name).map(|(_, message)| message))
            .unwrap();
        for token in [planted_token.as_str(), &tokens[0], &tokens[1]] {
            // Whatever comes of it.
            let _ = world
                .raw
                .call(service, name, Some(token), message.clone())
                .await;
        }
    }
    let lines = kept.lines(world);
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let mut secrets = vec![SECRET.to_owned(), password("root"), password("exact")];
    secrets.extend(tokens);
    for secret in &secrets {
        assert!(!text.contains(secret), "{secret} is in the log");
        assert!(!text.contains(&base64(secret)), "{secret} is in the log");
    }
    for method in &proto::METHODS {
        let rpc = format!("/{}/{}", method.service, method.name);
        let count = lines.iter().filter(|line| line["rpc"] == *rpc).count();
        assert!(
            count >= 3,
            "{rpc} was called three times and told {count} times"
        );
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(text)
}

/// A line that names the wrong user, key or result accuses the wrong person.
#[tokio::test]
async fn who_did_what() {
    let kept = Kept::default();
    let world = kept.world().await;
    let put = |key: &'static str| PutRequest {
        key: key.into(),
        value: "v".into(),
        ..Default::default()
    };
    let written: PutResponse = world
        .raw
        .ask((KV, "Put"), Some(&world.exact), &put("k-mine"))
        .await
        .unwrap();
    let denied = world.put(&world.stranger, &put("k-others")).await;
    assert!(denied.is_err());
    assert!(world.put("nonsense", &put("k-nobody")).await.is_err());
    let lock = LockRequest {
        name: "k".into(),
        lease: 8,
    };
    let lock = lock.encode_to_vec().into();
    let locked = world
        .raw
        .call("v3lockpb.Lock", "Lock", Some(&world.exact), lock)
        .await;
    assert!(LockResponse::decode(locked.unwrap()).is_ok());
    let watch = row("etcdserverpb.Watch", "Watch").unwrap().1;
    for token in [&world.exact, &world.stranger] {
        world
            .raw
            .call("etcdserverpb.Watch", "Watch", Some(token), watch.clone())
            .await
            .unwrap();
    }
    let keep_alive = row("etcdserverpb.Lease", "LeaseKeepAlive").unwrap().1;
    for token in [&world.exact, &world.stranger] {
        let at = ("etcdserverpb.Lease", "LeaseKeepAlive");
        let _ = world
            .raw
            .call(at.0, at.1, Some(token), keep_alive.clone())
            .await;
    }
    let lines = kept.lines(world);
    let of = |rpc: &str, user: &str| -> &Value {
        let found: Vec<&Value> = lines
            .iter()
            .filter(|line| line["rpc"] == rpc && line["user"] == user)
            .collect();
        assert_eq!(found.len(), 1, "{rpc} by {user}: {found:?}");
        found[0]
    };
    let line = of("/etcdserverpb.KV/Put", "exact");
    assert_eq!(
        line["keys"],
        serde_json::json!([{"op": "put", "key": "k-mine"}])
    );
    assert_eq!(line["code"], "OK");
    assert_eq!(line["revision"], written.header.unwrap().revision);
    assert!(line["client"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert!(line["latency_us"].as_u64().unwrap() > 0);
    assert_eq!(
        of("/etcdserverpb.KV/Put", "stranger")["code"],
        "PermissionDenied"
    );
    let nobody = lines
        .iter()
        .find(|line| line["keys"][0]["key"] == "k-nobody")
        .unwrap();
    assert_eq!(
        (&nobody["code"], &nobody["user"]),
        (&"Unauthenticated".into(), &Value::Null)
    );
    // The steps that the lock is made of are not the user's requests.
    assert_eq!(of("/v3lockpb.Lock/Lock", "exact")["keys"][0]["key"], "k");
    assert!(
        !lines
            .iter()
            .any(|line| line["rpc"] == "/etcdserverpb.KV/Txn")
    );
    assert_eq!(of("/etcdserverpb.Watch/Watch", "exact")["code"], "OK");
    assert_eq!(
        of("/etcdserverpb.Watch/Watch", "stranger")["code"],
        "PermissionDenied"
    );
    let alive = of("/etcdserverpb.Lease/LeaseKeepAlive", "exact");
    assert_eq!(
        (&alive["code"], &alive["lease"]),
        (&"OK".into(), &"8".into())
    );
    assert_eq!(
        of("/etcdserverpb.Lease/LeaseKeepAlive", "stranger")["code"],
        "PermissionDenied"
    );
}
