//! Warnings of a slow machine: the words and fields that scripts look for.

use std::fmt::{Debug, Write as _};
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;

/// Remembers the lines of the log that this thread writes.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What is written to the log meanwhile.
fn lines(work: impl FnOnce(&Meters)) -> Vec<String> {
    let meters = Meters::new(&Registry::new(), Duration::from_millis(100)).unwrap();
    let lines = Arc::new(Lines::default());
    tracing::subscriber::with_default(Arc::clone(&lines), || work(&meters));
    std::mem::take(&mut lines.0.lock().unwrap())
}

/// A disk that takes a second to sync is told; one that takes long to write is not.
#[test]
fn slow_syncs() {
    let quick = lines(|meters| {
        meters.log_flushed(Duration::from_millis(999), 1, true);
        meters.log_flushed(Duration::from_secs(9), 1, false);
    });
    assert_eq!(quick, Vec::<String>::new());
    let slow = lines(|meters| meters.log_flushed(Duration::from_millis(1500), 1, true));
    let [line] = &slow[..] else {
        panic!("{slow:?}")
    };
    assert!(line.starts_with("WARN"), "{line}");
    for part in [
        "=slow fdatasync",
        "took=\"1.5s\"",
        "expected-duration=\"1s\"",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

/// So is a group that takes as long to apply as the flags say.
#[test]
fn slow_applies() {
    let quick = lines(|meters| meters.applied(Duration::from_millis(99), 5));
    assert_eq!(quick, Vec::<String>::new());
    let slow = lines(|meters| {
        meters.applied(Duration::from_millis(250), 5);
        assert_eq!(meters.slow_applies.get(), 1);
    });
    let [line] = &slow[..] else {
        panic!("{slow:?}")
    };
    assert!(line.starts_with("WARN"), "{line}");
    for part in [
        "=apply request took too long",
        "took=\"250ms\"",
        "expected-duration=\"100ms\"",
        "entries=5",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
}
