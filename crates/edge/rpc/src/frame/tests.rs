//! Frames at every cut, of every kind and from a hostile sender.

use std::{collections::VecDeque, convert::Infallible, task::Waker};

use hyper::body::Frame;
use proptest::prelude::*;

use super::*;

/// A body that hands out what it was given, one piece at a time.
struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

const MAX: usize = 64;

fn read(pieces: Vec<Bytes>, gzip: bool) -> Vec<Result<Bytes, Status>> {
    let mut reader = Reader::new(Pieces(pieces.into()), gzip, MAX);
    let mut cx = Context::from_waker(Waker::noop());
    let mut messages = Vec::new();
    while let Poll::Ready(Some(message)) = reader.poll_next(&mut cx) {
        let failed = message.is_err();
        messages.push(message);
        if failed {
            break;
        }
    }
    messages
}

fn framed(message: &[u8], gzip: bool) -> Bytes {
    let mut framed = Framed::new(Bytes::copy_from_slice(message), gzip).unwrap();
    framed.copy_to_bytes(framed.remaining())
}

fn cut(bytes: &Bytes, sizes: &[usize]) -> Vec<Bytes> {
    let mut rest = bytes.clone();
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        pieces.push(rest.split_to((*size).min(rest.len())));
    }
    pieces
}

proptest! {
    /// Where HTTP/2 cuts its frames must not matter.
    #[test]
    fn messages_survive_every_cut(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
        sizes in prop::collection::vec(1_usize..30, 1..6),
        gzip in any::<bool>(),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|m| framed(m, gzip)).collect();
        let got = read(cut(&Bytes::from(bytes), &sizes), gzip);
        let want: Vec<_> = messages.into_iter().map(|m| Ok(Bytes::from(m))).collect();
        prop_assert_eq!(got, want);
    }

    /// Bytes from a hostile client end in a status, never in a panic.
    #[test]
    fn garbage_is_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        sizes in prop::collection::vec(1_usize..30, 1..6),
        gzip in any::<bool>(),
    ) {
        read(cut(&Bytes::from(bytes), &sizes), gzip);
    }
}

/// Clients match these texts.
#[test]
fn refusals() {
    let check = |bytes: &[u8], gzip, code, text: &str| {
        let got = read(vec![Bytes::copy_from_slice(bytes)], gzip);
        assert_eq!(got, [Err(Status::new(code, text.to_owned()))]);
    };
    check(
        &[0, 0, 0, 0, 65],
        false,
        Code::ResourceExhausted,
        "grpc: received message larger than max (65 vs. 64)",
    );
    check(&[0, 0, 0, 0, 2, 1], false, Code::Internal, "unexpected EOF");
    check(&[0, 0], false, Code::Internal, "unexpected EOF");
    check(
        &[1, 0, 0, 0, 0],
        false,
        Code::Internal,
        "grpc: compressed flag set with identity or empty encoding",
    );
    check(
        &[7, 0, 0, 0, 0],
        true,
        Code::Internal,
        "grpc: received unexpected payload format 7",
    );
    let bomb = framed(&[0; 65], true);
    check(
        &bomb,
        true,
        Code::ResourceExhausted,
        "grpc: received message after decompression larger than max 64",
    );
}

/// A large message leaves in one vectored write.
#[test]
fn framed_in_parts() {
    let mut framed = Framed::new(Bytes::from_static(b"hello"), false).unwrap();
    let mut slices = [IoSlice::new(&[]), IoSlice::new(&[])];
    assert_eq!(framed.chunks_vectored(&mut slices), 2);
    assert_eq!(&slices[0][..], [0, 0, 0, 0, 5]);
    assert_eq!(&slices[1][..], b"hello");
    framed.advance(7);
    let mut slices = [IoSlice::new(&[]), IoSlice::new(&[])];
    assert_eq!(framed.chunks_vectored(&mut slices), 1);
    assert_eq!(&slices[0][..], b"llo");
    assert_eq!(framed.remaining(), 3);
}
