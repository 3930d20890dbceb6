//! Single posts of messages, while a peer has opened no stream for them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request};
use peer::encode_message;
use rpc::ListenAddress;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::body::RequestBody;
use crate::convert::to_wire;
use crate::failure::{Failure, chain, posted};
use crate::peers::Peer;
use crate::queue::QueueReceiver;
use crate::session::{Session, read_body};
use crate::shared::Shared;

/// Posts that are under way at a time.
pub(crate) const WORKERS: usize = 4;
/// How long a post may take.
const POST_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 4096;

/// One of the workers that share a peer's queue; ends with the queue.
pub(crate) async fn post(shared: Arc<Shared>, peer: Arc<Peer>, posts: Arc<Mutex<QueueReceiver>>) {
    let mut worker = Worker {
        shared,
        peer,
        session: None,
    };
    loop {
        let next = posts.lock().await.next().await;
        let Some(message) = next else { return };
        worker.post(encode_message(&to_wire(message))).await;
    }
}

struct Worker {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    /// Kept for the next message, with where it leads.
    session: Option<(Session, ListenAddress)>,
}

impl Worker {
    async fn post(&mut self, body: Bytes) {
        let len = body.len() as u64;
        let sent = timeout(POST_TIMEOUT, self.try_post(body)).await;
        match sent.unwrap_or(Err(Failure::TimedOut(POST_TIMEOUT))) {
            Ok(()) => {
                self.peer.meters.sent_bytes.inc_by(len);
                self.peer.connected();
            }
            Err(error) => {
                self.session = None;
                if matches!(error, Failure::Removed) {
                    self.shared.removed(self.peer.id);
                }
                self.peer.lost("pipeline", &chain(&error));
                self.shared.unreachable(&self.peer);
            }
        }
    }

    async fn try_post(&mut self, body: Bytes) -> Result<(), Failure> {
        // A connection that was kept may have been closed meanwhile: that is nobody's fault.
        if let Some((session, url)) = self.session.take()
            && session.is_open()
            && let Ok(()) = self.exchange(session, url, body.clone()).await
        {
            return Ok(());
        }
        let url = self.peer.urls.pick().ok_or(Failure::NoUrl)?;
        let config = &self.shared.config;
        let opened = Session::open(&config.connector, &url, config.dial_timeout).await;
        let session = opened.inspect_err(|_| self.peer.urls.failed(&url))?;
        self.exchange(session, url, body).await
    }

    async fn exchange(
        &mut self,
        mut session: Session,
        url: ListenAddress,
        body: Bytes,
    ) -> Result<(), Failure> {
        let mut request = Request::new(RequestBody::Full(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = http::Uri::from_static("/raft");
        *request.headers_mut() = self.shared.credentials.headers();
        request.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/protobuf"),
        );
        let response = session.send(request).await?;
        let status = response.status();
        let text = read_body(response.into_body(), ANSWER_BYTES_MAX).await?;
        posted(status, &text)?;
        self.session = Some((session, url));
        Ok(())
    }
}
