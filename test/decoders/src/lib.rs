//! Every decoder of bytes from a wire or a disk as a function that must survive all bytes.
//!
//! The fuzz targets in `fuzz/` call these functions; the tests here call them on the corpus and on
//! mutations of it. A target panics when a decoder does, or when a promise beyond that is broken:
//! what was decoded is encoded to the same bytes, replicas agree, a repaired file stays repaired.

mod boltfiles;
mod entries;
mod files;
mod gateways;
mod imports;
mod logs;
mod peers;
mod records;
mod seeds;
mod stores;

pub use seeds::seeds;

/// A decoder under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its fuzz target and of its corpus.
    pub name: &'static str,
    /// Survives any bytes.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 14] = [
    Target {
        name: "apply_entries",
        run: entries::apply,
    },
    Target {
        name: "boltfile",
        run: boltfiles::read,
    },
    Target {
        name: "cluster_changes",
        run: records::cluster,
    },
    Target {
        name: "gateway_bodies",
        run: gateways::bodies,
    },
    Target {
        name: "import_database",
        run: imports::database,
    },
    Target {
        name: "lease_records",
        run: records::lease,
    },
    Target {
        name: "mvcc_records",
        run: records::mvcc,
    },
    Target {
        name: "peer_messages",
        run: peers::message,
    },
    Target {
        name: "peer_streams",
        run: peers::streams,
    },
    Target {
        name: "snap_file",
        run: imports::snap,
    },
    Target {
        name: "store_segment",
        run: stores::open,
    },
    Target {
        name: "wal_frames",
        run: logs::frames,
    },
    Target {
        name: "wal_records",
        run: logs::records,
    },
    Target {
        name: "wal_segment",
        run: logs::segment,
    },
];

/// Runs the target of that name; for the fuzz targets.
///
/// # Panics
/// When there is none, or the target does.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of the table").run)(bytes);
}
