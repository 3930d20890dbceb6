//! Fewer, larger writes: what one turn of a connection writes leaves in one piece.
//!
//! The HTTP/2 library writes and flushes once for every message that is not tiny, so that ten
//! answers cost ten system calls. Here its flushes are put off until the turn of the connection is
//! over: the library writes into [`Coalesced`], and [`Link::drive`] sends what has gathered after
//! each poll of the connection. A full buffer is sent at once, and what does not fit into it is
//! not copied, so that a slow client still holds back its own connection and nothing else.
//!
//! What is read passes through here as well: hosts that are none are hidden in it, see
//! [`crate::authority`]; a client that pings too often is found in it, see [`crate::pings`], and its
//! connection ends where a frame does.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    time::{Duration, timeout},
};

use crate::{authority::Authorities, pings::Pings};

/// What gathers before it is sent in the middle of a turn; larger pieces are not copied either.
const GATHERED_BYTES_MAX: usize = 32 * 1024;
/// The first allocation of a turn.
const GATHERED_BYTES_MIN: usize = 2 * 1024;
/// How long a client that is sent away may take to hear the last word, and then to go.
const FAREWELL: Duration = Duration::from_secs(1);

/// The stream as the HTTP/2 library sees it.
pub(crate) struct Coalesced<S>(Rc<RefCell<Gathering<S>>>);

/// The other end of a [`Coalesced`]: sends what has gathered.
pub(crate) struct Link<S>(Rc<RefCell<Gathering<S>>>);

struct Gathering<S> {
    stream: S,
    /// Bytes that were written and not yet sent, from `sent` on.
    gathered: Vec<u8>,
    sent: usize,
    /// Whether the stream itself may hold bytes back, as TLS does.
    is_flush_due: bool,
    /// Whether all frames that were begun are written to their end.
    is_at_boundary: bool,
    /// Counts the client's pings, where that is asked for.
    pings: Option<Pings>,
    /// Looks at the hosts that the client names, until it has named one.
    authorities: Option<Authorities>,
}

/// The client has pinged more often than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many pings")]
pub(crate) struct TooManyPings;

/// Puts a gathering place before a stream.
pub(crate) fn coalesce<S>(stream: S, pings: Option<Pings>) -> (Coalesced<S>, Link<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let gathering = Rc::new(RefCell::new(Gathering {
        stream,
        gathered: Vec::new(),
        sent: 0,
        is_flush_due: false,
        is_at_boundary: true,
        pings,
        authorities: Some(Authorities::default()),
    }));
    (Coalesced(Rc::clone(&gathering)), Link(gathering))
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// Runs the connection that writes to the other end, until it ends or its client pings too often.
    pub(crate) async fn drive<F: Future>(
        &self,
        mut connection: Pin<&mut F>,
    ) -> Result<F::Output, TooManyPings> {
        poll_fn(|cx| {
            let outcome = self.turn(cx, |cx| connection.as_mut().poll(cx));
            match self.0.borrow().is_abused() {
                true => Poll::Ready(Err(TooManyPings)),
                false => outcome.map(Ok),
            }
        })
        .await
    }

    /// Tells the client that it has pinged too often, and ends the connection.
    pub(crate) async fn send_away(&self) -> io::Result<()> {
        if let Gathering {
            gathered,
            pings: Some(pings),
            ..
        } = &mut *self.0.borrow_mut()
        {
            gathered.extend_from_slice(&pings.last_word());
        }
        let told = poll_fn(|cx| self.0.borrow_mut().poll_end(cx));
        timeout(FAREWELL, told).await??;
        // What is left unread would turn the farewell into a reset. Nobody else reads any more.
        let mut rest = Rest(&self.0);
        let gone = async {
            let mut bytes = [0; 256];
            while !matches!(rest.read(&mut bytes).await, Ok(0) | Err(_)) {}
        };
        // Who stays is left behind.
        let _ = timeout(FAREWELL, gone).await;
        Ok(())
    }

    /// Polls the connection, then sends what it has written.
    fn turn<T>(
        &self,
        cx: &mut Context<'_>,
        connection: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let outcome = connection(cx);
        // A connection that has ended has said its last word; what fails here fails again, and is
        // told, when the library writes next.
        let _ = self.0.borrow_mut().poll_send(cx);
        outcome
    }
}

/// What the client still says.
struct Rest<'a, S>(&'a RefCell<Gathering<S>>);

impl<S: AsyncRead + Unpin> AsyncRead for Rest<'_, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> Gathering<S> {
    fn is_abused(&self) -> bool {
        self.is_at_boundary && self.pings.as_ref().is_some_and(Pings::are_too_many)
    }

    /// Sends everything and closes this side.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.gathered.len() {
            let unsent = &self.gathered[self.sent..];
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, unsent))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
            self.is_flush_due = true;
        }
        // Idle connections hold no buffer: there may be thousands.
        self.gathered = Vec::new();
        self.sent = 0;
        if self.is_flush_due {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.is_flush_due = false;
        }
        Poll::Ready(Ok(()))
    }

    fn gather<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) -> usize {
        let before = self.gathered.len();
        if before == 0 {
            self.gathered.reserve(GATHERED_BYTES_MIN);
        }
        pieces.for_each(|piece| self.gathered.extend_from_slice(piece));
        self.gathered.len() - before
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.gathered.len() + bytes <= GATHERED_BYTES_MAX
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Coalesced<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let gathering = &mut *self.0.borrow_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut gathering.stream).poll_read(cx, buf))?;
        let bytes = &mut buf.filled_mut()[before..];
        if let Some(pings) = &mut gathering.pings {
            pings.follow(bytes);
        }
        gathering
            .authorities
            .take_if(|authorities| !authorities.follow(bytes));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Coalesced<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut gathering = self.0.borrow_mut();
        gathering.is_at_boundary = false;
        if gathering.has_room(buf.len()) {
            return Poll::Ready(Ok(gathering.gather([buf].into_iter())));
        }
        ready!(gathering.poll_send(cx))?;
        gathering.is_flush_due = true;
        Pin::new(&mut gathering.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut gathering = self.0.borrow_mut();
        gathering.is_at_boundary = false;
        if gathering.has_room(bufs.iter().map(|buf| buf.len()).sum()) {
            return Poll::Ready(Ok(gathering.gather(bufs.iter().map(|buf| &**buf))));
        }
        ready!(gathering.poll_send(cx))?;
        gathering.is_flush_due = true;
        Pin::new(&mut gathering.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().stream.is_write_vectored()
    }

    /// Put off until the end of the turn. The library flushes when it has written whole frames.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().is_at_boundary = true;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathering = self.0.borrow_mut();
        ready!(gathering.poll_send(cx))?;
        Pin::new(&mut gathering.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes at most `room` bytes in all, and remembers each write.
    #[derive(Default)]
    struct Sink {
        writes: Rc<RefCell<Vec<Vec<u8>>>>,
        room: Rc<RefCell<usize>>,
    }

    impl AsyncRead for Sink {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Sink {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let count = buf.len().min(*self.room.borrow());
            if count == 0 {
                return Poll::Pending;
            }
            *self.room.borrow_mut() -= count;
            self.writes.borrow_mut().push(buf[..count].to_vec());
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    struct Bench {
        stream: Coalesced<Sink>,
        link: Link<Sink>,
        writes: Rc<RefCell<Vec<Vec<u8>>>>,
        room: Rc<RefCell<usize>>,
    }

    impl Bench {
        fn new(room: usize) -> Self {
            let sink = Sink::default();
            *sink.room.borrow_mut() = room;
            let (writes, room) = (Rc::clone(&sink.writes), Rc::clone(&sink.room));
            let (stream, link) = coalesce(sink, None);
            Self {
                stream,
                link,
                writes,
                room,
            }
        }

        /// One turn that writes and flushes pieces; how many were taken.
        fn turn(&mut self, pieces: &[&[u8]]) -> usize {
            let stream = &mut self.stream;
            let turn = self
                .link
                .turn(&mut Context::from_waker(Waker::noop()), |cx| {
                    let taken = pieces.iter().take_while(|piece| {
                        let written = Pin::new(&mut *stream).poll_write(cx, piece);
                        assert!(Pin::new(&mut *stream).poll_flush(cx).is_ready());
                        matches!(written, Poll::Ready(Ok(count)) if count == piece.len())
                    });
                    Poll::Ready(taken.count())
                });
            match turn {
                Poll::Ready(taken) => taken,
                Poll::Pending => panic!("a turn is always ready here"),
            }
        }

        fn lengths(&self) -> Vec<usize> {
            self.writes.borrow().iter().map(Vec::len).collect()
        }
    }

    /// A write for each answer is most of what a small call costs.
    #[test]
    fn a_turn_is_one_write() {
        let mut bench = Bench::new(usize::MAX);
        assert_eq!(bench.turn(&[b"one", b"two", b"three"]), 3);
        assert_eq!(bench.writes.take(), [b"onetwothree"]);
        assert_eq!(bench.turn(&[]), 0);
        assert_eq!(bench.writes.take(), Vec::<Vec<u8>>::new());
    }

    /// Order holds when a piece is too large to be copied.
    #[test]
    fn large_pieces_keep_their_place() {
        let mut bench = Bench::new(usize::MAX);
        let large = vec![7; GATHERED_BYTES_MAX + 1];
        assert_eq!(bench.turn(&[b"before", &large, b"after"]), 3);
        assert_eq!(bench.lengths(), [6, large.len(), 5]);
    }

    /// A client that does not read must not make the member hold everything that it asked for.
    #[test]
    fn a_full_stream_holds_the_writer_back() {
        let mut bench = Bench::new(1000);
        let piece = [1; 1000];
        let most = 1 + GATHERED_BYTES_MAX / piece.len();
        let pieces = vec![&piece[..]; 100];
        // The first bytes leave in the middle of the turn, when the buffer is full.
        assert_eq!(bench.turn(&pieces), most - 1);
        assert_eq!(bench.turn(&pieces), 0);
        assert_eq!(bench.lengths(), [1000]);
        *bench.room.borrow_mut() = usize::MAX;
        bench.turn(&[]);
        let sent: usize = bench.lengths().iter().sum();
        assert_eq!(sent, (most - 1) * piece.len());
    }
}
