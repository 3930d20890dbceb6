//! Calls from within the process, by whoever speaks to clients in another language than gRPC.
//!
//! They reach the same handler, with the same metadata, deadlines and counters, as calls that come by
//! HTTP/2: there is no second way in.

use std::{
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use http::HeaderMap;
use proto::error::Code;
use tokio::time::Instant;

use crate::{
    answers::Answers,
    call::{Call, MethodId},
    deadline,
    grpc::{GRPC_TIMEOUT, Service},
    handler::Handler,
    inbound::Inbound,
    metrics::Counted,
    peer::Peer,
    status::Status,
};

/// The answer of a unary call on its way.
pub type Reply = Pin<Box<dyn Future<Output = Result<Bytes, Status>>>>;

/// The gRPC calls of a connection thread.
pub trait Calls {
    /// A call by its path, `/package.Service/Method`; `metadata` may set a `grpc-timeout`. The caller's
    /// certificate is not the call's: it names nobody here.
    ///
    /// # Errors
    /// When there is no such method, or the timeout is malformed.
    fn call(&self, path: &str, metadata: HeaderMap, peer: &Rc<Peer>) -> Result<Call, Status>;

    /// Makes a unary call.
    fn unary(&self, call: Call, request: Bytes) -> Reply;

    /// Makes a streaming call; one with a single request has it in `inbound`.
    fn stream(&self, call: Call, inbound: Inbound) -> Answers;
}

impl<G: Handler> Calls for Service<G> {
    fn call(&self, path: &str, metadata: HeaderMap, peer: &Rc<Peer>) -> Result<Call, Status> {
        let method = self.table.find(path)?;
        let deadline = match metadata.get(GRPC_TIMEOUT) {
            None => None,
            Some(value) => Some(Instant::now() + deadline::parse_timeout(value.as_bytes())?),
        };
        Ok(Call {
            method,
            headers: metadata,
            peer: Rc::new(Peer::plain(peer.address())),
            deadline,
            drain: self.drain.clone(),
            notes: None,
            is_inner: false,
        })
    }

    fn unary(&self, call: Call, request: Bytes) -> Reply {
        self.count_client(&call);
        let mut counted = Counted::start(&self.metrics, call.method);
        let (handler, limit) = (Rc::clone(&self.handler), self.message_bytes_max);
        Box::pin(async move {
            let deadline = call.deadline;
            let work = async {
                check_size(&request, limit)?;
                counted.received(request.len());
                handler.unary(call, request).await
            };
            let result = deadline::before(deadline, pin!(work)).await;
            match &result {
                Ok(message) => {
                    counted.sent(message.len());
                    counted.end(Code::Ok);
                }
                Err(status) => counted.end(status.code),
            }
            result
        })
    }

    fn stream(&self, call: Call, inbound: Inbound) -> Answers {
        self.count_client(&call);
        let method: MethodId = call.method;
        let counted = Counted::start(&self.metrics, method);
        let inbound = inbound.counted(Arc::clone(&self.metrics), method);
        Answers::start(&self.handler, call, inbound, Some(counted))
    }
}

fn check_size(request: &Bytes, limit: usize) -> Result<(), Status> {
    if request.len() <= limit {
        return Ok(());
    }
    Err(Status::new(
        Code::ResourceExhausted,
        format!(
            "grpc: received message larger than max ({} vs. {limit})",
            request.len()
        ),
    ))
}
