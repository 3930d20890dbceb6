//! A client that writes without a break and remembers what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use client::{Client, Config};
use proto::etcdserverpb::{PutRequest, RangeRequest};

/// How long one attempt may take; a write whose answer does not come is made again.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How long writes may get nowhere.
const PATIENCE: Duration = Duration::from_secs(90);

/// A writer in the background.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Writes to whoever takes it, each key once, in order.
    pub(crate) fn start(endpoints: Vec<String>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let thread = {
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = { runtime }.enable_all().build().unwrap();
                runtime.block_on(write(endpoints, &stop, &acknowledged));
            })
        };
        Self {
            stop,
            acknowledged,
            thread: Some(thread),
        }
    }

    /// Waits until `count` more writes are acknowledged.
    pub(crate) fn advance(&self, count: u64) {
        let goal = self.acknowledged.load(Ordering::Acquire) + count;
        let deadline = Instant::now() + PATIENCE;
        while self.acknowledged.load(Ordering::Acquire) < goal {
            let thread = self.thread.as_ref().unwrap();
            assert!(!thread.is_finished(), "the writer has ended");
            assert!(Instant::now() < deadline, "writes get nowhere");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the writer; how many writes were acknowledged.
    pub(crate) fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Release);
        self.thread.take().unwrap().join().unwrap();
        self.acknowledged.load(Ordering::Acquire)
    }
}

fn key(number: u64) -> String {
    format!("load/{number:08}")
}

async fn connect(endpoints: Vec<String>) -> Client {
    let config = Config {
        endpoints,
        ..Config::default()
    };
    Client::connect(config).await.unwrap()
}

async fn write(endpoints: Vec<String>, stop: &AtomicBool, acknowledged: &AtomicU64) {
    let client = connect(endpoints).await;
    for number in 0.. {
        loop {
            if stop.load(Ordering::Acquire) {
                return;
            }
            let request = PutRequest {
                key: key(number).into(),
                value: number.to_string().into(),
                ..PutRequest::default()
            };
            match client.within(ATTEMPT).put(request).await {
                Ok(_) => break,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        acknowledged.store(number + 1, Ordering::Release);
    }
}

/// Checks that the member holds everything that was acknowledged, with local reads.
pub(crate) fn check(endpoint: &str, acknowledged: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let client = connect(vec![endpoint.to_owned()]).await;
        let request = RangeRequest {
            key: "load/".into(),
            range_end: "load0".into(),
            serializable: true,
            ..RangeRequest::default()
        };
        let found = client.within(Duration::from_secs(60)).range(request).await;
        let found = found.unwrap().kvs;
        // One write may have been made without an answer.
        let count = found.len() as u64;
        assert!(
            count == acknowledged || count == acknowledged + 1,
            "{count} keys, {acknowledged} acknowledged"
        );
        for (number, pair) in (0..).zip(&found) {
            assert_eq!(pair.key, key(number));
            assert_eq!(pair.value, number.to_string());
        }
    });
}
