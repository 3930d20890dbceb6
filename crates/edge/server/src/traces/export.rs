//! Spans on their way to the collector: a bounded buffer, and the thread that sends it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use super::TraceConfig;
use super::messages::{
    EXPORT, ExportRequest, ExportResponse, Resource, ResourceSpans, Scope, ScopeSpans, Span, Value,
    attribute,
};

/// Spans that wait at most; further ones are lost, and counted.
const WAITING_MAX: usize = 4096;
/// Spans of one message.
const BATCH_MAX: usize = 512;
/// How long spans gather.
const PERIOD: Duration = Duration::from_secs(1);
/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two complaints.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Exporter(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    sent: AtomicU64,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    spans: Vec<Span>,
    is_stopping: bool,
    has_stopped: bool,
}

impl Exporter {
    /// Starts the thread; the collector is dialled when there is something to send.
    pub(super) fn start(config: &TraceConfig) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let sender = Sender {
            shared: Arc::clone(&shared),
            resource: resource(config),
            channel: None,
            address: config.address.clone(),
            complained: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("etcd-traces".to_owned())
            .spawn(move || sender.run(&runtime))?;
        Ok(Self(shared))
    }

    pub(super) fn push(&self, spans: Vec<Span>) {
        let mut waiting = self.0.waiting.lock();
        if waiting.has_stopped || waiting.spans.len() + spans.len() > WAITING_MAX {
            drop(waiting);
            self.0.lost.fetch_add(spans.len() as u64, Ordering::Relaxed);
            return;
        }
        waiting.spans.extend(spans);
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.0.sent), read(&self.0.lost))
    }

    pub(super) fn stop(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut waiting = self.0.waiting.lock();
        waiting.is_stopping = true;
        self.0.changed.notify_all();
        while !waiting.has_stopped {
            if self
                .0
                .changed
                .wait_until(&mut waiting, deadline)
                .timed_out()
            {
                break;
            }
        }
    }
}

struct Sender {
    shared: Arc<Shared>,
    resource: Resource,
    channel: Option<Channel>,
    address: String,
    complained: Option<Instant>,
}

impl Sender {
    fn run(mut self, runtime: &tokio::runtime::Runtime) {
        loop {
            let mut waiting = self.shared.waiting.lock();
            if !waiting.is_stopping {
                self.shared.changed.wait_for(&mut waiting, PERIOD);
            }
            let spans = std::mem::take(&mut waiting.spans);
            if spans.is_empty() {
                if waiting.is_stopping {
                    waiting.has_stopped = true;
                    self.shared.changed.notify_all();
                    return;
                }
                continue;
            }
            drop(waiting);
            runtime.block_on(async {
                for batch in spans.chunks(BATCH_MAX) {
                    self.send(batch).await;
                }
            });
        }
    }

    async fn send(&mut self, spans: &[Span]) {
        let count = spans.len() as u64;
        let sent = tokio::time::timeout(PATIENCE, self.export(spans)).await;
        let error = match sent {
            Ok(Ok(())) => {
                self.shared.sent.fetch_add(count, Ordering::Relaxed);
                return;
            }
            Ok(Err(error)) => error,
            Err(_) => "it does not answer".to_owned(),
        };
        self.shared.lost.fetch_add(count, Ordering::Relaxed);
        let is_due = self
            .complained
            .is_none_or(|at| at.elapsed() >= COMPLAINT_PAUSE);
        if is_due {
            self.complained = Some(Instant::now());
            let address = &self.address;
            tracing::warn!(address, error, "cannot send traces to the collector");
        }
    }

    async fn export(&mut self, spans: &[Span]) -> Result<(), String> {
        let channel = match &self.channel {
            Some(channel) => channel.clone(),
            None => {
                let endpoint = Endpoint::from_shared(format!("http://{}", self.address));
                let endpoint = endpoint.map_err(|error| error.to_string())?;
                let channel = endpoint.connect_timeout(PATIENCE).connect_lazy();
                self.channel.insert(channel).clone()
            }
        };
        let mut grpc = Grpc::new(channel);
        grpc.ready().await.map_err(|error| error.to_string())?;
        let request = tonic::Request::new(self.request(spans));
        let codec = ProstCodec::<ExportRequest, ExportResponse>::default();
        let answer = grpc
            .unary(request, PathAndQuery::from_static(EXPORT), codec)
            .await;
        answer.map(drop).map_err(|status| status.to_string())
    }

    fn request(&self, spans: &[Span]) -> ExportRequest {
        let scope = Scope {
            name: "magnetite".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        ExportRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.resource.clone()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(scope),
                    spans: spans.to_vec(),
                }],
            }],
        }
    }
}

fn resource(config: &TraceConfig) -> Resource {
    let text = |key, value: &str| attribute(key, Value::StringValue(value.to_owned()));
    let mut attributes = vec![text("service.name", &config.service)];
    if !config.instance.is_empty() {
        attributes.push(text("service.instance.id", &config.instance));
    }
    attributes.push(text("service.version", env!("CARGO_PKG_VERSION")));
    Resource { attributes }
}
