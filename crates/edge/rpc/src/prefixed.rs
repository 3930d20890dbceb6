//! A connection whose first bytes were already read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// What an HTTP/2 client says first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    /// A handshake comes first.
    Tls,
}

/// What a TLS client says first: the type of a handshake record.
const TLS_HANDSHAKE: u8 = 22;

/// Reads the bytes that were peeked, then the rest of the connection.
pub(crate) struct Prefixed<S> {
    prefix: Bytes,
    stream: S,
}

impl<S> Prefixed<S> {
    /// A connection of which nothing was read.
    pub(crate) fn new(stream: S) -> Self {
        let prefix = Bytes::new();
        Self { prefix, stream }
    }
}

impl<S: AsyncRead + Unpin> Prefixed<S> {
    /// Reads until it is certain which protocol the client speaks.
    ///
    /// None means that the client closed before it was.
    pub(crate) async fn peek(mut stream: S) -> io::Result<Option<(Protocol, Self)>> {
        let mut seen = [0; PREFACE.len()];
        let mut len = 0;
        let protocol = loop {
            let read = stream.read(&mut seen[len..]).await?;
            if read == 0 {
                return Ok(None);
            }
            len += read;
            if seen[0] == TLS_HANDSHAKE {
                break Protocol::Tls;
            }
            if seen[..len] != PREFACE[..len] {
                break Protocol::Http1;
            }
            if len == PREFACE.len() {
                break Protocol::Http2;
            }
        };
        let prefix = Bytes::copy_from_slice(&seen[..len]);
        Ok(Some((protocol, Self { prefix, stream })))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.prefix.is_empty() {
            let len = self.prefix.len().min(buf.remaining());
            buf.put_slice(&self.prefix.split_to(len));
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    async fn check(pieces: &[&[u8]], want: Option<Protocol>) {
        let (mut client, server) = duplex(256);
        for piece in pieces {
            client.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        drop(client);
        let peeked = Prefixed::peek(server).await.unwrap();
        assert_eq!(peeked.as_ref().map(|(protocol, _)| *protocol), want);
        if let Some((_, mut stream)) = peeked {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, pieces.concat());
        }
    }

    /// A wrong guess would break curl or every gRPC client on the shared port.
    #[tokio::test]
    async fn tells_protocols_apart() {
        check(&[b"GET / HTTP/1.1\r\n\r\n"], Some(Protocol::Http1)).await;
        check(
            &[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0"],
            Some(Protocol::Http2),
        )
        .await;
        check(
            &[b"PRI * HTTP/2.0\r\n", b"\r\nSM\r\n\r\nrest"],
            Some(Protocol::Http2),
        )
        .await;
        check(&[b"P", b"OST / HTTP/1.1\r\n\r\n"], Some(Protocol::Http1)).await;
        check(&[&[22, 3, 1]], Some(Protocol::Tls)).await;
        check(&[b"PRI"], None).await;
        check(&[], None).await;
    }
}
