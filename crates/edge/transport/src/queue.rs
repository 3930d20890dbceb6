//! Messages that wait for a connection: bounded by number and by bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use raft::Message;
use tokio::sync::mpsc;

/// What a message weighs beside its payloads.
const MESSAGE_BYTES: usize = 128;
/// Bytes that may wait in one queue; the payloads are mostly shared with the log in memory.
const BYTES_MAX: usize = 128 << 20;

/// What became of a message.
#[derive(Debug)]
#[must_use]
pub(crate) enum Pushed {
    /// It waits.
    Queued,
    /// Too much waits already: the message is dropped.
    Full,
    /// Nobody empties this queue any more.
    Closed(Message),
}

/// Where messages are left; it never waits.
#[derive(Debug)]
pub(crate) struct QueueSender {
    sender: mpsc::Sender<Message>,
    bytes: Arc<AtomicUsize>,
}

/// Where they are taken from.
#[derive(Debug)]
pub(crate) struct QueueReceiver {
    receiver: mpsc::Receiver<Message>,
    bytes: Arc<AtomicUsize>,
}

/// A queue of at most `messages_max` messages.
pub(crate) fn queue(messages_max: usize) -> (QueueSender, QueueReceiver) {
    let (sender, receiver) = mpsc::channel(messages_max);
    let bytes = Arc::default();
    let queue = QueueSender {
        sender,
        bytes: Arc::clone(&bytes),
    };
    (queue, QueueReceiver { receiver, bytes })
}

impl QueueSender {
    pub(crate) fn push(&self, message: Message) -> Pushed {
        let weight = weight(&message);
        if self.bytes.load(Ordering::Relaxed) >= BYTES_MAX && !self.sender.is_closed() {
            return Pushed::Full;
        }
        self.bytes.fetch_add(weight, Ordering::Relaxed);
        let Err(error) = self.sender.try_send(message) else {
            return Pushed::Queued;
        };
        self.bytes.fetch_sub(weight, Ordering::Relaxed);
        match error {
            mpsc::error::TrySendError::Full(_) => Pushed::Full,
            mpsc::error::TrySendError::Closed(message) => Pushed::Closed(message),
        }
    }
}

impl QueueReceiver {
    /// Takes what waits, at most `count` messages; nothing only when the sender is gone.
    /// Safe to drop while waiting.
    pub(crate) async fn take(&mut self, batch: &mut Vec<Message>, count: usize) {
        let before = batch.len();
        self.receiver.recv_many(batch, count).await;
        let taken: usize = batch[before..].iter().map(weight).sum();
        self.bytes.fetch_sub(taken, Ordering::Relaxed);
    }

    pub(crate) async fn next(&mut self) -> Option<Message> {
        let message = self.receiver.recv().await?;
        self.bytes.fetch_sub(weight(&message), Ordering::Relaxed);
        Some(message)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }
}

fn weight(message: &Message) -> usize {
    let entries = message.entries.iter();
    let entries: usize = entries.map(|entry| MESSAGE_BYTES + entry.data.len()).sum();
    MESSAGE_BYTES + entries
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use types::Entry;

    use super::*;

    /// A peer that does not read must not fill this member's memory.
    #[tokio::test]
    async fn queues_are_bounded() {
        let (sender, mut receiver) = queue(10);
        let push = |message| matches!(sender.push(message), Pushed::Queued);
        for _ in 0..10 {
            assert!(push(Message::default()));
        }
        assert!(!push(Message::default()));
        let mut batch = Vec::new();
        receiver.take(&mut batch, 100).await;
        assert_eq!(batch.len(), 10);

        let large = || Message {
            entries: vec![Entry {
                data: Bytes::from(vec![0; 64 << 20]),
                ..Entry::default()
            }],
            ..Message::default()
        };
        assert!(push(large()) && push(large()));
        assert!(!push(large()));
        receiver.next().await.unwrap();
        assert!(push(large()));
        drop(receiver);
        assert!(matches!(sender.push(large()), Pushed::Closed(_)));
    }
}
