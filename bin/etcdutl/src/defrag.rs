//! `defrag`: gives back the space of what was deleted.
//!
//! Our store gives it back while it runs; offline this is done to the end. A database of etcd is
//! written anew without its holes, beside the old one, and then takes its name.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use boltfile::Writer;
use disk::OpenMode;
use notation::duration;
use serde_json::json;

use crate::cli::{Arguments, Command, Flag, Run, timeout};
use crate::database;
use crate::failure::Failure;
use crate::log::{Meter, info};
use crate::place::{self, Kind, directory, store_options};

const PLACE: &str = "etcdutl/defrag";
/// Bytes of a store that one step rewrites.
const STEP_BYTES: u64 = 16 << 20;
/// The new database in the making; etcd removes files with this beginning at its start.
const TEMPORARY: &str = "db.tmp.defrag";

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "defrag",
    about: "Gives back the space of what was deleted, in a data directory that is not in use",
    flags: &[Flag::text(
        "data-dir",
        "",
        "data directory of the member that is not running (required)",
    )],
    run: Run::Do(run),
    ..Command::EMPTY
};

fn run(arguments: &Arguments) -> Result<(), Failure> {
    arguments.require(&["data-dir"])?;
    let dir = &arguments.text("data-dir");
    defragment(dir, timeout(arguments))
        .map_err(|error| anyhow!("Failed to defragment etcd data[{dir}] ({error:#})"))?;
    Ok(())
}

fn defragment(dir: &str, timeout: Duration) -> Result<()> {
    let begin = Instant::now();
    let path = place::database(dir);
    let path = path.to_string_lossy();
    let (path, is_ours) = match place::kind(dir) {
        None => return Err(anyhow!("stat {path}: no such file or directory")),
        Some(Kind::Ours) => (format!("{dir}/member/store"), true),
        Some(Kind::Etcds) => (path.into_owned(), false),
    };
    info(PLACE, "defragmenting", &[("path", json!(path))]);
    let (before, after) = match is_ours {
        true => store(dir)?,
        false => file(&path, timeout)?,
    };
    let details = [
        ("path", json!(path)),
        (
            "current-db-size-bytes-diff",
            json!(i128::from(after) - i128::from(before)),
        ),
        ("current-db-size-bytes", json!(after)),
        ("took", json!(duration::format(begin.elapsed()))),
    ];
    info(PLACE, "finished defragmenting directory", &details);
    Ok(())
}

/// Returns the bytes before and after.
fn store(dir: &str) -> Result<(u64, u64)> {
    let member = directory(&Path::new(dir).join("member"));
    // Through the index, which knows what compactions have given up.
    let (_writer, _reader, mut store) = mvcc::open(
        member.sub("store"),
        store_options(),
        mvcc::Options::default(),
    )?;
    let before = store.sizes();
    let mut meter = Meter::new("defragmenting");
    store.defragment();
    let mut done = 0;
    while store.reclaim(STEP_BYTES)?.more {
        done += STEP_BYTES;
        meter.step(done, before.total);
    }
    Ok((before.total, store.sizes().total))
}

fn file(path: &str, timeout: Duration) -> Result<(u64, u64)> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let dir = directory(folder);
    let file =
        database::open_file(path).map_err(|error| database::file_error("open", path, error))?;
    database::lock(&*file, timeout).with_context(|| format!("lock {path}"))?;
    let before = file.len().with_context(|| format!("stat {path}"))?;
    let reader = boltfile::Reader::open(file.clone())?;
    let copy = dir
        .open(TEMPORARY, OpenMode::Truncate)
        .with_context(|| format!("create {}", dir.describe(TEMPORARY)))?;
    let mut meter = Meter::new("defragmenting");
    let mut writer = Writer::new(copy, reader.page_size());
    let mut done = 0;
    for (name, bucket) in reader.buckets()? {
        let items = bucket.items().inspect(|item| {
            let pair = item
                .as_ref()
                .map_or(0, |(key, value)| key.len() + value.len());
            done += pair as u64;
            meter.step(done, before);
        });
        writer.bucket(&name, items)?;
    }
    let after = writer.finish()?.bytes();
    dir.rename(TEMPORARY, "db")
        .and_then(|()| dir.sync_dir(""))
        .with_context(|| format!("rename {} to {path}", dir.describe(TEMPORARY)))?;
    Ok((before, after))
}
