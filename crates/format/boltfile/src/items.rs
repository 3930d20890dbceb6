//! Walking the items of a tree in key order.

use bytes::Bytes;

use crate::page::{LeafItem, Page, PageFault, ReadError};
use crate::reader::{Reader, Root};

/// Deeper than any tree of two children a page that fits on a disk; ends circles.
pub(crate) const DEPTH_MAX: usize = 64;

/// The pairs of a bucket in byte order of keys; nothing comes after the first error.
///
/// Keys and values are slices of their page. Keys that do not ascend are an error, so a tree with
/// shared pages ends instead of repeating itself.
#[derive(Debug)]
pub struct Items {
    walk: Walk,
}

/// The walk itself, which also knows on which page an item is.
#[derive(Debug)]
struct Walk {
    reader: Reader,
    /// From the root down; with the next item of each page.
    path: Vec<(Page, usize)>,
    last: Option<Bytes>,
    /// Why the walk cannot even begin.
    failed: Option<ReadError>,
}

impl Items {
    pub(crate) fn new(reader: Reader, root: &Root) -> Self {
        let mut walk = Walk {
            reader,
            path: Vec::new(),
            last: None,
            failed: None,
        };
        match root {
            Root::Inline(page) => walk.path.push((page.clone(), 0)),
            Root::Page(id) => match walk.reader.page(*id) {
                Ok(page) => walk.path.push((page, 0)),
                Err(error) => walk.failed = Some(error),
            },
        }
        Self { walk }
    }

    pub(crate) fn starting_at(reader: Reader, root: &Root, key: &[u8]) -> Result<Self, ReadError> {
        let mut items = Self::new(reader, root);
        items.walk.seek(key)?;
        Ok(items)
    }

    /// Yields what `map` makes of each element: its page, its index there and the item.
    pub(crate) fn map_elements<T>(
        self,
        mut map: impl FnMut(u64, usize, LeafItem) -> Result<T, ReadError>,
    ) -> impl Iterator<Item = Result<T, ReadError>> {
        let mut walk = self.walk;
        std::iter::from_fn(move || {
            let found = walk.next()?;
            let mapped = found.and_then(|(page, index, item)| map(page, index, item));
            if mapped.is_err() {
                walk.path.clear();
            }
            Some(mapped)
        })
    }
}

impl Iterator for Items {
    type Item = Result<(Bytes, Bytes), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let pair = self.walk.next()?.and_then(|(page, index, item)| {
            // A bucket in a bucket is something that etcd never makes.
            match item.flags {
                0 => Ok((item.key, item.value)),
                flags => Err(PageFault::Flags { index, flags }.at(page)),
            }
        });
        if pair.is_err() {
            self.walk.path.clear();
        }
        Some(pair)
    }
}

impl Walk {
    fn next(&mut self) -> Option<Result<(u64, usize, LeafItem), ReadError>> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        let found = self.advance();
        if found.is_err() {
            self.path.clear();
        }
        found.transpose()
    }

    fn advance(&mut self) -> Result<Option<(u64, usize, LeafItem)>, ReadError> {
        while let Some((page, next)) = self.path.last_mut() {
            let index = *next;
            if index == page.count {
                self.path.pop();
                continue;
            }
            *next += 1;
            if page.is_leaf {
                let id = page.id;
                let item = page.leaf_item(index)?;
                if item.key.is_empty() || self.last.as_ref().is_some_and(|last| *last >= item.key) {
                    return Err(PageFault::KeyOrder { index }.at(id));
                }
                self.last = Some(item.key.clone());
                return Ok(Some((id, index, item)));
            }
            let child = page.branch_item(index)?.child;
            self.descend(child)?;
        }
        Ok(None)
    }

    fn descend(&mut self, child: u64) -> Result<(), ReadError> {
        if self.path.len() >= DEPTH_MAX {
            return Err(PageFault::Depth.at(child));
        }
        let page = self.reader.page(child)?;
        if page.count == 0 {
            return Err(PageFault::Empty.at(child));
        }
        self.path.push((page, 0));
        Ok(())
    }

    /// Moves from the root to the first item that is not below `key`.
    fn seek(&mut self, key: &[u8]) -> Result<(), ReadError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        while let Some((page, next)) = self.path.last_mut() {
            if page.is_leaf || page.count == 0 {
                *next = page.count_below(key, false)?;
                return Ok(());
            }
            // The last child whose first key is not above the key, else the first child.
            let index = page.count_below(key, true)?.saturating_sub(1);
            *next = index + 1;
            let child = page.branch_item(index)?.child;
            self.descend(child)?;
        }
        Ok(())
    }
}
