//! Who has made a connection: the process at its other end.
//!
//! All members dial the same address of a member, so that this alone tells a proxy which link it is.

use std::fs;
use std::path::Path;

/// The place of the member that owns the local TCP port, by its flag `--name`.
pub(super) fn place_of(port: u16) -> Option<usize> {
    let socket = format!("socket:[{}]", inode_of(port)?);
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    processes
        .filter_map(|process| Some((place_in(&process.path())?, process.path())))
        .find(|(_, process)| owns(process, &socket))
        .map(|(place, _)| place)
}

/// The socket of an established connection from this local port.
fn inode_of(port: u16) -> Option<String> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let local = format!(":{port:04X}");
    let mut rows = table.lines().skip(1).map(|row| row.split_whitespace());
    rows.find_map(|mut row| {
        let is_it = row.nth(1)?.ends_with(&local);
        // What follows: the remote address, the state, queues, timers, retransmissions, user, timeout.
        is_it.then(|| row.nth(7)).flatten().map(str::to_owned)
    })
}

/// The number in a member's name on its command line.
fn place_in(process: &Path) -> Option<usize> {
    let line = fs::read(process.join("cmdline")).ok()?;
    let mut arguments = line.split(|byte| *byte == 0);
    let name = arguments.find_map(|argument| argument.strip_prefix(b"--name=m"))?;
    std::str::from_utf8(name).ok()?.parse().ok()
}

fn owns(process: &Path, socket: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    descriptors
        .filter_map(Result::ok)
        .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
        .any(|target| target.as_os_str() == socket)
}
