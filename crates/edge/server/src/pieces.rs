//! Bytes that are written on the one side and handed over in pieces of one size on the other.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};

/// Cuts what is written.
pub(crate) struct Pieces<F> {
    size: usize,
    gathered: BytesMut,
    hand_over: F,
}

impl<F: FnMut(Bytes) -> io::Result<()>> Pieces<F> {
    pub(crate) fn new(size: usize, hand_over: F) -> Self {
        Self {
            size,
            gathered: BytesMut::new(),
            hand_over,
        }
    }

    /// Hands over what is left.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        match self.gathered.split() {
            rest if rest.is_empty() => Ok(()),
            rest => (self.hand_over)(rest.freeze()),
        }
    }
}

impl<F: FnMut(Bytes) -> io::Result<()>> Write for Pieces<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.gathered.is_empty() {
            self.gathered = BytesMut::with_capacity(self.size);
        }
        let len = bytes.len().min(self.size - self.gathered.len());
        self.gathered.extend_from_slice(&bytes[..len]);
        if self.gathered.len() == self.size {
            (self.hand_over)(self.gathered.split().freeze())?;
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
