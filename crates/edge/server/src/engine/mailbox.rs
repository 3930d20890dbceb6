//! Where answers wait for the thread that asked.
//!
//! Request ids are dealt so that `id % mailboxes` names the mailbox: an answer finds its thread
//! without a shared table. The asking side keeps its own table of who waits, which no other thread
//! touches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use apply::Applied;
use parking_lot::Mutex;
use tokio::sync::Notify;
use types::{MemberId, RequestId};

/// What arrives in a mailbox.
#[derive(Debug)]
pub(crate) enum Letter {
    /// A request was applied or refused.
    Applied(Applied),
    /// A read index was confirmed: everything up to it is applied and may be read.
    ReadConfirmed(RequestId),
}

/// The letters for one thread.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    letters: Mutex<Vec<Letter>>,
    arrived: Notify,
}

impl Mailbox {
    /// Delivers letters with one wake-up; empties `letters`.
    pub(crate) fn deliver(&self, letters: &mut Vec<Letter>) {
        if letters.is_empty() {
            return;
        }
        let mut waiting = self.letters.lock();
        let was_empty = waiting.is_empty();
        waiting.append(letters);
        drop(waiting);
        if was_empty {
            self.arrived.notify_one();
        }
    }

    /// Waits for letters and takes all of them.
    pub(crate) async fn take(&self) -> Vec<Letter> {
        loop {
            let letters = std::mem::take(&mut *self.letters.lock());
            if !letters.is_empty() {
                return letters;
            }
            self.arrived.notified().await;
        }
    }
}

/// All mailboxes of a member, and the numbering that leads to them.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    boxes: Arc<[Mailbox]>,
    member: MemberId,
}

impl Post {
    /// Mailboxes for `threads` threads of member `member`.
    pub(crate) fn new(member: MemberId, threads: usize) -> Self {
        Self {
            boxes: (0..threads).map(|_| Mailbox::default()).collect(),
            member,
        }
    }

    /// The mailbox of a thread.
    pub(crate) fn mailbox(&self, thread: usize) -> &Mailbox {
        &self.boxes[thread]
    }

    /// How many mailboxes there are.
    pub(crate) fn len(&self) -> usize {
        self.boxes.len()
    }

    /// The mailbox that waits for `id`; none when another member proposed it.
    fn owner(&self, id: RequestId) -> Option<usize> {
        let is_own = id.0 >> 48 == self.member.0 & 0xffff;
        is_own.then(|| usize::try_from(id.0 % self.boxes.len() as u64).unwrap_or_default())
    }
}

/// Letters sorted by mailbox, to be delivered with one wake-up each.
#[derive(Debug)]
pub(crate) struct Sorter {
    post: Post,
    bags: Vec<Vec<Letter>>,
}

impl Sorter {
    pub(crate) fn new(post: Post) -> Self {
        let bags = (0..post.len()).map(|_| Vec::new()).collect();
        Self { post, bags }
    }

    /// Sorts a letter; those that nobody here waits for are dropped.
    pub(crate) fn add(&mut self, id: RequestId, letter: Letter) {
        if let Some(owner) = self.post.owner(id) {
            self.bags[owner].push(letter);
        }
    }

    /// Delivers everything sorted so far.
    pub(crate) fn deliver(&mut self) {
        for (thread, bag) in self.bags.iter_mut().enumerate() {
            self.post.mailbox(thread).deliver(bag);
        }
    }
}

/// Deals request ids whose answers come to one thread's mailbox.
///
/// The low 16 bits of the member id, then a 48-bit counter that starts at
/// `(unix milliseconds mod 2^40) << 8`, so that ids stay unique over restarts.
#[derive(Debug)]
pub(crate) struct RequestIds {
    prefix: u64,
    counter: AtomicU64,
    step: u64,
}

impl RequestIds {
    /// Ids of `member` for mailbox `thread` of `post`.
    pub(crate) fn new(post: &Post, thread: usize, unix_millis: u64) -> Self {
        let prefix = post.member.0 << 48;
        let step = post.len() as u64;
        let start = (unix_millis & ((1 << 40) - 1)) << 8;
        // The whole id, prefix included, must leave the thread's number as remainder.
        let offset = (thread as u64 + step - (prefix + start) % step) % step;
        Self {
            prefix,
            counter: AtomicU64::new(start + offset),
            step,
        }
    }

    /// The next id.
    pub(crate) fn next(&self) -> RequestId {
        let counter = self.counter.fetch_add(self.step, Ordering::Relaxed);
        RequestId(self.prefix | (counter & ((1 << 48) - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer in the wrong mailbox would never reach its client.
    #[test]
    fn ids_lead_to_their_mailbox() {
        for threads in 1..7 {
            let post = Post::new(MemberId(0x8e9e_05c5_2164_694d), threads);
            for thread in 0..threads {
                let ids = RequestIds::new(&post, thread, 1_795_249_876_123);
                for _ in 0..100 {
                    let id = ids.next();
                    assert_eq!(post.owner(id), Some(thread));
                    assert_eq!(id.0 >> 48, 0x694d);
                }
            }
        }
        assert_eq!(Post::new(MemberId(1), 2).owner(RequestId(2 << 48)), None);
    }
}
