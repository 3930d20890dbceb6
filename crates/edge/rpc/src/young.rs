//! Connections at whose other end nobody has spoken yet.
//!
//! Whoever opens connections and says nothing must not keep others out. When a listener has as many
//! connections as it may have and one more comes, the one that has been silent longest makes room,
//! once it has had a moment to speak.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    sync::Notify,
    time::{Duration, Instant},
};

/// How long a connection may be silent while another one waits for its place.
pub(crate) const PATIENCE: Duration = Duration::from_millis(200);

/// The young connections of one listener.
#[derive(Clone, Default)]
pub(crate) struct Young(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    next: u64,
    /// By age, oldest first.
    waiting: BTreeMap<u64, Waiting>,
}

struct Waiting {
    since: Instant,
    told: Arc<Notify>,
}

impl Young {
    /// Counts a connection as young until the guard is dropped.
    pub(crate) fn enter(&self) -> Youth {
        let told = Arc::new(Notify::new());
        let number = self.with(|inner| {
            inner.next += 1;
            let waiting = Waiting {
                since: Instant::now(),
                told: Arc::clone(&told),
            };
            inner.waiting.insert(inner.next, waiting);
            inner.next
        });
        Youth {
            young: self.clone(),
            number,
            told,
        }
    }

    /// Tells the oldest to go if it has had its moment; when it is worth asking again.
    pub(crate) fn evict_oldest(&self) -> Duration {
        self.with(|inner| {
            let Some(oldest) = inner.waiting.first_entry() else {
                return PATIENCE;
            };
            let left = PATIENCE.saturating_sub(oldest.get().since.elapsed());
            if left.is_zero() {
                oldest.remove().told.notify_one();
                return PATIENCE;
            }
            left
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One young connection.
pub(crate) struct Youth {
    young: Young,
    number: u64,
    told: Arc<Notify>,
}

impl Youth {
    /// Returns when the connection has to make room for another one.
    pub(crate) async fn evicted(&self) {
        self.told.notified().await;
    }
}

impl Drop for Youth {
    fn drop(&mut self) {
        let number = self.number;
        self.young.with(|inner| inner.waiting.remove(&number));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    /// Who has spoken stays; of the others the one that came first goes.
    #[tokio::test(start_paused = true)]
    async fn the_oldest_goes_first() {
        let young = Young::default();
        let (first, second) = (young.enter(), young.enter());
        drop(first);
        let moment = PATIENCE / 2;
        advance(moment).await;
        let third = young.enter();
        assert_eq!(young.evict_oldest(), moment);
        advance(moment).await;
        assert_eq!(young.evict_oldest(), PATIENCE);
        second.evicted().await;
        assert_eq!(young.evict_oldest(), moment);
        assert!(timeout(moment / 2, third.evicted()).await.is_err());
    }
}
