//! The requests of a client that streams, and what is said of bodies that are not requests.

use std::pin::Pin;
use std::task::{Context, ready};

use bytes::Bytes;
use proto::descriptor::Message;
use proto::error::Code;
use rpc::{Inbound, NextMessage, Status, Upload, UploadError};

use crate::decode::{self, InvalidJson};
use crate::split::Splitter;

type Pending = Pin<Box<dyn Future<Output = (Requests, NextMessage)>>>;

/// The JSON values of a body, as they arrive.
struct Requests {
    upload: Option<Upload>,
    splitter: Splitter,
    described: &'static Message,
    bytes_max: usize,
}

/// The messages of a body: one JSON value after another, until its end.
pub(crate) fn inbound(
    upload: Option<Upload>,
    described: &'static Message,
    bytes_max: usize,
) -> Inbound {
    let mut idle = Some(Requests {
        upload,
        splitter: Splitter::default(),
        described,
        bytes_max,
    });
    let mut pending: Option<Pending> = None;
    Inbound::local(move |cx: &mut Context<'_>| {
        if let Some(requests) = idle.take() {
            pending = Some(Box::pin(requests.next()));
        }
        let Some(next) = &mut pending else {
            return std::task::Poll::Ready(None);
        };
        let (requests, message) = ready!(next.as_mut().poll(cx));
        pending = None;
        if matches!(message, Some(Ok(_))) {
            idle = Some(requests);
        }
        std::task::Poll::Ready(message)
    })
}

impl Requests {
    async fn next(mut self) -> (Self, NextMessage) {
        let next = self.read().await;
        (self, next.transpose())
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(value) = self.splitter.take() {
                return self.decoded(&value).map(Some);
            }
            if self.splitter.len() > self.bytes_max {
                return Err(too_large(self.bytes_max as u64));
            }
            let piece = match &mut self.upload {
                Some(upload) => upload.chunk().await,
                None => None,
            };
            match piece {
                Some(piece) => self.splitter.add(&piece.map_err(refusal)?),
                None => {
                    self.upload = None;
                    let rest = std::mem::take(&mut self.splitter).rest();
                    return rest.map(|value| self.decoded(&value)).transpose();
                }
            }
        }
    }

    fn decoded(&self, value: &[u8]) -> Result<Bytes, Status> {
        let message = decode::message(self.described, value);
        message.map(Bytes::from).map_err(|error| invalid(&error))
    }
}

/// What a body is refused with that is not the message.
pub(crate) fn invalid(error: &InvalidJson) -> Status {
    Status::new(Code::InvalidArgument, error.to_string())
}

/// What a body is refused with that cannot be read.
pub(crate) fn refusal(error: UploadError) -> Status {
    match error {
        UploadError::TooLarge { bytes_max } => too_large(bytes_max),
        UploadError::Broken(_) => Status::cancelled(),
    }
}

fn too_large(bytes_max: u64) -> Status {
    Status::new(
        Code::ResourceExhausted,
        format!("request body larger than max ({bytes_max} bytes)"),
    )
}
