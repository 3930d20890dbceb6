//! The queue in front of a thread: many push, one takes everything that waits at once.
//!
//! A push that finds the owner awake costs a lock and no wake-up, so that under load threads hand
//! over whole batches. The lock guards the queue only and is never held over work.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// A queue of `T` with one owner that sleeps on it.
#[derive(Debug)]
pub(crate) struct Inbox<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    queue: Mutex<Queue<T>>,
    wake: Condvar,
}

#[derive(Debug)]
struct Queue<T> {
    items: Vec<T>,
    /// Whether the owner is to take the items before it sleeps.
    is_due: bool,
    is_owner_asleep: bool,
    is_closed: bool,
}

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        let queue = Queue {
            items: Vec::new(),
            is_due: false,
            is_owner_asleep: false,
            is_closed: false,
        };
        Self(Arc::new(Shared {
            queue: Mutex::new(queue),
            wake: Condvar::new(),
        }))
    }
}

impl<T> Inbox<T> {
    /// Adds one item.
    pub(crate) fn push(&self, item: T) {
        self.extend([item]);
    }

    /// Adds items with one wake-up at the most.
    pub(crate) fn extend(&self, items: impl IntoIterator<Item = T>) {
        let mut queue = self.0.queue.lock();
        let waiting = queue.items.len();
        queue.items.extend(items);
        queue.is_due |= queue.items.len() > waiting;
        let wake = queue.is_owner_asleep && queue.is_due;
        queue.is_owner_asleep &= !wake;
        drop(queue);
        if wake {
            self.0.wake.notify_one();
        }
    }

    /// Adds one item that an owner who is awake takes before it sleeps; one who sleeps is not woken.
    pub(crate) fn leave(&self, item: T) {
        let mut queue = self.0.queue.lock();
        queue.items.push(item);
        queue.is_due = true;
    }

    /// Adds one item that waits for the next push, or for the end.
    pub(crate) fn defer(&self, item: T) {
        self.0.queue.lock().items.push(item);
    }

    /// Wakes the owner for what was left.
    pub(crate) fn wake(&self) {
        self.extend([]);
    }

    /// Tells the owner to finish what waits and to stop.
    pub(crate) fn close(&self) {
        let mut queue = self.0.queue.lock();
        queue.is_closed = true;
        queue.is_owner_asleep = false;
        drop(queue);
        self.0.wake.notify_one();
    }

    /// Moves everything that waits into `batch`, sleeping until there is something or until the
    /// deadline; false once the inbox is closed and empty.
    pub(crate) fn take(&self, batch: &mut Vec<T>, deadline: Option<Instant>) -> bool {
        let mut queue = self.0.queue.lock();
        while !queue.is_due && !queue.is_closed {
            queue.is_owner_asleep = true;
            let timed_out = match deadline {
                None => {
                    self.0.wake.wait(&mut queue);
                    false
                }
                Some(deadline) => self.0.wake.wait_until(&mut queue, deadline).timed_out(),
            };
            queue.is_owner_asleep = false;
            if timed_out {
                break;
            }
        }
        let is_open = !queue.is_closed || !queue.items.is_empty();
        queue.is_due = false;
        if batch.is_empty() {
            std::mem::swap(batch, &mut queue.items);
        } else {
            batch.append(&mut queue.items);
        }
        is_open
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A lost wake-up would hang every client; a lost item would lose a write.
    #[test]
    fn everything_arrives_in_order() {
        let inbox = Inbox::default();
        let sender = inbox.clone();
        let pusher = std::thread::spawn(move || {
            for item in 0..10_000 {
                sender.push(item);
            }
            sender.close();
        });
        let (mut all, mut batch) = (Vec::new(), Vec::new());
        while inbox.take(&mut batch, None) {
            all.append(&mut batch);
        }
        pusher.join().unwrap();
        assert_eq!(all, (0..10_000).collect::<Vec<_>>());
    }

    /// What is left without a wake-up must not be left behind.
    #[test]
    fn what_was_left_comes_with_the_next_push() {
        let inbox = Inbox::default();
        let mut batch = Vec::new();
        inbox.leave(1);
        inbox.defer(2);
        assert!(inbox.take(&mut batch, None));
        inbox.defer(3);
        inbox.push(4);
        assert!(inbox.take(&mut batch, None));
        inbox.defer(5);
        inbox.close();
        assert!(inbox.take(&mut batch, None));
        assert_eq!(batch, [1, 2, 3, 4, 5]);
        assert!(!inbox.take(&mut batch, None));
    }

    /// Timers of the owner run from the deadline.
    #[test]
    fn the_deadline_ends_the_wait() {
        let inbox: Inbox<()> = Inbox::default();
        let mut batch = Vec::new();
        assert!(inbox.take(&mut batch, Some(Instant::now() + Duration::from_millis(5))));
        assert!(batch.is_empty());
    }
}
