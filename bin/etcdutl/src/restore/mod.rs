//! `snapshot restore`: the data directory of a member of a new cluster, from a snapshot.
//!
//! The snapshot may be ours or etcd's, the directory is ours: `etcd` starts from it at once. One for
//! a real etcd is made by `migrate --to-etcd` from it.

mod source;

use std::fs;
use std::net::ToSocketAddrs as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use cluster::Bootstrap;
use convert::{Progress, Restore};
use notation::initial_cluster;
use notation::url::Url;
use serde_json::json;

use crate::cli::{Arguments, Command, Flag, Kind, Run};
use crate::database::open_file;
use crate::failure::Failure;
use crate::log::{Meter, info};
use crate::place::{directory, member_dirs, store_options};

const PLACE: &str = "snapshot/restore";

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "restore",
    operands: "<filename> --data-dir {output dir} [options]",
    about: "Makes the data directory of a member of a new cluster from a snapshot",
    flags: &[
        Flag::text("data-dir", "", "data directory to make"),
        Flag::text(
            "wal-dir",
            "",
            "directory of the log, if it is not to be in the data directory",
        ),
        Flag::text("name", "default", "name of the member"),
        Flag::text(
            "initial-cluster",
            "default=http://localhost:2380",
            "members of the new cluster",
        ),
        Flag::text(
            "initial-cluster-token",
            "etcd-cluster",
            "token of the new cluster",
        ),
        Flag::text(
            "initial-advertise-peer-urls",
            "http://localhost:2380",
            "where the other members reach this one",
        ),
        Flag::switch(
            "skip-hash-check",
            "take a file whose checksum is wrong or missing, as that of a data directory is",
        ),
        Flag::of(
            "initial-memory-map-size",
            Kind::Uint,
            "10737418240",
            "accepted; there is no memory map",
        ),
        Flag::of(
            "bump-revision",
            Kind::Uint,
            "0",
            "how much is added to the latest revision",
        ),
        Flag::switch(
            "mark-compacted",
            "compact at the latest revision (goes with --bump-revision)",
        ),
    ],
    run: Run::Do(run),
    ..Command::EMPTY
};

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (Some(file), 1) = (&arguments.operand(0), arguments.operands.len()) else {
        return Err(Failure::Arguments(
            "snapshot restore requires exactly one argument",
        ));
    };
    if (arguments.uint("bump-revision") > 0) != arguments.bool("mark-compacted") {
        return Err(Failure::Arguments(
            "--mark-compacted required if --revision-bump > 0",
        ));
    }
    Ok(restore(file, arguments)?)
}

fn restore(file: &str, arguments: &Arguments) -> Result<()> {
    let name = &arguments.text("name");
    let advertised = Url::parse_list(&arguments.text("initial-advertise-peer-urls"))?;
    let advertised: Vec<String> = advertised.iter().map(Url::to_string).collect();
    let described = arguments.text("initial-cluster");
    let members = initial_cluster::members(&described, name, &advertised, |at| {
        at.to_socket_addrs().into_iter().flatten().collect()
    })?;
    let cluster = Bootstrap::new(&members, &arguments.text("initial-cluster-token"))?;
    let own = cluster.member(name).context("a member that is listed")?;
    let (data_dir, wal_dir) = directories(arguments);
    check_target(&data_dir, &wal_dir)?;
    let details = [
        ("path", json!(file)),
        ("wal-dir", json!(wal_dir)),
        ("data-dir", json!(data_dir)),
        ("snap-dir", json!(data_dir.join("member/store"))),
        (
            "initial-memory-map-size",
            json!(arguments.uint("initial-memory-map-size")),
        ),
    ];
    info(PLACE, "restoring snapshot", &details);
    source::verify(file, arguments.bool("skip-hash-check"))?;
    let db = open_file(file).with_context(|| format!("open {file}"))?;
    // Before anything is made that a second attempt would find in its way.
    boltfile::Reader::open(Arc::clone(&db))?;
    let bump = match arguments.uint("bump-revision") {
        0 => None,
        bump => Some(i64::try_from(bump).map_err(|_| anyhow!("--bump-revision is too large"))?),
    };
    make_directories(&data_dir, &wal_dir)?;
    let order = Restore {
        cluster: &cluster,
        own,
        bump,
    };
    let mut meter = Meter::new("restoring");
    let mut progress = |progress: Progress| meter.step(progress.bytes, progress.total_bytes);
    let to = member_dirs(&data_dir, Some(&wal_dir));
    let restored = convert::restore(
        db,
        &to,
        &order,
        store_options(),
        wal::Options::default(),
        &mut progress,
    )?;
    drop(meter);
    if let Some(bump) = bump {
        let revision = json!(restored.current_revision);
        let bumped = [
            (
                "latest-revision",
                json!(restored.current_revision.saturating_sub(bump)),
            ),
            ("bump-amount", json!(bump)),
            ("new-latest-revision", revision.clone()),
        ];
        info(PLACE, "bumping latest revision", &bumped);
        info(
            PLACE,
            "marking revision compacted",
            &[("revision", revision)],
        );
    }
    for member in &cluster.members {
        let added = [
            ("cluster-id", json!(cluster.cluster_id.to_string())),
            ("local-member-id", json!("0")),
            ("added-peer-id", json!(member.id.to_string())),
            ("added-peer-peer-urls", json!(member.peer_urls)),
            ("added-peer-is-learner", json!(false)),
        ];
        info(PLACE, "added member", &added);
    }
    sync(&data_dir)?;
    info(PLACE, "restored snapshot", &details);
    Ok(())
}

fn directories(arguments: &Arguments) -> (PathBuf, PathBuf) {
    let data_dir = match arguments.text("data-dir").as_str() {
        "" => PathBuf::from(format!("{}.etcd", arguments.text("name"))),
        given => PathBuf::from(given),
    };
    let wal_dir = match arguments.text("wal-dir").as_str() {
        "" => data_dir.join("member/wal"),
        given => PathBuf::from(given),
    };
    (data_dir, wal_dir)
}

/// Nothing that is there is overwritten.
fn check_target(data_dir: &Path, wal_dir: &Path) -> Result<()> {
    let is_free = match fs::read_dir(data_dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_free {
        bail!("data-dir {data_dir:?} not empty or could not be read");
    }
    if wal_dir.exists() {
        bail!("wal-dir {wal_dir:?} exists");
    }
    Ok(())
}

fn make_directories(data_dir: &Path, wal_dir: &Path) -> Result<()> {
    for path in [&data_dir.join("member"), &wal_dir.to_owned()] {
        directory(path)
            .create_dir_all("")
            .with_context(|| format!("mkdir {}", path.display()))?;
    }
    Ok(())
}

/// The names of the directory itself survive a power loss.
fn sync(data_dir: &Path) -> Result<()> {
    let parent = data_dir.parent().unwrap_or(Path::new(""));
    for path in [data_dir, parent] {
        directory(path)
            .sync_dir("")
            .with_context(|| format!("sync {}", path.display()))?;
    }
    Ok(())
}
