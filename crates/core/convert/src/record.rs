//! One pair of the bucket of records, checked.

use bytes::Bytes;
use store::Entry;
use types::{Record, RecordKey, Revision};

use crate::error::{ImportError, RecordFault};

/// The record of a pair that comes after `last`, as the store keeps it.
pub(crate) fn entry(
    key: &Bytes,
    value: Bytes,
    last: Option<Revision>,
) -> Result<Entry, ImportError> {
    let RecordKey {
        revision,
        tombstone,
    } = RecordKey::decode(key)
        .ok()
        .filter(|key| is_possible(key.revision))
        .ok_or_else(|| ImportError::NotARevision { key: key.clone() })?;
    // Keys of the file ascend by bytes: only the mark of a deletion can differ.
    if last.is_some_and(|last| last >= revision) {
        return Err(ImportError::Twice { revision });
    }
    check(revision, tombstone, &value)
        .map_err(|reason| ImportError::Record { revision, reason })?;
    Ok(Entry {
        revision,
        tombstone,
        record: value,
    })
}

/// The index counts main revisions from 1 and the changes of a transaction in 32 bits.
fn is_possible(revision: Revision) -> bool {
    revision.main > 0 && u32::try_from(revision.sub).is_ok()
}

fn check(revision: Revision, tombstone: bool, value: &Bytes) -> Result<(), RecordFault> {
    // The mark that an offline restore leaves when it raises the revision.
    if value.is_empty() && !tombstone {
        return Ok(());
    }
    let record = Record::decode(value).map_err(|error| RecordFault::Field {
        offset: error.offset,
    })?;
    if record.key.is_empty() {
        return Err(RecordFault::NoKey);
    }
    if tombstone {
        return Ok(());
    }
    if record.mod_revision != revision.main {
        let found = record.mod_revision;
        return Err(RecordFault::OtherRevision { found });
    }
    let (create, version) = (record.create_revision, record.version);
    if !(1..=revision.main).contains(&create) || version < 1 {
        return Err(RecordFault::Numbers { create, version });
    }
    Ok(())
}
