//! Just enough HTTP/2 to make gRPC calls at a few microseconds each.
//!
//! The headers of a connection's calls are always the same: the first call sends them as
//! literals that enter the table of HPACK, all others refer to them, as gRPC clients do. Headers of
//! responses are not decoded: a call has succeeded when a message came before the end, because a gRPC
//! error has none.

use anyhow::{Result, bail, ensure};

use crate::target::Target;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes that the server may send unasked: as many as there can be.
const WINDOW: u32 = (1 << 31) - 1;
/// What a connection's window is before any update.
const WINDOW_AT_FIRST: u32 = 65_535;
/// Received bytes after which the window is opened again.
const WINDOW_REFILL: u32 = 1 << 30;
const HEAD_BYTES: usize = 9;
/// Payload of one frame of ours; every server accepts it.
const FRAME_BYTES_MAX: usize = 16_384;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

const INITIAL_WINDOW_SIZE: u16 = 4;

/// The client's half of a connection's protocol, without the socket.
#[derive(Debug)]
pub(crate) struct Connection {
    first_block: Vec<u8>,
    next_block: Vec<u8>,
    next_stream: u32,
    send_window: i64,
    received: u32,
    keeps_answers: bool,
    calls: Vec<Call>,
    waiting: std::collections::VecDeque<(u32, Vec<u8>)>,
    output: Vec<u8>,
}

#[derive(Debug)]
struct Call {
    stream: u32,
    message_bytes: usize,
    answer: Vec<u8>,
    refused: bool,
}

/// A call that has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) stream: u32,
    /// The bytes of the message with its prefix; none when the call failed.
    pub(crate) message_bytes: Option<usize>,
    /// The message with its prefix, on a connection that keeps answers.
    pub(crate) answer: Vec<u8>,
}

impl Connection {
    /// A connection whose calls all go to `path`, with a token where there is one.
    pub(crate) fn new(path: &str, target: &Target) -> Self {
        let (first_block, next_block) = header_blocks(path, target);
        let mut connection = Self {
            first_block,
            next_block,
            next_stream: 1,
            send_window: i64::from(WINDOW_AT_FIRST),
            received: 0,
            keeps_answers: false,
            calls: Vec::new(),
            waiting: std::collections::VecDeque::new(),
            output: PREFACE.to_vec(),
        };
        let mut settings = Vec::new();
        settings.extend_from_slice(&INITIAL_WINDOW_SIZE.to_be_bytes());
        settings.extend_from_slice(&WINDOW.to_be_bytes());
        connection.frame(SETTINGS, 0, 0, &settings);
        connection.open_window(WINDOW - WINDOW_AT_FIRST);
        connection
    }

    /// The same, for calls whose answers are wanted.
    pub(crate) fn keeping_answers(mut self) -> Self {
        self.keeps_answers = true;
        self
    }

    /// Bytes for the socket.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Starts a call; its stream.
    pub(crate) fn call(&mut self, message: Vec<u8>) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        self.calls.push(Call {
            stream,
            message_bytes: 0,
            answer: Vec::new(),
            refused: false,
        });
        self.waiting.push_back((stream, message));
        self.send_waiting();
        stream
    }

    /// Sends the requests that the server's window has room for.
    fn send_waiting(&mut self) {
        while let Some((stream, message)) = self.waiting.pop_front() {
            if message.len() as i64 > self.send_window {
                self.waiting.push_front((stream, message));
                return;
            }
            self.send_window -= message.len() as i64;
            let block = std::mem::take(match stream {
                1 => &mut self.first_block,
                _ => &mut self.next_block,
            });
            self.frame(HEADERS, END_HEADERS, stream, &block);
            if stream != 1 {
                self.next_block = block;
            }
            let mut chunks = message.chunks(FRAME_BYTES_MAX).peekable();
            while let Some(chunk) = chunks.next() {
                let flags = if chunks.peek().is_none() {
                    END_STREAM
                } else {
                    0
                };
                self.frame(DATA, flags, stream, chunk);
            }
        }
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = (payload.len() as u32).to_be_bytes();
        self.output.extend_from_slice(&length[1..]);
        self.output.extend_from_slice(&[kind, flags]);
        self.output.extend_from_slice(&stream.to_be_bytes());
        self.output.extend_from_slice(payload);
    }

    fn open_window(&mut self, bytes: u32) {
        self.frame(WINDOW_UPDATE, 0, 0, &bytes.to_be_bytes());
    }

    /// Takes what the socket brought; how much of it was whole frames, which are done with.
    pub(crate) fn receive(&mut self, input: &[u8], ended: &mut Vec<Ended>) -> Result<usize> {
        let mut at = 0;
        while let Some((head, rest)) = input[at..].split_first_chunk::<HEAD_BYTES>() {
            let [a, b, c, kind, flags, stream @ ..] = *head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let Some(payload) = rest.get(..length) else {
                break;
            };
            let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
            self.take_frame(kind, flags, stream, payload, ended)?;
            at += HEAD_BYTES + length;
        }
        Ok(at)
    }

    fn take_frame(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
        ended: &mut Vec<Ended>,
    ) -> Result<()> {
        match kind {
            DATA => {
                self.count(payload.len() as u32);
                let keeps_answers = self.keeps_answers;
                if let Some(call) = self.find(stream) {
                    call.message_bytes += payload.len();
                    if keeps_answers {
                        call.answer.extend_from_slice(payload);
                    }
                }
            }
            RST_STREAM => {
                if let Some(call) = self.find(stream) {
                    call.refused = true;
                }
            }
            SETTINGS if flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => self.frame(PING, ACK, 0, payload),
            WINDOW_UPDATE if stream == 0 => {
                ensure!(payload.len() == 4, "a window update of a strange size");
                let bytes = payload
                    .iter()
                    .fold(0, |sum, &byte| sum << 8 | i64::from(byte));
                self.send_window += bytes;
                self.send_waiting();
            }
            GOAWAY => bail!("the server closes the connection"),
            _ => {}
        }
        let is_end = flags & END_STREAM != 0 && matches!(kind, DATA | HEADERS);
        if is_end || kind == RST_STREAM {
            self.end(stream, ended);
        }
        Ok(())
    }

    fn count(&mut self, bytes: u32) {
        self.received += bytes;
        if self.received >= WINDOW_REFILL {
            self.open_window(self.received);
            self.received = 0;
        }
    }

    fn find(&mut self, stream: u32) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| call.stream == stream)
    }

    fn end(&mut self, stream: u32, ended: &mut Vec<Ended>) {
        let at = self.calls.iter().position(|call| call.stream == stream);
        // The reset of a stream that has ended says nothing more.
        let Some(at) = at else { return };
        let call = self.calls.swap_remove(at);
        let has_message = call.message_bytes > 0 && !call.refused;
        ended.push(Ended {
            stream,
            message_bytes: has_message.then_some(call.message_bytes),
            answer: call.answer,
        });
    }
}

/// The headers of the first call, which enter HPACK's table, and of all others, which refer to them.
///
/// Numbers are those of HPACK's static table (RFC 7541, appendix A); the table of the connection
/// follows it, the newest entry first.
fn header_blocks(path: &str, target: &Target) -> (Vec<u8>, Vec<u8>) {
    const METHOD_POST: u8 = 0x83;
    const SCHEME_HTTP: u8 = 0x86;
    const SCHEME_HTTPS: u8 = 0x87;
    const LITERAL: u8 = 0x40;
    const FIRST_OF_TABLE: u8 = 62;
    let authority = target.address.to_string();
    let known = [
        (4, path),
        (1, authority.as_str()),
        (31, "application/grpc"),
        (58, "grpc-go/1.81.1"),
    ];
    let mut named = vec![("te", "trailers"), ("client-api-version", "3.7.0")];
    named.extend(target.token.as_deref().map(|token| ("token", token)));

    let scheme = match target.tls {
        Some(_) => SCHEME_HTTPS,
        None => SCHEME_HTTP,
    };
    let mut first = vec![METHOD_POST, scheme];
    for (name, value) in known {
        first.push(LITERAL | name);
        push_text(&mut first, value);
    }
    for &(name, value) in &named {
        first.push(LITERAL);
        push_text(&mut first, name);
        push_text(&mut first, value);
    }
    let mut next = vec![METHOD_POST, scheme];
    let count = (known.len() + named.len()) as u8;
    next.extend((0..count).rev().map(|at| 0x80 | (FIRST_OF_TABLE + at)));
    (first, next)
}

/// A text behind its length (RFC 7541, section 5.1, with a prefix of seven bits).
fn push_text(block: &mut Vec<u8>, text: &str) {
    const PREFIX_MAX: usize = 127;
    match text.len().checked_sub(PREFIX_MAX) {
        None => block.push(text.len() as u8),
        Some(mut rest) => {
            block.push(PREFIX_MAX as u8);
            while rest >= 128 {
                block.push((rest % 128) as u8 | 0x80);
                rest /= 128;
            }
            block.push(rest as u8);
        }
    }
    block.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        let address = ([127, 0, 0, 1], 2379).into();
        Connection::new("/p", &Target::plain(address))
    }

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut connection = connection();
        connection.output().clear();
        connection.frame(kind, flags, stream, payload);
        std::mem::take(connection.output())
    }

    /// A failed call that counts as answered would make a broken server look fast.
    #[test]
    fn a_call_without_a_message_has_failed() {
        let mut connection = connection();
        let (good, bad) = (connection.call(vec![0; 5]), connection.call(vec![0; 5]));
        let mut input = frame(HEADERS, END_HEADERS, good, &[0x88]);
        input.extend(frame(DATA, 0, good, &[0; 9]));
        input.extend(frame(HEADERS, END_HEADERS | END_STREAM, bad, &[0x88]));
        input.extend(frame(HEADERS, END_HEADERS | END_STREAM, good, &[0x88]));
        let mut ended = Vec::new();
        // Bytes come as they like.
        let taken = connection.receive(&input[..20], &mut ended).unwrap();
        let rest = connection.receive(&input[taken..], &mut ended).unwrap();
        assert_eq!(taken + rest, input.len());
        let results: Vec<_> = ended.iter().map(|e| (e.stream, e.message_bytes)).collect();
        assert_eq!(results, [(bad, None), (good, Some(9))]);
    }

    /// A request beyond the server's window would be a protocol error, and end the run.
    #[test]
    fn requests_wait_for_the_window() {
        let mut connection = connection();
        connection.call(vec![0; 40_000]);
        let sent = connection.output().len();
        connection.call(vec![0; 40_000]);
        assert_eq!(connection.output().len(), sent);
        let update = frame(WINDOW_UPDATE, 0, 0, &40_000_u32.to_be_bytes());
        connection.receive(&update, &mut Vec::new()).unwrap();
        assert!(connection.output().len() > sent + 40_000);
    }

    /// A signed token is longer than what one byte can say.
    #[test]
    fn long_texts_have_long_lengths() {
        let lengths = [126, 127, 128, 400].map(|length| {
            let mut block = Vec::new();
            push_text(&mut block, &"x".repeat(length));
            block[..block.len() - length].to_vec()
        });
        assert_eq!(
            lengths,
            [vec![126], vec![127, 0], vec![127, 1], vec![127, 0x91, 2]]
        );
    }
}
