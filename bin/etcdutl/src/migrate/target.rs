//! The storage whose version is set: our store, or a database of etcd, which is written anew.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use boltfile::{ReadError, Reader, Writer};
use bytes::Bytes;
use disk::{Dir, File, OpenMode};
use store::{Batch, Change, Store};

use super::META;
use crate::database;
use crate::place::{self, Kind, directory, store_options};

const STORAGE_VERSION: &[u8] = b"storageVersion";
/// The new database in the making; etcd removes files with this beginning at its start.
const TEMPORARY: &str = "db.tmp.migrate";

/// What is migrated; locked as long as it exists.
pub(super) enum Target {
    /// Ours.
    Store(Box<Store>),
    /// etcd's.
    Database {
        /// The file.
        file: Arc<dyn File>,
        /// Its directory.
        dir: Arc<dyn Dir>,
    },
}

impl Target {
    pub(super) fn open(data_dir: &str, timeout: Duration) -> Result<Self> {
        let path = place::database(data_dir);
        let text = path.to_string_lossy();
        match place::kind(data_dir) {
            None => Err(anyhow!("stat {text}: no such file or directory")),
            Some(Kind::Ours) => {
                let member = directory(&Path::new(data_dir).join("member"));
                let store = Store::open(member.sub("store"), store_options(), &mut |_| {})?;
                Ok(Self::Store(Box::new(store)))
            }
            Some(Kind::Etcds) => {
                let file = database::open_file(&text)
                    .map_err(|error| database::file_error("open", &text, error))?;
                database::lock(&*file, timeout).with_context(|| format!("lock {text}"))?;
                let dir = directory(path.parent().unwrap_or(Path::new("")));
                Ok(Self::Database { file, dir })
            }
        }
    }

    /// What the storage says about itself.
    pub(super) fn meta(&self) -> Result<BTreeMap<Bytes, Bytes>> {
        match self {
            Self::Store(store) => Ok(store.reader().bucket(META)),
            Self::Database { file, .. } => {
                let reader = Reader::open(Arc::clone(file))?;
                let meta = reader.bucket(META.name().as_bytes())?;
                let pairs = meta.into_iter().flat_map(|meta| meta.items());
                Ok(pairs.collect::<Result<_, ReadError>>()?)
            }
        }
    }

    /// Sets or clears the version.
    pub(super) fn set(&mut self, version: Option<Bytes>) -> Result<()> {
        match self {
            Self::Store(store) => {
                let (consistent_index, term) = store.consistent_index();
                let change = Change {
                    bucket: META,
                    key: Bytes::from_static(STORAGE_VERSION),
                    value: version,
                };
                let batch = Batch {
                    changes: vec![change],
                    consistent_index,
                    term,
                    ..Batch::default()
                };
                Ok(store.commit(&batch)?)
            }
            Self::Database { file, dir } => rewrite(file, &**dir, version),
        }
    }
}

fn rewrite(file: &Arc<dyn File>, dir: &dyn Dir, version: Option<Bytes>) -> Result<()> {
    let reader = Reader::open(Arc::clone(file))?;
    let copy = dir
        .open(TEMPORARY, OpenMode::Truncate)
        .with_context(|| format!("create {}", dir.describe(TEMPORARY)))?;
    let mut writer = Writer::new(copy, reader.page_size());
    for (name, bucket) in reader.buckets()? {
        if name == META.name().as_bytes() {
            let mut pairs: BTreeMap<Bytes, Bytes> = bucket.items().collect::<Result<_, _>>()?;
            match &version {
                Some(version) => pairs.insert(Bytes::from_static(STORAGE_VERSION), version.clone()),
                None => pairs.remove(STORAGE_VERSION),
            };
            writer.bucket(&name, pairs.into_iter().map(Ok::<_, ReadError>))?;
        } else {
            writer.bucket(&name, bucket.items())?;
        }
    }
    writer.finish()?;
    dir.rename(TEMPORARY, "db")
        .and_then(|()| dir.sync_dir(""))
        .with_context(|| format!("rename {}", dir.describe(TEMPORARY)))
}
