//! WebSockets: requests whose body and answer are messages, for browsers.
//!
//! As behind etcd's gateway, what a client upgrades is a POST of the same path: each message that it
//! sends is a piece of the body, each piece of the answer a message to it. When either side has
//! ended, so has the other. A socket lives inside its connection, and counts as one.

use std::{cell::RefCell, rc::Rc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream::SplitStream};
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Version,
    header::{
        AUTHORIZATION, CONNECTION, COOKIE, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use http_body_util::BodyExt as _;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use sha1::{Digest as _, Sha1};
use tokio::{sync::mpsc, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message, Utf8Bytes,
        protocol::{Role, WebSocketConfig},
    },
};

use crate::{
    access::AccessControl,
    http1::{HttpHandler, HttpRequest, HttpResponse, replies},
};

/// What the protocol puts behind a key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Says that what stands beside it is a token.
const BEARER: &str = "Bearer";
/// The cookie that may hold a token.
const COOKIE_NAME: &str = "token";
/// Messages that wait until the handler takes them.
const MESSAGES_AHEAD: usize = 1;
/// How long a client may take over goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a connection keeps the socket that it is about to become.
pub(crate) type Place = Rc<RefCell<Option<Socket>>>;

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// A socket whose client is told that it may begin.
pub(crate) struct Socket {
    upgraded: OnUpgrade,
    request: HttpRequest,
    messages: mpsc::Sender<Bytes>,
}

/// Whether a request asks for a WebSocket.
pub(crate) fn is_asked<B>(request: &Request<B>) -> bool {
    let has = |name, word: &str| {
        let values = request.headers().get_all(name).iter();
        let mut words = values.filter_map(|value| value.to_str().ok());
        words.any(|value| {
            let mut words = value.split(',').map(str::trim);
            words.any(|found| found.eq_ignore_ascii_case(word))
        })
    };
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && has(CONNECTION, "upgrade")
        && has(UPGRADE, "websocket")
}

/// The answer that opens a socket, or refuses to.
pub(crate) fn answer(headers: &HeaderMap, access: &AccessControl) -> HttpResponse {
    if headers.contains_key(ORIGIN) && access.admitted(headers).is_none() {
        // Browsers ask nobody before they open one, and pages may read what comes.
        return replies::error(StatusCode::FORBIDDEN, "Forbidden");
    }
    let version = headers.get(SEC_WEBSOCKET_VERSION);
    let key = headers.get(SEC_WEBSOCKET_KEY);
    let (Some(key), true) = (key, version.is_some_and(|version| version == "13")) else {
        let mut refused = replies::error(StatusCode::BAD_REQUEST, "Bad Request");
        let version = HeaderValue::from_static("13");
        refused.headers_mut().insert(SEC_WEBSOCKET_VERSION, version);
        return refused;
    };
    let accept = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let accept = HeaderValue::try_from(STANDARD.encode(accept));
    let mut opened = HttpResponse::default();
    *opened.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answered = opened.headers_mut();
    answered.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answered.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = accept {
        answered.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if offered_token(headers).is_some() {
        let bearer = HeaderValue::from_static(BEARER);
        answered.insert(SEC_WEBSOCKET_PROTOCOL, bearer);
    }
    opened
}

/// Browsers cannot set headers: a token may come as a protocol, or in a cookie.
pub(crate) fn authorize(headers: &mut HeaderMap) {
    let token = cookie(headers).or_else(|| offered_token(headers));
    if let Some(token) = token
        && let Ok(value) = HeaderValue::try_from(format!("{BEARER} {token}"))
    {
        headers.insert(AUTHORIZATION, value);
    }
}

/// `Bearer, TOKEN`.
fn offered_token(headers: &HeaderMap) -> Option<String> {
    let offered = headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let (word, token) = offered.split_once(',')?;
    (word.trim() == BEARER).then(|| token.trim().to_owned())
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE_NAME)?;
    Some(value.trim_matches('"').to_owned())
}

/// Where the messages of a client wait to be taken.
pub(crate) fn queue() -> (mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>) {
    mpsc::channel(MESSAGES_AHEAD)
}

impl Socket {
    pub(crate) fn new(
        upgraded: OnUpgrade,
        request: HttpRequest,
        messages: mpsc::Sender<Bytes>,
    ) -> Self {
        Self {
            upgraded,
            request,
            messages,
        }
    }

    /// Talks until one side has ended; no message is longer than `bytes_max`.
    pub(crate) async fn run<W: HttpHandler>(self, handler: Rc<W>, bytes_max: usize) {
        let Ok(upgraded) = self.upgraded.await else {
            return;
        };
        let limits = WebSocketConfig::default()
            .max_message_size(Some(bytes_max))
            .max_frame_size(Some(bytes_max));
        let io = TokioIo::new(upgraded);
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(limits)).await;
        let (mut sink, source) = socket.split();
        let answering = async {
            let mut body = handler.handle(self.request).await.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                if let Ok(piece) = frame.into_data()
                    && let Some(text) = text(&piece)
                {
                    sink.send(Message::Text(text)).await?;
                }
            }
            Ok::<_, tokio_tungstenite::tungstenite::Error>(())
        };
        tokio::select! {
            biased;
            answered = answering => {
                if let Err(error) = answered {
                    tracing::debug!(%error, "a WebSocket has broken");
                }
            }
            () = read(source, self.messages) => {}
        }
        // Who is gone hears no goodbye.
        let _ = timeout(CLOSE_TIMEOUT, sink.close()).await;
    }
}

/// A piece of an answer as a message; none when there is nothing in it.
fn text(piece: &Bytes) -> Option<Utf8Bytes> {
    let end = piece.iter().rposition(|byte| *byte != b'\n')?;
    Utf8Bytes::try_from(piece.slice(..=end)).ok()
}

/// Hands over what the client says, until it says no more.
async fn read(mut source: SplitStream<Stream>, messages: mpsc::Sender<Bytes>) {
    while let Some(Ok(message)) = source.next().await {
        let piece = match message {
            Message::Text(text) => text.into(),
            Message::Binary(bytes) => bytes,
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        // A handler that wants no more may still answer.
        let _ = messages.send(piece).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, HeaderValue::try_from(*value).unwrap())
        });
        pairs.collect()
    }

    /// The example of RFC 6455.
    #[test]
    fn keys() {
        let asked = [
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let opened = answer(&headers(&asked), &AccessControl::default());
        assert_eq!(opened.status(), 101);
        let accept = &opened.headers()["sec-websocket-accept"];
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!opened.headers().contains_key("sec-websocket-protocol"));
        for missing in 0..2 {
            let refused = answer(
                &headers(&asked[missing..=missing]),
                &AccessControl::default(),
            );
            assert_eq!(refused.status(), 400);
        }
    }

    /// A page of another origin must not listen where others may not read.
    #[test]
    fn origins() {
        let access = AccessControl {
            origins: crate::Allowed::new(["https://good".to_owned()]),
            ..AccessControl::default()
        };
        let status = |origin: Option<&str>, access: &AccessControl| {
            let mut asked = headers(&[
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ]);
            if let Some(origin) = origin {
                asked.insert(ORIGIN, HeaderValue::try_from(origin).unwrap());
            }
            answer(&asked, access).status()
        };
        assert_eq!(status(None, &access), 101);
        assert_eq!(status(Some("https://good"), &access), 101);
        assert_eq!(status(Some("https://bad"), &access), 403);
        assert_eq!(status(Some("https://bad"), &AccessControl::default()), 101);
    }

    /// A token that is lost on the way locks a page out.
    #[test]
    fn tokens() {
        let token = |pairs: &[(&'static str, &str)]| {
            let mut headers = headers(pairs);
            authorize(&mut headers);
            let value = headers.get(AUTHORIZATION)?;
            Some(value.to_str().unwrap().to_owned())
        };
        assert_eq!(token(&[]), None);
        let protocol = ("sec-websocket-protocol", "Bearer, abc.7");
        assert_eq!(token(&[protocol]).as_deref(), Some("Bearer abc.7"));
        assert_eq!(token(&[("sec-websocket-protocol", "chat, abc")]), None);
        let cookie = ("cookie", "a=b; token=xyz.8");
        assert_eq!(token(&[protocol, cookie]).as_deref(), Some("Bearer xyz.8"));
        assert_eq!(token(&[("cookie", "tokens=1")]), None);
        assert_eq!(token(&[("authorization", "t")]).as_deref(), Some("t"));
    }
}
