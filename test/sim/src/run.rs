//! Running a seed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::bug::Bug;
use crate::violation::Violation;
use crate::world::World;

/// Lines of text that are kept of a run that failed.
const LINES: usize = 80;

/// What a run that kept all promises has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Of everything that happened: equal for equal seeds.
    pub digest: u64,
    /// How much that was.
    pub events: u64,
    /// Entries that were committed.
    pub entries: u64,
    /// The newest revision.
    pub revision: i64,
}

/// A run that broke a promise.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed that shows it.
    pub seed: u64,
    /// The promise.
    pub violation: Violation,
}

/// Runs a seed to its end.
///
/// # Errors
/// The promise that did not hold; a panic of a member is one too.
pub fn run(seed: u64, bug: Option<Bug>) -> Result<Outcome, Failure> {
    attempt(seed, bug, 0).map_err(|(violation, _)| Failure { seed, violation })
}

/// Runs a seed again and returns the last lines of what happened.
#[must_use]
pub fn trace(seed: u64, bug: Option<Bug>, lines: Option<usize>) -> Vec<String> {
    match attempt(seed, bug, lines.unwrap_or(LINES)) {
        Ok(_) => Vec::new(),
        Err((_, lines)) => lines,
    }
}

fn attempt(seed: u64, bug: Option<Bug>, lines: usize) -> Result<Outcome, (Violation, Vec<String>)> {
    let mut world = World::new(seed, bug, lines).map_err(|violation| (violation, Vec::new()))?;
    let ran = catch_unwind(AssertUnwindSafe(|| world.run()));
    let ran = ran.unwrap_or_else(|panic| Err(Violation::new("no panic", message(&*panic))));
    match ran {
        Ok(()) => Ok(Outcome {
            digest: world.sim.trace.finish(),
            events: world.sim.trace.events(),
            entries: world.sim.ledger.last().0,
            revision: world.sim.ledger.model.revision,
        }),
        Err(violation) => Err((violation, world.sim.trace.into_lines())),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic".to_owned())
}
