//! The way of a request through the log, for its trace.

use std::time::Instant;

use rpc::Notes;
use types::Index;

use crate::services::Services;

impl Services {
    /// Notes how long an applied request waited, was written, and was applied.
    pub(in crate::services) fn note_path(&self, notes: &Notes, proposed: Instant, index: Index) {
        let (written, applied) = self.engine().meters().timeline().of(index);
        // A follower may hear that an entry is committed while it still writes it.
        let step = |name, began, ended| {
            if began <= ended {
                notes.step(name, began, ended);
            }
        };
        if let Some(written) = written {
            step("raft.propose", proposed, written.began);
            step("wal.write_and_sync", written.began, written.ended);
        }
        if let Some(applied) = applied {
            let durable = written.map_or(proposed, |written| written.ended);
            step("raft.commit", durable, applied.began);
            step("apply", applied.began, applied.ended);
        }
    }
}
