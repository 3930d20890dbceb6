//! Traces of requests, sent to a collector by OpenTelemetry's protocol over gRPC.
//!
//! A client that has a trace (W3C `traceparent`) decides whether its requests are a part of it; of
//! the others a share is sampled. What became of a request is told as one span of the server and one
//! for each step on its way. Spans wait in a bounded buffer; a collector that is away costs spans.
//!
//! The few messages are written out here ([`mod@messages`]): the usual library brings eight crates for
//! them, and a runtime of its own.

mod context;
mod export;
mod messages;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use proto::Method;
use proto::error::Code;
use rpc::Noted;

use self::context::Remote;
use self::export::Exporter;
use self::messages::{Kind, Span, Value, attribute};

/// The sampling rate is a share of this.
pub const SAMPLING_WHOLE: u64 = 1_000_000;

/// Where traces go, and how many.
#[derive(Clone, Debug)]
pub struct TraceConfig {
    /// `host:port` of the collector, spoken to without TLS.
    pub address: String,
    /// What the service is called.
    pub service: String,
    /// What the member is called; nothing when empty.
    pub instance: String,
    /// Of a million requests without a trace of their own, how many begin one.
    pub sampled: u64,
}

/// Makes spans of requests.
#[derive(Debug)]
pub(crate) struct Tracer {
    sampled: u64,
    ids: Ids,
    exporter: Exporter,
}

/// The span of a request that is being answered.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    trace: u128,
    span: u64,
    /// The client's span.
    parent: Option<u64>,
}

impl Tracer {
    /// Starts the thread that sends.
    ///
    /// # Errors
    /// When there is no thread.
    pub(crate) fn start(config: &TraceConfig) -> io::Result<Self> {
        Ok(Self {
            sampled: config.sampled,
            ids: Ids::default(),
            exporter: Exporter::start(config)?,
        })
    }

    /// The context of a request, if it is to be traced; `traceparent` is what its client says.
    pub(crate) fn begin(&self, traceparent: Option<&str>) -> Option<Context> {
        match traceparent.and_then(Remote::parse) {
            Some(remote) => remote.is_sampled.then(|| Context {
                trace: remote.trace,
                span: self.ids.next(),
                parent: Some(remote.span),
            }),
            None => {
                let chosen = self.sampled > 0 && self.ids.next() % SAMPLING_WHOLE < self.sampled;
                chosen.then(|| Context {
                    trace: u128::from(self.ids.next()) << 64 | u128::from(self.ids.next()),
                    span: self.ids.next(),
                    parent: None,
                })
            }
        }
    }

    /// The request is over.
    pub(crate) fn end(&self, context: &Context, call: &Traced<'_>) {
        let Traced {
            method,
            at,
            began,
            steps,
            code,
            client,
        } = call;
        let origin = u64::try_from(at.as_nanosecond()).unwrap_or_default();
        let moment = |instant: Instant| {
            let since = instant.saturating_duration_since(*began).as_nanos();
            origin.saturating_add(u64::try_from(since).unwrap_or_default())
        };
        let span = |id: u64, parent: Option<u64>, name: String, begin: u64, end: u64| Span {
            trace_id: context.trace.to_be_bytes().to_vec(),
            span_id: id.to_be_bytes().to_vec(),
            parent_span_id: parent
                .map(|id| id.to_be_bytes().to_vec())
                .unwrap_or_default(),
            name,
            start_time_unix_nano: begin,
            end_time_unix_nano: end,
            ..Span::default()
        };
        let Method { service, name, .. } = *method;
        let mut root = span(
            context.span,
            context.parent,
            format!("{service}/{name}"),
            origin,
            moment(Instant::now()),
        );
        root.kind = Kind::Server as i32;
        root.status = Some(messages::Status::of(*code));
        root.attributes = vec![
            attribute("rpc.system", Value::StringValue("grpc".to_owned())),
            attribute("rpc.service", Value::StringValue((*service).to_owned())),
            attribute("rpc.method", Value::StringValue((*name).to_owned())),
            attribute(
                "rpc.grpc.status_code",
                Value::IntValue(code.number().into()),
            ),
            attribute("client.address", Value::StringValue((*client).to_owned())),
        ];
        let mut spans = vec![root];
        for (name, begin, end) in steps {
            let id = self.ids.next();
            let name = (*name).to_owned();
            let mut step = span(id, Some(context.span), name, moment(*begin), moment(*end));
            step.kind = Kind::Internal as i32;
            spans.push(step);
        }
        self.exporter.push(spans);
    }

    /// Spans that were sent, and spans that were lost.
    pub(crate) fn counts(&self) -> (u64, u64) {
        self.exporter.counts()
    }

    /// Sends what is waiting, and stops.
    pub(crate) fn stop(&self, patience: Duration) {
        self.exporter.stop(patience);
    }
}

/// What is told of a request.
#[derive(Debug)]
pub(crate) struct Traced<'a> {
    pub(crate) method: &'a Method,
    /// The same moment by two clocks.
    pub(crate) at: Timestamp,
    pub(crate) began: Instant,
    pub(crate) steps: Vec<Noted>,
    pub(crate) code: Code,
    pub(crate) client: &'a str,
}

/// Ids that nobody else makes: a counter from a random place, stirred.
#[derive(Debug)]
struct Ids(Arc<AtomicU64>);

impl Default for Ids {
    fn default() -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        let seed = RandomState::new().hash_one(std::process::id());
        Self(Arc::new(AtomicU64::new(seed)))
    }
}

impl Ids {
    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut id = self.0.fetch_add(STEP, Ordering::Relaxed);
        id = (id ^ id >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        id = (id ^ id >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        // Zero is no id.
        (id ^ id >> 31).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracer(sampled: u64) -> Tracer {
        Tracer::start(&TraceConfig {
            address: "127.0.0.1:1".to_owned(),
            service: "etcd".to_owned(),
            instance: String::new(),
            sampled,
        })
        .unwrap()
    }

    /// A client's decision must hold, and a rate of nothing must send nothing of its own.
    #[test]
    fn sampling() {
        let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let none = tracer(0);
        assert!(none.begin(None).is_none() && none.begin(Some(other)).is_none());
        let context = none.begin(Some(sampled)).unwrap();
        assert_eq!(context.trace, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!(context.parent, Some(0xb7ad_6b71_6920_3331));
        let all = tracer(SAMPLING_WHOLE);
        assert!(all.begin(None).is_some() && all.begin(Some(other)).is_none());
        assert!(
            all.begin(Some("nonsense"))
                .is_some_and(|own| own.parent.is_none())
        );
        let tenth = tracer(SAMPLING_WHOLE / 10);
        let chosen = (0..10_000).filter(|_| tenth.begin(None).is_some()).count();
        assert!((700..1300).contains(&chosen), "{chosen} of 10000");
    }
}
