//! The bytes of a simulated file: sparse pages, shared until written.
//!
//! A page that is absent reads as zeros, and a page that becomes all zeros is dropped again, so
//! that a preallocated file costs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The unit that the medium writes whole or not at all.
pub(crate) const SECTOR: u64 = 512;

const PAGE: usize = 4096;
const ZERO: [u8; PAGE] = [0; PAGE];

/// The bytes and the length of a file at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    len: u64,
    pages: BTreeMap<u64, Arc<[u8; PAGE]>>,
}

/// Splits `len` bytes at `offset` where pages end: page, first byte in it, position, count.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let start = (at % PAGE as u64) as usize;
        let count = (PAGE - start).min(len - done);
        let piece = (at / PAGE as u64, start, done, count);
        done += count;
        Some(piece)
    })
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Fills `buf` from `offset`, whatever the length: what lies past the end is zero.
    pub(crate) fn read(&self, buf: &mut [u8], offset: u64) {
        for (page, start, done, count) in pieces(offset, buf.len()) {
            let target = &mut buf[done..done + count];
            match self.pages.get(&page) {
                Some(page) => target.copy_from_slice(&page[start..start + count]),
                None => target.fill(0),
            }
        }
    }

    /// Writes without changing the length.
    pub(crate) fn put(&mut self, bytes: &[u8], offset: u64) {
        for (page, start, done, count) in pieces(offset, bytes.len()) {
            let source = &bytes[done..done + count];
            let zero = source == &ZERO[..count];
            if zero && !self.pages.contains_key(&page) {
                continue;
            }
            let bytes = self.pages.entry(page).or_insert_with(|| Arc::new(ZERO));
            Arc::make_mut(bytes)[start..start + count].copy_from_slice(source);
            if zero && **bytes == ZERO {
                self.pages.remove(&page);
            }
        }
    }

    /// Changes the length; what is cut off reads as zeros if the file grows again.
    pub(crate) fn set_len(&mut self, len: u64) {
        if len < self.len {
            let first_gone = len.div_ceil(PAGE as u64);
            self.pages.split_off(&first_gone);
            let rest = first_gone * PAGE as u64 - len;
            self.put(&ZERO[..rest as usize], len);
        }
        self.len = len;
    }

    /// The sectors from byte `offset` on that hold anything.
    pub(crate) fn sectors_from(&self, offset: u64) -> impl Iterator<Item = u64> {
        let per_page = PAGE as u64 / SECTOR;
        let first = offset / SECTOR;
        self.pages
            .range(first / per_page..)
            .flat_map(move |(page, _)| page * per_page..(page + 1) * per_page)
            .filter(move |sector| *sector >= first)
    }

    pub(crate) fn sector(&self, sector: u64) -> [u8; SECTOR as usize] {
        let mut bytes = [0; SECTOR as usize];
        self.read(&mut bytes, sector * SECTOR);
        bytes
    }
}
