//! Clients that mean no good or know no better, frame by frame: floods end their own connection and
//! nobody else's.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use rpc::{Config, PortKind};
use support::{Server, call, config, connect, framed};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Longer than any machine takes.
const SOON: Duration = Duration::from_secs(60);

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const ENHANCE_YOUR_CALM: u32 = 11;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// A header whose name stands at a place of HPACK's table.
fn header(place: &[u8], value: &str) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap();
    [place, &[length], value.as_bytes()].concat()
}

/// The headers of a call.
fn head(path: &str) -> Vec<u8> {
    head_to(path, header(&[0x01], "test"))
}

/// The headers of a call that names its host so.
fn head_to(path: &str, host: Vec<u8>) -> Vec<u8> {
    [
        vec![0x83, 0x86],
        header(&[0x04], path),
        host,
        header(&[0x0f, 0x10], "application/grpc"),
    ]
    .concat()
}

/// A client that says what it likes.
struct Raw(TcpStream);

impl Raw {
    async fn connect(server: &Server) -> Self {
        let mut raw = Self(TcpStream::connect(&server.address).await.unwrap());
        raw.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        raw.say(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        raw
    }

    async fn say(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes).await
    }

    async fn open(&mut self, stream: u32, path: &str) {
        let head = frame(HEADERS, END_HEADERS, stream, &head(path));
        self.say(&head).await.unwrap();
    }

    async fn call(&mut self, stream: u32, path: &str) {
        self.open(stream, path).await;
        let message = frame(0, 1, stream, &framed(0, b"x"));
        self.say(&message).await.unwrap();
    }

    async fn ping(&mut self) -> std::io::Result<()> {
        self.say(&frame(PING, 0, 0, &[7; 8])).await
    }

    /// The next frame: kind, flags, payload; none at the end.
    async fn hear(&mut self) -> Option<(u8, u8, Vec<u8>)> {
        let mut head = [0; 9];
        let heard = timeout(SOON, self.0.read_exact(&mut head)).await;
        heard.expect("a frame or an end").ok()?;
        let [a, b, c, kind, flags, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((kind, flags, payload))
    }

    /// Reads until a frame of this kind.
    async fn hear_a(&mut self, wanted: u8, flag: u8) {
        loop {
            let (kind, flags, payload) = self.hear().await.expect("a frame");
            assert_ne!(kind, GO_AWAY, "{}", String::from_utf8_lossy(&payload));
            if kind == wanted && flags & flag == flag {
                return;
            }
        }
    }

    /// Reads to the end: the reason of the farewell, and what it says.
    async fn farewell(mut self) -> Option<(u32, String)> {
        let mut last = None;
        while let Some((kind, _, payload)) = self.hear().await {
            if kind == GO_AWAY {
                let reason = u32::from_be_bytes(payload[4..8].try_into().unwrap());
                last = Some((reason, String::from_utf8(payload[8..].to_vec()).unwrap()));
            }
        }
        last
    }
}

async fn check_others(server: &Server) {
    let mut sender = connect(server).await;
    let answer = call(&mut sender, "/test.Echo/Echo", &[], framed(0, b"hello"));
    let answer = timeout(SOON, answer).await.expect("others are served");
    assert_eq!(answer.messages(), [(0, Bytes::from("hello"))]);
}

/// A client that pings too often is told so in the words that Go's clients look for.
#[tokio::test]
async fn too_many_pings() {
    let strict = Config {
        ping_interval_min: Duration::from_secs(3600),
        ..config()
    };
    let calm = Some((ENHANCE_YOUR_CALM, "too_many_pings".to_owned()));
    for (path, port) in [
        (None, PortKind::Shared),
        (Some("/test.Echo/Slow"), PortKind::Shared),
        (Some("/test.Echo/Slow"), PortKind::GrpcOnly),
    ] {
        let server = Server::with(strict.clone(), port);
        let mut raw = Raw::connect(&server).await;
        if let Some(path) = path {
            raw.call(1, path).await;
        }
        for _ in 0..3 {
            raw.ping().await.unwrap();
            raw.hear_a(PING, ACK).await;
        }
        raw.ping().await.unwrap();
        assert_eq!(raw.farewell().await, calm, "{path:?}");
        check_others(&server).await;
    }
}

/// Clients measure the line with pings while answers come; nobody is sent away for that.
#[tokio::test]
async fn pings_between_answers() {
    let server = Server::start(PortKind::Shared);
    let mut raw = Raw::connect(&server).await;
    for number in 0..20 {
        raw.ping().await.unwrap();
        raw.call(2 * number + 1, "/test.Echo/Echo").await;
        raw.hear_a(HEADERS, 1).await;
    }
    // Without a shortest interval, who has a call open may ping at will.
    let lenient = Config {
        ping_interval_min: Duration::ZERO,
        ..config()
    };
    let server = Server::with(lenient, PortKind::Shared);
    let mut raw = Raw::connect(&server).await;
    raw.call(1, "/test.Echo/Slow").await;
    for _ in 0..20 {
        raw.ping().await.unwrap();
        raw.hear_a(PING, ACK).await;
    }
}

/// etcd's client 3.5.0 names its endpoints as the host: once, and then by their place in the table,
/// until they have left it.
#[tokio::test]
async fn hosts_that_are_none() {
    let server = Server::start(PortKind::Shared);
    let mut raw = Raw::connect(&server).await;
    let named = header(&[0x41], "#initially=[http://127.0.0.1:2379]");
    for (stream, host) in [(1, named.clone()), (3, vec![0xbe]), (5, named)] {
        let head = head_to("/test.Echo/Echo", host);
        let opened = frame(HEADERS, END_HEADERS, stream, &head);
        raw.say(&opened).await.unwrap();
        let message = frame(0, 1, stream, &framed(0, b"x"));
        raw.say(&message).await.unwrap();
        raw.hear_a(HEADERS, 1).await;
    }
}

/// CVE-2023-44487: calls that are opened and cancelled at once cost their client its connection, or
/// next to nothing; others are served meanwhile.
#[tokio::test]
async fn cve_2023_44487_rapid_reset() {
    let server = Server::start(PortKind::Shared);
    let mut raw = Raw::connect(&server).await;
    let mut burst = Vec::new();
    for number in 0..50_000 {
        let stream = 2 * number + 1;
        burst.extend(frame(
            HEADERS,
            END_HEADERS,
            stream,
            &head("/test.Echo/Slow"),
        ));
        burst.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    // The server may hang up in the middle.
    let flood = timeout(SOON, raw.say(&burst));
    let (flooded, ()) = tokio::join!(flood, check_others(&server));
    let flooded = flooded.expect("the flood ends");
    if flooded.is_ok() && raw.ping().await.is_ok() {
        let mut is_over = false;
        while let Some((kind, flags, payload)) = raw.hear().await {
            if kind == GO_AWAY {
                let reason = u32::from_be_bytes(payload[4..8].try_into().unwrap());
                assert_eq!(reason, ENHANCE_YOUR_CALM);
                is_over = true;
            } else if kind == PING && flags & ACK == ACK {
                is_over = true;
            }
            if is_over {
                break;
            }
        }
    }
    drop(raw);
    check_others(&server).await;
}

/// CVE-2023-45288: headers that never end are not read for ever.
#[tokio::test]
async fn cve_2023_45288_continuation_flood() {
    let server = Server::start(PortKind::Shared);
    for size in [1, 1000, 16_000] {
        let mut raw = Raw::connect(&server).await;
        raw.say(&frame(HEADERS, 0, 1, &head("/test.Echo/Echo")))
            .await
            .unwrap();
        let more = header(&[0x0f, 0x10], "x").repeat(size / 4 + 1);
        let piece = frame(CONTINUATION, 0, 1, &more);
        let flood = async {
            let mut sent = 0;
            while sent < 64 << 20 && raw.say(&piece).await.is_ok() {
                sent += piece.len();
            }
            sent
        };
        let sent = timeout(SOON, flood).await.expect("an end");
        assert!(
            sent < 64 << 20,
            "{sent} bytes were taken in pieces of {size}"
        );
        check_others(&server).await;
    }
}
