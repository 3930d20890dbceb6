//! The API as JSON, over real sockets.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod support;

use serde_json::{Value, json};
use support::{Member, http};
use tokio::net::TcpStream;

type Answer = http::Answer<TcpStream>;

impl Answer {
    async fn to(member: &Member, method: &str, path: &str, headers: &str, body: &str) -> Self {
        let address = member.url.strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        Self::on(stream, method, path, headers, body).await
    }
}

async fn post(member: &Member, path: &str, body: &str) -> (u16, String) {
    let answer = Answer::to(member, "POST", path, "", body).await;
    (answer.status, answer.body().await)
}

async fn value(member: &Member, path: &str, body: Value) -> Value {
    let (status, body) = post(member, path, &body.to_string()).await;
    assert_eq!(status, 200, "{path}: {body}");
    let mut value: Value = serde_json::from_str(&body).unwrap();
    if let Some(header) = value.get_mut("header") {
        for name in ["cluster_id", "member_id", "raft_term"] {
            assert!(header[name].as_str().unwrap().parse::<u64>().unwrap() > 0);
            header.as_object_mut().unwrap().remove(name);
        }
    }
    value
}

#[tokio::test]
async fn keys_and_values() {
    let member = Member::start().await;
    let put = json!({"key": "Zm9v", "value": "YmFy"});
    let put = value(&member, "/v3/kv/put", put).await;
    assert_eq!(put, json!({"header": {"revision": "2"}}));
    let found = value(&member, "/v3beta/kv/range", json!({"key": "Zm9v"})).await;
    let pair = json!({"key": "Zm9v", "create_revision": "2", "mod_revision": "2", "version": "1", "value": "YmFy"});
    let want = json!({"header": {"revision": "2"}, "kvs": [pair], "count": "1"});
    assert_eq!(found, want);
    let txn = value(
        &member,
        "/v3/kv/txn",
        json!({
            "compare": [{"key": "Zm9v", "target": "VERSION", "version": 1}],
            "success": [{"requestDeleteRange": {"key": "Zm9v"}}, {"request_txn": {}}],
        }),
    )
    .await;
    let want = json!({
        "header": {"revision": "3"},
        "succeeded": true,
        "responses": [
            {"response_delete_range": {"header": {"revision": "3"}, "deleted": "1"}},
            {"response_txn": {"header": {}, "succeeded": true}},
        ],
    });
    assert_eq!(txn, want);
}

#[tokio::test]
async fn refusals() {
    let member = Member::start().await;
    let large = format!(
        "{{\"key\":\"YQ==\",\"value\":\"{}\"}}",
        "A".repeat(2_900_000)
    );
    for (path, body, status, answer) in [
        (
            "/v3/kv/range",
            "",
            400,
            r#"{"code":3,"message":"etcdserver: key is not provided"}"#,
        ),
        (
            "/v3/kv/none",
            "{}",
            404,
            r#"{"code":5,"message":"Not Found"}"#,
        ),
        (
            "/v3/lease/revoke",
            r#"{"ID":7}"#,
            404,
            r#"{"code":5,"message":"etcdserver: requested lease not found"}"#,
        ),
        (
            "/v3/kv/put",
            &large,
            429,
            r#"{"code":8,"message":"grpc: received message larger than max "#,
        ),
        (
            "/v3/kv/put",
            "{",
            400,
            r#"{"code":3,"message":"invalid etcdserverpb.PutRequest: "#,
        ),
        (
            "/v3/election/leader",
            r#"{"name":"YQ=="}"#,
            500,
            r#"{"code":2,"message":"election: no leader"}"#,
        ),
    ] {
        let (found, text) = post(&member, path, body).await;
        assert_eq!(found, status, "{path}: {text}");
        assert!(text.starts_with(answer), "{path}: {text}");
    }
    let get = Answer::to(&member, "GET", "/v3/kv/range", "", "").await;
    assert_eq!(get.status, 501);
    assert_eq!(
        get.body().await,
        r#"{"code":12,"message":"Method Not Allowed"}"#
    );
    let late = Answer::to(
        &member,
        "POST",
        "/v3/lock/lock",
        "Grpc-Timeout: 100m\r\n",
        "{}",
    )
    .await;
    assert_eq!(late.status, 200, "the first to come has the lock");
    let late = Answer::to(
        &member,
        "POST",
        "/v3/lock/lock",
        "Grpc-Timeout: 100m\r\n",
        "{}",
    )
    .await;
    assert_eq!(late.status, 504);
}

/// Several requests in one body, and answers as they come.
#[tokio::test]
async fn a_watch() {
    let member = Member::start().await;
    let body =
        r#"{"create_request":{"key":"YQ=="}} {"createRequest":{"key":"Yg==","watch_id":"7"}}"#;
    let mut watch = Answer::to(&member, "POST", "/v3/watch", "", body).await;
    assert_eq!(watch.status, 200);
    assert!(watch.head.contains("content-type: application/json\r\n"));
    assert!(
        watch
            .head
            .contains("grpc-metadata-content-type: application/grpc\r\n")
    );
    for id in [Value::Null, json!("7")] {
        let created = watch.line().await.unwrap();
        assert_eq!(created["result"]["created"], true);
        assert_eq!(created["result"]["watch_id"], id);
    }
    member.put("b", "1").await;
    let event = watch.line().await.unwrap();
    let kv = json!({"key": "Yg==", "create_revision": "2", "mod_revision": "2", "version": "1", "value": "MQ=="});
    assert_eq!(event["result"]["events"], json!([{"kv": kv}]));
    assert_eq!(event["result"]["watch_id"], "7");

    let broken = Answer::to(
        &member,
        "POST",
        "/v3/watch",
        "",
        "{\"create_request\":{}} x",
    )
    .await;
    assert!(matches!(broken.status, 200 | 400), "{}", broken.head);
    let refused = Answer::to(&member, "POST", "/v3/watch", "", "x").await;
    assert_eq!(refused.status, 400);
    let text = refused.body().await;
    assert!(text.starts_with("{\"error\":{\"code\":3,"), "{text}");
}

#[tokio::test]
async fn other_streams() {
    let member = Member::start().await;
    let granted = value(&member, "/v3/lease/grant", json!({"TTL": "60", "ID": 5})).await;
    assert_eq!(
        granted,
        json!({"header": {"revision": "1"}, "ID": "5", "TTL": "60"})
    );
    let body = r#"{"ID":"5"}{"ID":"6"}"#;
    let mut alive = Answer::to(&member, "POST", "/v3/lease/keepalive", "", body).await;
    assert_eq!(alive.line().await.unwrap()["result"]["TTL"], "60");
    let missing = alive.line().await.unwrap();
    assert_eq!(missing["result"]["ID"], "6");
    assert_eq!(missing["result"].get("TTL"), None);
    assert_eq!(alive.line().await, None);

    let mut snapshot = Answer::to(&member, "POST", "/v3/maintenance/snapshot", "", "").await;
    let mut bytes = 0;
    while let Some(line) = snapshot.line().await {
        bytes += line["result"]["blob"].as_str().unwrap().len();
    }
    assert!(bytes > 1000);

    let mut observed = {
        let value = json!({"name": "ZQ==", "lease": "5", "value": "YQ=="});
        let (status, body) = post(&member, "/v3/election/campaign", &value.to_string()).await;
        assert_eq!(status, 200, "{body}");
        Answer::to(
            &member,
            "POST",
            "/v3/election/observe",
            "",
            r#"{"name":"ZQ=="}"#,
        )
        .await
    };
    assert_eq!(
        observed.line().await.unwrap()["result"]["kv"]["value"],
        "YQ=="
    );
}

/// What is turned off is not there; metrics ports never have it.
#[tokio::test]
async fn turned_off() {
    let member = Member::with(|config| config.gateway = false).await;
    let answer = Answer::to(&member, "POST", "/v3/kv/range", "", "{}").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.body().await, "404 page not found\n");
    assert_eq!(
        Answer::to(&member, "GET", "/openapi.json", "", "")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn the_description() {
    let member = Member::start().await;
    let answer = Answer::to(&member, "GET", "/openapi.json", "", "").await;
    assert_eq!(answer.status, 200);
    let document: Value = serde_json::from_str(&answer.body().await).unwrap();
    assert!(document["paths"]["/v3/watch"]["post"].is_object());
}
