//! Building one tree bottom up from ordered items, page by page.
//!
//! A level holds the elements of the page that it is filling. A full page is handed out and
//! becomes one element of the level above, so the tree needs one page a level.

use bytes::{BufMut, Bytes, BytesMut};

use crate::layout::{BRANCH, ELEMENT, HEADER, Header, LEAF};
use crate::pages::{Pages, WriteFault};

/// Pages are filled to nine tenths, as etcd fills its append-only bucket.
const FILL_TENTHS: usize = 9;

/// An element of a page and the bytes it points to.
struct Element {
    /// Flags of a leaf element; the child of a branch element.
    number: u64,
    key: Bytes,
    value: Bytes,
}

impl Element {
    /// Bytes of a page that it takes.
    fn len(&self) -> usize {
        ELEMENT + self.key.len() + self.value.len()
    }
}

#[derive(Default)]
struct Level {
    elements: Vec<Element>,
    /// Bytes of the page with these elements.
    size: usize,
    /// Whether this level has handed out a page.
    has_pages: bool,
}

/// A tree under construction.
pub(crate) struct Tree {
    page_size: usize,
    /// Leaves first.
    levels: Vec<Level>,
}

impl Tree {
    pub(crate) fn new(page_size: usize) -> Self {
        Self {
            page_size,
            levels: vec![Level::default()],
        }
    }

    /// Adds the next leaf item.
    pub(crate) fn push(
        &mut self,
        pages: &mut Pages<'_>,
        flags: u32,
        key: Bytes,
        value: Bytes,
    ) -> Result<(), WriteFault> {
        let element = Element {
            number: u64::from(flags),
            key,
            value,
        };
        self.add(pages, 0, element)
    }

    /// The tree as the value of an inline bucket, if it is one leaf of at most a quarter page.
    pub(crate) fn to_inline(&self) -> Option<Bytes> {
        let leaves = &self.levels[0];
        let size = leaves.size.max(HEADER);
        if leaves.has_pages || size > self.page_size / 4 {
            return None;
        }
        let header = Header {
            id: 0,
            flags: LEAF,
            count: element_count(&leaves.elements),
            overflow: 0,
        };
        let mut bytes = BytesMut::with_capacity(size);
        bytes.put_slice(&header.encode());
        put_body(&mut bytes, 0, &leaves.elements);
        Some(bytes.freeze())
    }

    /// Stores what is left and returns the root page.
    pub(crate) fn finish(mut self, pages: &mut Pages<'_>) -> Result<u64, WriteFault> {
        self.flush(pages, 0)?;
        let mut level = 1;
        loop {
            let above = &self.levels[level];
            if let ([root], false) = (&above.elements[..], above.has_pages) {
                return Ok(root.number);
            }
            self.flush(pages, level)?;
            level += 1;
        }
    }

    fn add(
        &mut self,
        pages: &mut Pages<'_>,
        level: usize,
        element: Element,
    ) -> Result<(), WriteFault> {
        if self.levels.len() == level {
            self.levels.push(Level::default());
        }
        let size = element.len();
        let target = &self.levels[level];
        let full = self.page_size / 10 * FILL_TENTHS;
        // A branch of one child would not make the level above smaller, however long the keys.
        let elements_min = if level == 0 { 1 } else { 2 };
        if target.elements.len() >= elements_min && target.size + size > full {
            self.flush(pages, level)?;
        }
        let target = &mut self.levels[level];
        if target.elements.is_empty() {
            target.size = HEADER;
        }
        target.size += size;
        target.elements.push(element);
        Ok(())
    }

    /// Stores the page of a level and puts it into the level above.
    fn flush(&mut self, pages: &mut Pages<'_>, level: usize) -> Result<(), WriteFault> {
        let elements = std::mem::take(&mut self.levels[level].elements);
        self.levels[level].has_pages = true;
        let flags = if level == 0 { LEAF } else { BRANCH };
        let len = elements.iter().map(Element::len).sum();
        let child = pages.store(flags, element_count(&elements), len, |page| {
            put_body(page, level, &elements);
        })?;
        let key = elements.into_iter().next().map(|first| first.key);
        let element = Element {
            number: child,
            // A copy, so that the source's buffer is not kept for one key of it.
            key: Bytes::copy_from_slice(&key.unwrap_or_default()),
            value: Bytes::new(),
        };
        self.add(pages, level + 1, element)
    }
}

/// A page of the largest size has room for fewer of the smallest elements than its count can say.
fn element_count(elements: &[Element]) -> u16 {
    u16::try_from(elements.len()).expect("pages are at most 64 KiB")
}

/// Elements, then keys and values back to back.
fn put_body(bytes: &mut impl BufMut, level: usize, elements: &[Element]) {
    let mut at = elements.len() * ELEMENT;
    for (index, element) in elements.iter().enumerate() {
        let pos = size32(at - index * ELEMENT);
        if level == 0 {
            bytes.put_u32_le(u32::from(element.number != 0));
            bytes.put_u32_le(pos);
            bytes.put_u32_le(size32(element.key.len()));
            bytes.put_u32_le(size32(element.value.len()));
        } else {
            bytes.put_u32_le(pos);
            bytes.put_u32_le(size32(element.key.len()));
            bytes.put_u64_le(element.number);
        }
        at += element.key.len() + element.value.len();
    }
    for element in elements {
        bytes.put_slice(&element.key);
        bytes.put_slice(&element.value);
    }
}

/// The writer refuses larger keys and values at its door.
fn size32(size: usize) -> u32 {
    u32::try_from(size).expect("a page is below 4 GiB")
}
