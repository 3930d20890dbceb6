//! Watches: every event once, in order, whole revisions, with the right previous pairs.

use bytes::Bytes;
use prost::Message as _;
use proto::mvccpb;
use types::{EventKind, KeyRange};
use watch::{Body, Filters, Response, SentEvent};

use super::model::{Happened, Model};
use crate::violation::{Checked, Violation, ensure};

/// What a client has seen of a range.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) range: KeyRange,
    pub(crate) filters: Filters,
    pub(crate) prev_kv: bool,
    /// Everything below was seen.
    pub(crate) next: i64,
}

impl Watched {
    /// Takes a response; says whether the watch goes on.
    pub(crate) fn take(&mut self, model: &Model, response: &Response) -> Checked<bool> {
        match &response.body {
            Body::Created => Ok(true),
            Body::Progress => {
                self.skip_to(model, response.revision + 1, "progress")?;
                Ok(true)
            }
            Body::Events { events, fragment } => {
                ensure(!fragment, "watch", || "an unwanted fragment".to_owned())?;
                self.take_events(model, events)?;
                Ok(true)
            }
            Body::Canceled { compacted } => {
                let is_right = self.next < *compacted && *compacted <= model.compacted;
                ensure(is_right, "watch", || {
                    format!(
                        "canceled at compaction {compacted}, but {} is wanted next and {} compacted",
                        self.next, model.compacted
                    )
                })?;
                self.next = *compacted;
                Ok(false)
            }
            Body::Refused(refusal) => Err(Violation::new("watch", format!("refused: {refusal}"))),
            // Whether that is right is looked at where it is sent.
            Body::Revoked(_) => Ok(false),
        }
    }

    /// Nothing of interest happened before `to`.
    fn skip_to(&mut self, model: &Model, to: i64, why: &str) -> Checked {
        let missed = model
            .happened(self.next, to - 1)
            .find(|(_, happened)| happened.iter().any(|event| self.wants(event)));
        ensure(missed.is_none(), "watch complete", || {
            format!("{why} passes over revision {missed:?}")
        })?;
        self.next = self.next.max(to);
        Ok(())
    }

    /// Whether everything up to the newest revision was seen.
    pub(crate) fn is_complete(&self, model: &Model) -> bool {
        let mut missed = model.happened(self.next, model.revision);
        !missed.any(|(_, happened)| happened.iter().any(|event| self.wants(event)))
    }

    fn wants(&self, event: &Happened) -> bool {
        let kind = match event.record {
            Some(_) => EventKind::Put,
            None => EventKind::Delete,
        };
        self.range.contains(&event.key) && self.filters.admits(kind)
    }

    fn take_events(&mut self, model: &Model, events: &[SentEvent]) -> Checked {
        let mut rest = events;
        while let Some(first) = rest.first() {
            let revision = revision_of(first)?;
            ensure(revision >= self.next, "watch order", || {
                format!(
                    "an event of revision {revision} after all below {}",
                    self.next
                )
            })?;
            self.skip_to(model, revision, "an event")?;
            let expected: Vec<&Happened> = model
                .happened(revision, revision)
                .flat_map(|(_, happened)| happened)
                .filter(|event| self.wants(event))
                .collect();
            let is_whole = !expected.is_empty() && rest.len() >= expected.len();
            ensure(is_whole, "watch atomic", || {
                format!(
                    "{} events of revision {revision}, but {} happened",
                    rest.len(),
                    expected.len()
                )
            })?;
            let (now, later) = rest.split_at(expected.len());
            for (sent, happened) in now.iter().zip(expected) {
                self.check_event(model, revision, sent, happened)?;
            }
            rest = later;
            self.next = revision + 1;
        }
        Ok(())
    }

    fn check_event(
        &self,
        model: &Model,
        revision: i64,
        sent: &SentEvent,
        happened: &Happened,
    ) -> Checked {
        let event = decode(sent)?;
        let kv = event.kv.unwrap_or_default();
        let is_delete = event.r#type == mvccpb::event::EventType::Delete as i32;
        let is_right = match &happened.record {
            None => is_delete && kv.key == happened.key && kv.mod_revision == revision,
            Some(record) => !is_delete && kv.encode_to_vec() == record.encode(),
        };
        ensure(is_right, "watch content", || {
            format!("at revision {revision} {kv:?} was sent, but {happened:?}")
        })?;
        let previous = happened.previous.as_ref().filter(|_| self.prev_kv);
        let previous = previous.map(types::Record::encode);
        // What was compacted away may be left out.
        let may_lack = revision - 1 < model.compacted;
        let is_right = sent.previous == previous || (may_lack && sent.previous.is_none());
        ensure(is_right, "watch previous pair", || {
            format!(
                "at revision {revision} the previous pair {:?} was sent instead of {previous:?}",
                sent.previous.as_ref().map(Bytes::len)
            )
        })
    }
}

fn decode(sent: &SentEvent) -> Checked<mvccpb::Event> {
    mvccpb::Event::decode(sent.encoded.clone())
        .map_err(|error| Violation::new("watch content", error.to_string()))
}

fn revision_of(sent: &SentEvent) -> Checked<i64> {
    Ok(decode(sent)?.kv.unwrap_or_default().mod_revision)
}
