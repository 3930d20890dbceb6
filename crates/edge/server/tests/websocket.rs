//! The API as JSON on WebSockets, as browsers use it.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod support;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use support::{Member, http};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

const ASK: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

struct Socket(WebSocketStream<BufReader<TcpStream>>);

impl Socket {
    async fn open(member: &Member, path: &str, headers: &str) -> Self {
        let answer = ask(member, path, &format!("{ASK}{headers}")).await;
        assert_eq!(answer.status, 101, "{}", answer.head);
        let accept = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n";
        assert!(answer.head.contains(accept), "{}", answer.head);
        let echoes = answer.head.contains("sec-websocket-protocol: bearer\r\n");
        assert_eq!(echoes, headers.contains("Bearer"), "{}", answer.head);
        let stream = answer.into_stream();
        Self(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
    }

    async fn say(&mut self, value: Value) {
        let text = value.to_string();
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message; none when the server has said goodbye.
    async fn hear(&mut self) -> Option<Value> {
        loop {
            return match self.0.next().await?.unwrap() {
                Message::Text(text) => Some(serde_json::from_str(&text).unwrap()),
                Message::Close(_) => None,
                Message::Ping(_) | Message::Pong(_) => continue,
                other => panic!("{other:?}"),
            };
        }
    }
}

async fn ask(member: &Member, path: &str, headers: &str) -> http::Answer<TcpStream> {
    let address = member.url.strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    http::Answer::on(stream, "GET", path, headers, "").await
}

/// One request after another, one answer a message; both sides may go first.
#[tokio::test]
async fn watches() {
    let member = Member::start().await;
    let mut socket = Socket::open(&member, "/v3/watch", "").await;
    socket.say(json!({"create_request": {"key": "YQ=="}})).await;
    let created = socket.hear().await.unwrap();
    assert_eq!(created["result"]["created"], true, "{created}");
    let mut other = Socket::open(&member, "/v3/kv/put", "").await;
    other.say(json!({"key": "YQ==", "value": "Yg=="})).await;
    let put = other.hear().await.unwrap();
    assert_eq!(put["header"]["revision"], "2", "{put}");
    // A call of one answer ends with it.
    assert_eq!(other.hear().await, None);
    let event = socket.hear().await.unwrap();
    assert_eq!(
        event["result"]["events"][0]["kv"]["value"], "Yg==",
        "{event}"
    );
    socket.0.send(Message::Ping("p".into())).await.unwrap();
    let second = json!({"create_request": {"key": "Yg==", "watch_id": 7}});
    socket.say(second).await;
    let created = socket.hear().await.unwrap();
    assert_eq!(created["result"]["watch_id"], "7", "{created}");
    socket.0.close(None).await.unwrap();
    assert_eq!(socket.hear().await, None);
}

/// Errors come as messages, and then the end.
#[tokio::test]
async fn refusals() {
    let member = Member::start().await;
    for (path, said, code) in [
        ("/v3/none", json!({}), 5),
        ("/v3/kv/range", json!({}), 3),
        ("/v3/kv/range", json!({"key": 7.5}), 3),
    ] {
        let mut socket = Socket::open(&member, path, "").await;
        socket.say(said).await;
        let refused = socket.hear().await.unwrap();
        assert_eq!(refused["code"], code, "{path} {refused}");
        assert_eq!(socket.hear().await, None, "{path}");
    }
    let without_key = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    assert_eq!(ask(&member, "/v3/watch", without_key).await.status, 400);
    // Where there is no API there is no socket.
    assert_eq!(ask(&member, "/version", ASK).await.status, 200);
}

/// A message that is larger than any request ends the socket, and no memory is held for it.
#[tokio::test]
async fn large_messages() {
    let member = Member::start().await;
    let mut socket = Socket::open(&member, "/v3/kv/put", "").await;
    let large = json!({"key": "YQ==", "value": "A".repeat(8_000_000)});
    let sent = socket.0.send(Message::text(large.to_string())).await;
    // The connection may be cut while it is written.
    if sent.is_ok() {
        let end = socket.0.next().await;
        assert!(!matches!(end, Some(Ok(Message::Text(_)))), "{end:?}");
    }
    let mut socket = Socket::open(&member, "/v3/kv/range", "").await;
    socket.say(json!({"key": "YQ=="})).await;
    assert_eq!(socket.hear().await.unwrap()["kvs"], Value::Null);
}

/// Sockets end with the member.
#[tokio::test]
async fn the_end() {
    let member = Member::start().await;
    let mut socket = Socket::open(&member, "/v3/watch", "").await;
    socket.say(json!({"create_request": {"key": "YQ=="}})).await;
    socket.hear().await.unwrap();
    member.stop();
    while let Some(Ok(_)) = socket.0.next().await {}
}
