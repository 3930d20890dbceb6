//! Samples of the memory in use: about one allocation in every half megabyte is remembered until it is
//! freed.
#![expect(unsafe_code, reason = "an allocator around another one")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use crate::Stack;
use crate::pprof::{Counted, Profile};

/// Bytes between two samples, on average; as in Go.
const RATE: usize = 512 * 1024;
/// Frames of a stack that are kept.
const DEPTH: usize = 32;
/// Different stacks whose totals are kept; further ones count for what they hold only.
const STACKS_MAX: usize = 16_384;
/// Cells of the filter that says which addresses were surely not sampled.
const CELLS: usize = 1 << 14;

static IS_ON: AtomicBool = AtomicBool::new(false);
static FILTER: [AtomicU32; CELLS] = [const { AtomicU32::new(0) }; CELLS];
static TABLE: Mutex<Option<Table>> = Mutex::new(None);

thread_local! {
    /// Bytes until the next sample, and whether this thread is just taking one.
    static LEFT: Cell<isize> = const { Cell::new(0) };
    static IS_BUSY: Cell<bool> = const { Cell::new(false) };
    static RANDOM: Cell<u64> = const { Cell::new(0) };
}

#[derive(Default)]
struct Table {
    live: HashMap<usize, (Stack, usize)>,
    totals: HashMap<Stack, Totals>,
}

/// What was allocated at a place since the start.
#[derive(Clone, Copy, Default)]
struct Totals {
    count: f64,
    bytes: f64,
}

/// An allocator whose allocations can be sampled.
#[derive(Debug, Default)]
pub struct Sampling<A>(pub A);

/// Samples from now on; what was allocated before is not seen.
pub fn switch_on() {
    TABLE.lock().get_or_insert_default();
    IS_ON.store(true, Ordering::Release);
}

/// Whether allocations are sampled.
#[must_use]
pub fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// What is in use, and what was allocated since [`switch_on`]. Looking up names takes a while, and is
/// not for a thread that others wait for.
#[must_use]
pub fn snapshot() -> Vec<u8> {
    let mut stacks: HashMap<Stack, [f64; 4]> = HashMap::new();
    unsampled(|| {
        if let Some(table) = &*TABLE.lock() {
            for (stack, totals) in &table.totals {
                let values = stacks.entry(stack.clone()).or_default();
                values[0] += totals.count;
                values[1] += totals.bytes;
            }
            for (stack, size) in table.live.values() {
                let scale = scale(*size);
                let values = stacks.entry(stack.clone()).or_default();
                values[2] += scale;
                values[3] += scale * *size as f64;
            }
        }
    });
    let samples = stacks.into_iter().map(|(stack, values)| Counted {
        stack,
        values: values.iter().map(|value| value.round() as i64).collect(),
    });
    Profile {
        kinds: &[
            ("alloc_objects", "count"),
            ("alloc_space", "bytes"),
            ("inuse_objects", "count"),
            ("inuse_space", "bytes"),
        ],
        period_kind: ("space", "bytes"),
        period: RATE as i64,
        default_kind: "inuse_space",
        hidden: ".*__rust_(alloc|alloc_zeroed|realloc)|alloc::alloc::(alloc|realloc)|.*profile::heap::.*",
        at: SystemTime::now(),
        took: Duration::ZERO,
        samples: samples.collect(),
    }
    .encode()
}

/// How many allocations of that size one sample stands for.
fn scale(size: usize) -> f64 {
    1.0 / (1.0 - (-(size as f64) / RATE as f64).exp())
}

/// Runs without sampling what it allocates itself.
fn unsampled<T>(run: impl FnOnce() -> T) -> Option<T> {
    // At the end of a thread its locals are gone: then nothing is sampled.
    if IS_BUSY.try_with(|busy| busy.replace(true)).unwrap_or(true) {
        return None;
    }
    let result = run();
    let _ = IS_BUSY.try_with(|busy| busy.set(false));
    Some(result)
}

fn cell(address: usize) -> &'static AtomicU32 {
    // Neighbours differ in their middle bits.
    &FILTER[(address >> 4 ^ address >> 18) % CELLS]
}

/// Counts an allocation, and remembers it when it is its turn.
fn allocated(address: usize, size: usize) {
    let bytes = isize::try_from(size).unwrap_or(isize::MAX);
    let left = LEFT.try_with(|left| {
        let rest = left.get().saturating_sub(bytes);
        left.set(rest);
        rest
    });
    if !left.is_ok_and(|rest| rest < 0) {
        return;
    }
    unsampled(|| {
        LEFT.with(|left| left.set(distance()));
        let mut stack = Stack::with_capacity(DEPTH);
        backtrace::trace(|frame| {
            stack.push(frame.ip() as usize);
            stack.len() < DEPTH
        });
        if let Some(table) = &mut *TABLE.lock() {
            let scale = scale(size);
            if table.totals.len() < STACKS_MAX || table.totals.contains_key(&stack) {
                let totals = table.totals.entry(stack.clone()).or_default();
                totals.count += scale;
                totals.bytes += scale * size as f64;
            }
            cell(address).fetch_add(1, Ordering::Relaxed);
            table.live.insert(address, (stack, size));
        }
    });
}

/// Forgets an allocation, if it was remembered.
fn freed(address: usize) {
    if cell(address).load(Ordering::Relaxed) == 0 {
        return;
    }
    unsampled(|| {
        if let Some(table) = &mut *TABLE.lock()
            && table.live.remove(&address).is_some()
        {
            cell(address).fetch_sub(1, Ordering::Relaxed);
        }
    });
}

/// Bytes until the next sample: spread so that no pattern of sizes is missed.
fn distance() -> isize {
    let random = RANDOM.with(|state| {
        let mut next = state.get();
        if next == 0 {
            next = std::ptr::from_ref(state) as u64 | 1;
        }
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        state.set(next);
        next
    });
    let share = ((random >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
    (-share.ln() * RATE as f64) as isize
}

// SAFETY: every call is passed on as it is; what is remembered beside it are addresses as numbers, which
// nobody reads through. What is allocated meanwhile goes the same way and is not looked at.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Sampling<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promised.
        let memory = unsafe { self.0.alloc(layout) };
        if is_on() {
            allocated(memory as usize, layout.size());
        }
        memory
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promised.
        let memory = unsafe { self.0.alloc_zeroed(layout) };
        if is_on() {
            allocated(memory as usize, layout.size());
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // Before: once it is freed another thread may get it.
        if is_on() {
            freed(memory as usize);
        }
        // SAFETY: as the caller promised.
        unsafe { self.0.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !is_on() {
            // SAFETY: as the caller promised.
            return unsafe { self.0.realloc(memory, layout, size) };
        }
        freed(memory as usize);
        // SAFETY: as the caller promised.
        let moved = unsafe { self.0.realloc(memory, layout, size) };
        if !moved.is_null() {
            allocated(moved as usize, size);
        }
        moved
    }
}
