//! The process as Linux sees it, under the names of Prometheus' process collector.

use std::fs;

use super::exposition::Exposition;

/// The kernel's unit of time in `/proc`, fixed for programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// Adds what can be read; a file that cannot be read leaves its metrics out.
pub(super) fn render(out: &mut Exposition) {
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        let open = entries.count() as u64;
        out.gauge("process_open_fds", "Number of open file descriptors.", open);
        out.gauge("os_fd_used", "The number of used file descriptors.", open);
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.unwrap_or(u64::MAX);
    out.gauge(
        "process_max_fds",
        "Maximum number of open file descriptors.",
        limit,
    );
    out.gauge("os_fd_limit", "The file descriptor limit.", limit);
    let Some(stat) = stat() else { return };
    out.counter(
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.",
        (stat.user_ticks + stat.system_ticks) as f64 / TICKS_PER_SECOND,
    );
    out.gauge(
        "process_virtual_memory_bytes",
        "Virtual memory size in bytes.",
        stat.virtual_bytes,
    );
    out.gauge(
        "process_resident_memory_bytes",
        "Resident memory size in bytes.",
        stat.resident_pages * rustix::param::page_size() as u64,
    );
    let address_space = rustix::process::getrlimit(rustix::process::Resource::As).current;
    // No limit is written as the largest number that is none.
    let address_space = address_space.map_or(u64::MAX as f64, |limit| limit as f64);
    out.gauge(
        "process_virtual_memory_max_bytes",
        "Maximum amount of virtual memory available in bytes.",
        address_space,
    );
    if let Some((received, sent)) = network_bytes() {
        out.counter(
            "process_network_receive_bytes_total",
            "Number of bytes received by the process over the network.",
            received,
        );
        out.counter(
            "process_network_transmit_bytes_total",
            "Number of bytes sent by the process over the network.",
            sent,
        );
    }
    if let Some(boot) = boot_time() {
        out.gauge(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            boot as f64 + stat.start_ticks as f64 / TICKS_PER_SECOND,
        );
    }
}

struct Stat {
    user_ticks: u64,
    system_ticks: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

/// `/proc/self/stat`, whose fields are counted after the name in brackets.
fn stat() -> Option<Stat> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        user_ticks: field(14)?,
        system_ticks: field(15)?,
        start_ticks: field(22)?,
        virtual_bytes: field(23)?,
        resident_pages: field(24)?,
    })
}

/// The bytes that the network of this process has received and sent, by `IpExt` of the kernel.
fn network_bytes() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/self/net/netstat").ok()?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let value = |wanted: &str| {
        let mut pairs = names.split_whitespace().zip(values.split_whitespace());
        let (_, value) = pairs.find(|(name, _)| *name == wanted)?;
        value.parse().ok()
    };
    Some((value("InOctets")?, value("OutOctets")?))
}

fn boot_time() -> Option<u64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}
