//! A client that watches a range for the whole run, over as many streams as it takes.

use types::KeyRange;
use watch::{Body, Create, Filters, Response};

use super::Workload;
use crate::check::Watched;
use crate::random::Random;
use crate::sim::{Sim, StreamId, User};
use crate::violation::Checked;

/// A watcher and its stream, if it has one.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) watched: Watched,
    pub(crate) stream: Option<StreamId>,
    pub(crate) user: User,
}

impl Watcher {
    /// A watcher of some range from the beginning.
    pub(crate) fn new(workload: &Workload, random: &mut Random) -> Self {
        let mut filters = Filters::default();
        if random.percent(20) {
            filters.add(i32::from(random.percent(50)));
        }
        Self {
            watched: Watched {
                range: workload.range(random),
                filters,
                prev_kv: random.percent(50),
                next: 2,
            },
            stream: None,
            user: "",
        }
    }

    /// The request that goes on where it stands.
    pub(crate) fn create(&self, random: &mut Random) -> Create {
        let (key, range_end) = ends(&self.watched.range);
        Create {
            key,
            range_end,
            start_revision: self.watched.next,
            progress_notify: random.percent(50),
            filters: self.watched.filters,
            prev_kv: self.watched.prev_kv,
            ..Create::default()
        }
    }

    /// Takes a response; says whether the stream goes on.
    pub(crate) fn take(&mut self, response: &Response, sim: &mut Sim) -> Checked<bool> {
        let kind = match &response.body {
            Body::Created => 0,
            Body::Progress => 1,
            Body::Events { events, .. } => 2 + events.len(),
            Body::Canceled { .. } => 100_000,
            Body::Refused(_) | Body::Revoked(_) => 100_001,
        };
        sim.trace.digest((sim.now, response.revision, kind));
        let next = self.watched.next;
        sim.line(|| format!("a watcher at {next} is told {response:?}"));
        self.watched.take(&sim.ledger.model, response)
    }
}

/// A range in the API's form.
fn ends(range: &KeyRange) -> (bytes::Bytes, bytes::Bytes) {
    let zero = bytes::Bytes::from_static(b"\0");
    match range {
        KeyRange::Point(key) => (key.clone(), bytes::Bytes::new()),
        KeyRange::FromKey(key) => (key.clone(), zero),
        KeyRange::All => (zero.clone(), zero),
        KeyRange::Span { start, end } => (start.clone(), end.clone()),
    }
}
