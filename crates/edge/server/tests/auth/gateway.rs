//! The API as JSON while authentication is on: the same checks as by gRPC, and no identity but that
//! of a token.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use futures_util::{SinkExt as _, StreamExt as _};
use gateway::{Route, Routes};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::certified::Certified;
use crate::methods::{Caller, is_about_rights, row};
use crate::support::Member;
use crate::support::http::Answer;
use crate::world::{BAD_TOKEN, DENIED, USER_EMPTY, World, password};

/// What etcd says to certificates that name somebody.
const IGNORED: &str = "CommonName of client sending a request against gateway will be ignored \
                       and not used as expected\n";

/// The request of a method's row as JSON.
fn body(route: &Route) -> String {
    let (_, message) = row(route.service, route.method).unwrap();
    let mut text = String::new();
    gateway::encode::message(route.request, &message, &mut text).unwrap();
    text
}

async fn post<S>(stream: S, route: &Route, token: Option<&str>) -> (u16, String)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let header = match token {
        Some(token) => format!("Authorization: {token}\r\n"),
        None => String::new(),
    };
    let answer = Answer::on(stream, "POST", route.path, &header, &body(route)).await;
    (answer.status, answer.beginning().await)
}

/// What the caller hears about its rights; nothing when it was let through.
fn refusal(answer: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let text = match &answer["result"]["cancel_reason"] {
        Value::String(reason) => reason.split_once("desc = ")?.1,
        _ => {
            let error = answer.get("error").unwrap_or(&answer);
            error["message"].as_str()?
        }
    };
    is_about_rights(text).then(|| text.to_owned())
}

/// All paths; the one that turns authentication off comes last.
fn routes() -> Vec<&'static Route> {
    let mut routes: Vec<&Route> = Routes::all().collect();
    routes.sort_by_key(|route| route.method == "AuthDisable");
    routes
}

/// What is refused by gRPC must not be had as JSON.
#[tokio::test]
async fn every_path_for_every_caller() {
    let world = World::new().await;
    let callers = [
        (None, Caller::Nobody),
        (Some("abcdefghijklmnop.1"), Caller::BadToken),
        (Some(&*world.stranger), Caller::Stranger),
        (Some(&*world.exact), Caller::Exact),
        (Some(&*world.root), Caller::Root),
    ];
    let address = world.member.url.strip_prefix("http://").unwrap();
    for route in routes() {
        let (level, _) = row(route.service, route.method).unwrap();
        // It has two paths, and what the first one revokes the second one needs.
        if route.method == "LeaseRevoke" {
            world.restore_lease().await;
        }
        for (token, caller) in callers {
            let stream = TcpStream::connect(address).await.unwrap();
            let (_, answer) = post(stream, route, token).await;
            let expected = level.refusal(route.method, caller);
            let refused = refusal(&answer);
            assert_eq!(
                refused.as_deref(),
                expected,
                "{} by {caller:?}: {answer}",
                route.path
            );
        }
    }
}

/// CVE-2018-16886: a certificate, the gateway's own or that of its client, logs nobody in; who shows
/// one with a name is told so, and who shows one without a name is nobody.
#[tokio::test]
async fn cve_2018_16886_no_identity_is_lent() {
    let certified = Certified::new();
    let member = Member::with(|config| certified.open_port(config)).await;
    let world = World::on(member).await;
    for route in routes() {
        let (level, _) = row(route.service, route.method).unwrap();
        for token in [None, Some(&*world.exact)] {
            let stream = certified.stream(&world.member, "root").await;
            let refused = (400, IGNORED.to_owned());
            assert_eq!(post(stream, route, token).await, refused, "{}", route.path);
        }
        let stream = certified.stream(&world.member, "").await;
        let (_, answer) = post(stream, route, None).await;
        let expected = level.refusal(route.method, Caller::Nobody);
        assert_eq!(refusal(&answer).as_deref(), expected, "{}", route.path);
    }
    // A token counts over TLS as well.
    let range = Routes::new().find("/v3/kv/range").unwrap();
    let stream = certified.stream(&world.member, "").await;
    let (status, answer) = post(stream, range, Some(&world.exact)).await;
    assert_eq!(status, 200, "{answer}");
}

/// A browser's way in: a password becomes a token, and the token a user.
#[tokio::test]
async fn from_password_to_token() {
    let world = World::new().await;
    let address = world.member.url.strip_prefix("http://").unwrap();
    let ask = async |path: &str, headers: &str, body: Value| {
        let stream = TcpStream::connect(address).await.unwrap();
        let answer = Answer::on(stream, "POST", path, headers, &body.to_string()).await;
        let (status, head) = (answer.status, answer.head.clone());
        let body: Value = serde_json::from_str(&answer.body().await).unwrap();
        (status, head, body)
    };
    let login = json!({"name": "exact", "password": password("exact")});
    let (status, _, answer) = ask("/v3/auth/authenticate", "", login).await;
    assert_eq!(status, 200);
    let token = answer["token"].as_str().unwrap();
    let range = json!({"key": "azE="});
    for headers in [
        format!("Authorization: {token}\r\n"),
        format!("Authorization: Bearer {token}\r\n"),
        format!("Grpc-Metadata-Token: {token}\r\n"),
    ] {
        let (status, _, answer) = ask("/v3/kv/range", &headers, range.clone()).await;
        assert_eq!((status, &answer["count"]), (200, &json!("1")), "{headers}");
    }
    let (status, _, answer) = ask("/v3/kv/range", "", range.clone()).await;
    assert_eq!((status, &answer["message"]), (400, &json!(USER_EMPTY)));
    let headers = "Authorization: nobody's\r\n";
    let (status, head, _) = ask("/v3/kv/range", headers, range).await;
    assert_eq!(status, 401);
    assert!(
        head.contains("www-authenticate: etcdserver: invalid auth token\r\n"),
        "{head}"
    );
    let guess = json!({"name": "exact", "password": "guess"});
    let (status, _, answer) = ask("/v3/auth/authenticate", "", guess).await;
    assert_eq!(status, 400, "{answer}");
    // What one says of oneself in metadata of the gateway's own is not believed.
    let forged =
        "Grpc-Metadata-Grpcgateway-Accept: x\r\nGrpc-Metadata-Grpcgateway-Authorization: x\r\n";
    let (_, _, answer) = ask("/v3/auth/user/list", forged, json!({})).await;
    assert_eq!(answer["message"], USER_EMPTY);
}

/// A browser cannot set headers when it opens a socket: its token comes as a protocol.
#[tokio::test]
async fn tokens_of_sockets() {
    let world = World::new().await;
    let address = world.member.url.strip_prefix("http://").unwrap();
    let ask = async |headers: &str| {
        let headers = format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}"
        );
        let stream = TcpStream::connect(address).await.unwrap();
        let answer = Answer::on(stream, "GET", "/v3/kv/range", &headers, "").await;
        assert_eq!(answer.status, 101, "{}", answer.head);
        let stream = answer.into_stream();
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        let range = json!({"key": "azE="}).to_string();
        socket.send(Message::text(range)).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        serde_json::from_str::<Value>(answer.to_text().unwrap()).unwrap()
    };
    let exact = format!("Sec-WebSocket-Protocol: Bearer, {}\r\n", world.exact);
    assert_eq!(ask(&exact).await["count"], "1");
    let stranger = format!("Cookie: token={}\r\n", world.stranger);
    assert_eq!(ask(&stranger).await["message"], DENIED);
    assert_eq!(ask("").await["message"], USER_EMPTY);
    let nobody = "Sec-WebSocket-Protocol: Bearer, abcdefghijklmnop.1\r\n";
    assert_eq!(ask(nobody).await["message"], BAD_TOKEN);
}
