//! Where the frames of HTTP/2 begin in what a client sends.

use crate::prefixed::PREFACE;

const HEADER_BYTES: usize = 9;

/// The type of a frame that opens a call.
pub(crate) const HEADERS: u8 = 1;

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) length: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Head {
    fn read([a, b, c, kind, flags, stream @ ..]: [u8; HEADER_BYTES]) -> Self {
        Self {
            length: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & (u32::MAX >> 1),
        }
    }
}

/// The place in a stream of frames.
pub(crate) struct Frames {
    /// Bytes until the next header: of the preface, or of a payload.
    passed_over: usize,
    /// A header of which a part was read.
    header: [u8; HEADER_BYTES],
    header_len: usize,
}

impl Default for Frames {
    /// Of a connection of which nothing was read, not even the preface.
    fn default() -> Self {
        Self {
            passed_over: PREFACE.len(),
            header: [0; HEADER_BYTES],
            header_len: 0,
        }
    }
}

impl Frames {
    /// Takes bytes off the front until a frame's header has ended: the payload is next.
    pub(crate) fn next(&mut self, bytes: &mut &[u8]) -> Option<Head> {
        let passed = self.passed_over.min(bytes.len());
        self.passed_over -= passed;
        let taken = (HEADER_BYTES - self.header_len).min(bytes.len() - passed);
        let part = &bytes[passed..passed + taken];
        *bytes = &bytes[passed + taken..];
        self.header[self.header_len..self.header_len + taken].copy_from_slice(part);
        self.header_len += taken;
        if self.header_len < HEADER_BYTES {
            return None;
        }
        self.header_len = 0;
        let head = Head::read(self.header);
        self.passed_over = head.length;
        Some(head)
    }
}

/// A frame as a client sends it.
#[cfg(test)]
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the bytes arrive, the same frames are found in them.
    #[test]
    fn frames_are_found() {
        let bytes = [
            PREFACE,
            &frame(4, 0, 0, &[]),
            &frame(6, 0, 0, &[7; 8]),
            &frame(HEADERS, 4, 5, &[6; 40]),
            &frame(0, 1, 5, &[6; 20_000]),
            &frame(6, 1, 0, &[7; 8]),
        ]
        .concat();
        let want = [
            (0, 4, 0, 0),
            (8, 6, 0, 0),
            (40, HEADERS, 4, 5),
            (20_000, 0, 1, 5),
            (8, 6, 1, 0),
        ];
        for size in [1, 2, 9, 17, 1000, bytes.len()] {
            let mut frames = Frames::default();
            let mut found = Vec::new();
            for mut part in bytes.chunks(size) {
                while let Some(head) = frames.next(&mut part) {
                    found.push((head.length, head.kind, head.flags, head.stream));
                }
            }
            assert_eq!(found, want, "in pieces of {size}");
        }
    }
}
