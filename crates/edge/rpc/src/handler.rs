//! The boundary between the transport and what the calls mean.

use std::rc::Rc;

use bytes::Bytes;
use proto::Method;

use crate::{call::Call, inbound::Inbound, outbound::Outbound, status::Status};

/// Answers gRPC calls; one lives on each connection thread.
///
/// The futures are dropped when the client resets its stream, its connection ends or its deadline
/// passes, so they must be safe to drop at every await.
pub trait Handler: 'static {
    /// The methods; a [`MethodId`](crate::MethodId) is an index into this table.
    const METHODS: &'static [Method];

    /// Answers a unary call with the encoded reply.
    fn unary(
        self: Rc<Self>,
        call: Call,
        request: Bytes,
    ) -> impl Future<Output = Result<Bytes, Status>> + 'static;

    /// Answers a streaming call; a server stream finds its one request in `inbound`.
    fn stream(
        self: Rc<Self>,
        call: Call,
        inbound: Inbound,
        outbound: Outbound,
    ) -> impl Future<Output = Result<(), Status>> + 'static;
}

/// What one connection thread serves.
pub struct Services<G, W> {
    /// The gRPC calls.
    pub grpc: Rc<G>,
    /// The plain HTTP endpoints.
    pub http: Rc<W>,
}
