//! Panics: a line in the log; and the end of the process, if one of the engine's threads broke.
//!
//! A connection's task that panics takes its connection along and nothing else. The engine's
//! threads hold what all others rely on: without one of them the member must not go on.

use std::backtrace::Backtrace;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use crate::logging::Logger;
use crate::logging::field::fields;

/// The status with which Go ends after a panic.
const STATUS: i32 = 2;
/// The names of the engine's threads begin so.
const ENGINE: &str = "etcd-";

/// Makes panics of all threads known to the logger.
pub(crate) fn install(log: &Logger) {
    static INSTALLED: Once = Once::new();
    let log = log.clone();
    INSTALLED.call_once(|| panic::set_hook(Box::new(move |info| report(&log, info))));
}

fn report(log: &Logger, info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed");
    let place = info
        .location()
        .map_or_else(String::new, ToString::to_string);
    let fields = fields![
        "thread" => name,
        "error" => info.payload_as_str().unwrap_or("panic"),
        "place" => place,
        "backtrace" => Backtrace::capture().to_string(),
    ];
    log.error("a thread has panicked", fields);
    if name.starts_with(ENGINE) {
        std::process::exit(STATUS);
    }
}
