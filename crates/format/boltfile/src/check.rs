//! Looking at every page: what bbolt's own consistency check looks at.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::items::DEPTH_MAX;
use crate::layout::{FIRST_DATA_PAGE, FREELIST, HEADER, u64_at};
use crate::page::{Page, PageFault, ReadError};
use crate::reader::{Reader, Root};

/// Enough to see what is wrong; a file of noise would have one fault for every page.
const FAULTS_MAX: usize = 1000;

impl Reader {
    /// Walks all pages of all buckets and returns what is wrong, at most a thousand faults.
    ///
    /// Every page must be in bounds, of the right kind and used once; keys must ascend and lie
    /// where the parent page says. When the free list is stored, every page must be either used
    /// or free.
    #[must_use]
    pub fn check(&self) -> Vec<ReadError> {
        let high_water = usize::try_from(self.meta().high_water).unwrap_or(0);
        let mut check = Check {
            reader: self,
            used: vec![false; high_water],
            faults: Vec::new(),
        };
        check.tree(&Root::Page(self.meta().root), Content::Buckets);
        if self.meta().has_freelist() {
            check.freelist(self.meta().freelist);
        }
        check.faults
    }
}

struct Check<'a> {
    reader: &'a Reader,
    /// A byte a page: 1/4096 of what is checked.
    used: Vec<bool>,
    faults: Vec<ReadError>,
}

/// What the leaves of a tree hold.
#[derive(Clone, Copy)]
enum Content {
    Buckets,
    Values,
}

/// The keys that a page may hold: from the first on, below the second.
#[derive(Clone, Default)]
struct Bounds {
    from: Option<Bytes>,
    below: Option<Bytes>,
}

impl Check<'_> {
    fn tree(&mut self, root: &Root, content: Content) {
        match root {
            Root::Inline(page) => self.page(page, content, &Bounds::default(), 1),
            Root::Page(id) => self.subtree(*id, content, &Bounds::default(), 1),
        }
    }

    fn subtree(&mut self, id: u64, content: Content, bounds: &Bounds, depth: usize) {
        if self.faults.len() >= FAULTS_MAX {
            return;
        }
        let Some(page) = self.take_page(id, depth) else {
            return;
        };
        if page.count == 0 && depth > 1 {
            self.fault(PageFault::Empty.at(id));
        }
        self.page(&page, content, bounds, depth);
    }

    /// Reads a page and marks it and its overflow as used.
    fn take_page(&mut self, id: u64, depth: usize) -> Option<Page> {
        let read = self
            .reader
            .raw_page(id)
            .and_then(|(header, bytes)| Ok((Page::parse(id, &header, bytes)?, header.overflow)));
        let (page, overflow) = match read {
            Ok(read) => read,
            Err(error) => {
                self.fault(error);
                return None;
            }
        };
        if !self.mark(id, overflow) {
            return None;
        }
        if depth > DEPTH_MAX {
            self.fault(PageFault::Depth.at(id));
            return None;
        }
        Some(page)
    }

    /// The pages are in bounds, or they could not have been read.
    fn mark(&mut self, id: u64, overflow: u32) -> bool {
        let first = usize::try_from(id).unwrap_or(usize::MAX);
        let run = first..=first.saturating_add(overflow as usize);
        let Some(used) = self.used.get_mut(run) else {
            return false;
        };
        let shared = used.iter().position(|used| *used);
        used.fill(true);
        if let Some(at) = shared {
            self.fault(PageFault::Shared.at(id + at as u64));
        }
        shared.is_none()
    }

    fn page(&mut self, page: &Page, content: Content, bounds: &Bounds, depth: usize) {
        if let Err(error) = self.keys(page, bounds) {
            self.fault(error);
            return;
        }
        for index in 0..page.count {
            let checked = match (page.is_leaf, content) {
                (true, Content::Values) => check_value(page, index),
                (true, Content::Buckets) => self.bucket(page, index),
                (false, _) => self.child(page, index, content, bounds, depth),
            };
            if let Err(error) = checked {
                self.fault(error);
            }
        }
    }

    /// Keys ascend and lie within the bounds.
    fn keys(&self, page: &Page, bounds: &Bounds) -> Result<(), ReadError> {
        let mut last = Bytes::new();
        for index in 0..page.count {
            let key = page.key(index)?;
            let low = index == 0 && bounds.from.as_ref().is_some_and(|from| key < *from);
            let high = bounds.below.as_ref().is_some_and(|below| key >= *below);
            if low || high || last.cmp(&key) != Ordering::Less {
                return Err(PageFault::KeyOrder { index }.at(page.id));
            }
            last = key;
        }
        Ok(())
    }

    fn bucket(&mut self, page: &Page, index: usize) -> Result<(), ReadError> {
        let item = page.leaf_item(index)?;
        let root = self.reader.bucket_root(page.id, index, &item)?;
        self.tree(&root, Content::Values);
        Ok(())
    }

    fn child(
        &mut self,
        page: &Page,
        index: usize,
        content: Content,
        bounds: &Bounds,
        depth: usize,
    ) -> Result<(), ReadError> {
        let item = page.branch_item(index)?;
        let below = if index + 1 < page.count {
            Some(page.key(index + 1)?)
        } else {
            bounds.below.clone()
        };
        let from = Some(item.key);
        self.subtree(item.child, content, &Bounds { from, below }, depth + 1);
        Ok(())
    }

    fn freelist(&mut self, id: u64) {
        match self.reader.raw_page(id) {
            Ok((header, _)) if header.flags != FREELIST => {
                let flags = header.flags;
                self.fault(PageFault::Kind { flags }.at(id));
            }
            Ok((header, bytes)) => {
                self.mark(id, header.overflow);
                self.free_pages(id, header.count, &bytes);
            }
            Err(error) => self.fault(error),
        }
    }

    fn free_pages(&mut self, id: u64, count: u16, bytes: &Bytes) {
        // A full count says that the true one is the first number.
        let long = count == u16::MAX;
        let count = if long {
            u64_at(bytes, HEADER).unwrap_or(0)
        } else {
            u64::from(count)
        };
        let start = HEADER + 8 * usize::from(long);
        let room = (bytes.len().saturating_sub(start) / 8) as u64;
        if count > room {
            self.fault(PageFault::Count { count: u16::MAX }.at(id));
            return;
        }
        for index in 0..usize::try_from(count).unwrap_or(0) {
            let free = u64_at(bytes, start + 8 * index).unwrap_or(0);
            self.free_page(free);
        }
        for page in FIRST_DATA_PAGE..self.used.len() as u64 {
            if self.faults.len() < FAULTS_MAX && self.is_used(page) == Some(false) {
                self.fault(PageFault::Lost.at(page));
            }
        }
    }

    fn free_page(&mut self, page: u64) {
        let high_water = self.reader.meta().high_water;
        match self.is_used(page) {
            Some(true) => self.fault(PageFault::Free.at(page)),
            Some(false) => self.used[page as usize] = true,
            None => self.fault(PageFault::OutOfBounds { high_water }.at(page)),
        }
    }

    fn is_used(&self, page: u64) -> Option<bool> {
        let index = usize::try_from(page).ok()?;
        self.used.get(index).copied()
    }

    fn fault(&mut self, error: ReadError) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(error);
        }
    }
}

fn check_value(page: &Page, index: usize) -> Result<(), ReadError> {
    match page.leaf_item(index)?.flags {
        0 => Ok(()),
        flags => Err(PageFault::Flags { index, flags }.at(page.id)),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use disk::{Dir, MemDir, OpenMode};

    use super::*;
    use crate::layout::Header;
    use crate::meta::Meta;
    use crate::writer::Writer;

    const PAGE: u32 = 1024;

    /// A file of one leaf page with `spare` unused pages and a stored free list.
    fn with_freelist(spare: u64, flags: u16, free: &[u64]) -> Vec<String> {
        let file = MemDir::new().open("db", OpenMode::CreateNew).unwrap();
        let mut writer = Writer::new(file.clone(), PAGE);
        writer.bucket::<Infallible>(b"b", []).unwrap();
        let end = writer.finish().unwrap().bytes() / u64::from(PAGE);
        let page = end + spare;
        let header = Header {
            id: page,
            flags,
            count: u16::try_from(free.len()).unwrap(),
            overflow: 0,
        };
        let mut bytes = vec![0; PAGE as usize];
        bytes[..HEADER].copy_from_slice(&header.encode());
        for (at, free) in free.iter().enumerate() {
            bytes[HEADER + 8 * at..][..8].copy_from_slice(&free.to_le_bytes());
        }
        let offset = page * u64::from(PAGE);
        file.write_all_at(&bytes, offset).unwrap();
        let meta = Meta {
            page_size: PAGE,
            root: end - 1,
            freelist: page,
            high_water: page + 1,
            transaction: 4,
        };
        file.write_all_at(&meta.encode(), 0).unwrap();
        let reader = Reader::open(file).unwrap();
        let faults = reader.check();
        faults.iter().map(ToString::to_string).collect()
    }

    /// A database of a server that stores its free list must not be called damaged, nor a
    /// damaged one sound: a page in two places is overwritten sooner or later.
    #[test]
    fn stored_free_lists() {
        assert!(with_freelist(0, FREELIST, &[]).is_empty());
        assert!(with_freelist(2, FREELIST, &[3, 4]).is_empty());
        assert_eq!(
            with_freelist(2, FREELIST, &[3]),
            ["page 4: unreachable and not free"]
        );
        assert_eq!(
            with_freelist(1, FREELIST, &[2, 3]),
            ["page 2: reachable and free"]
        );
        assert_eq!(
            with_freelist(0, FREELIST, &[9]),
            ["page 9: out of bounds, high water mark is 4"]
        );
        assert_eq!(with_freelist(0, 0x02, &[]), ["page 3: invalid type 0x2"]);
    }
}
