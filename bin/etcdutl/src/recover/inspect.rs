//! What one data directory holds.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cluster::{Change, ConfChange};
use serde::Serialize;
use types::{Entry, EntryKind};
use wal::{Recovered, Start};

use crate::place::{Kind, kind, member_dirs, store_options};

/// A data directory.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    /// Its path.
    pub(super) dir: String,
    /// What it holds; none when it cannot be used.
    pub(super) log: Option<Log>,
    /// Why it cannot be used.
    pub(super) problem: Option<String>,
}

/// What its log says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Log {
    /// The cluster's id, in hexadecimal digits as everywhere.
    pub(super) cluster: String,
    /// The member's id.
    pub(super) member: String,
    /// The term of the last entry.
    pub(super) last_term: u64,
    /// The last entry.
    pub(super) last_index: u64,
    /// The last entry that this member knew to be agreed on.
    pub(super) commit: u64,
    /// The revision that its store had reached; none for a database of etcd.
    pub(super) revision: Option<i64>,
    /// The ids of the voters as of the last entry.
    pub(super) voters: Vec<String>,
}

impl Found {
    /// The row of the table.
    pub(super) fn cells(&self, is_best: bool) -> Vec<String> {
        let Some(log) = &self.log else {
            let mut cells = vec!["-".to_owned(); 7];
            cells[0].clone_from(&self.dir);
            cells[6] = self.problem.clone().unwrap_or_default();
            return cells;
        };
        vec![
            self.dir.clone(),
            log.member.clone(),
            log.last_term.to_string(),
            log.last_index.to_string(),
            log.commit.to_string(),
            log.revision
                .map_or("-".to_owned(), |revision| revision.to_string()),
            if is_best { "most advanced" } else { "usable" }.to_owned(),
        ]
    }
}

/// Reads a data directory; what is wrong with it is part of the result.
pub(super) fn inspect(dir: &str, timeout: Duration) -> Found {
    let (log, problem) = match read(dir, timeout) {
        Ok(log) => (Some(log), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    Found {
        dir: dir.to_owned(),
        log,
        problem,
    }
}

fn read(dir: &str, timeout: Duration) -> Result<Log> {
    let Some(kind) = kind(dir) else {
        bail!("no member's files");
    };
    let dirs = member_dirs(Path::new(dir), None);
    let recovered = wal::read(&*dirs.wal(), Start::Newest).context("the log cannot be read")?;
    let revision = match kind {
        Kind::Ours => Some(revision(&dirs, &recovered)?),
        Kind::Etcds => {
            // Holds the lock for a moment: a member that runs must not be judged.
            let path = crate::place::database(dir);
            crate::database::open(&path.to_string_lossy(), timeout)?;
            None
        }
    };
    Ok(Log {
        revision,
        ..log(&recovered)
    })
}

/// Opens the store, which shows that it is whole, and not in use.
fn revision(dirs: &convert::MemberDirs, log: &Recovered) -> Result<i64> {
    let opened = mvcc::open(
        dirs.member.sub("store"),
        store_options(),
        mvcc::Options::default(),
    );
    let (_writer, reader, files) = opened.context("the store cannot be used")?;
    let (index, _) = files.reader().snapshot().consistent_index();
    if index < log.snapshot.index {
        bail!(
            "the store ends at entry {index}, but the log begins after entry {}",
            log.snapshot.index
        );
    }
    Ok(reader.revisions().current)
}

fn log(recovered: &Recovered) -> Log {
    let (index, term) = match recovered.entries.last() {
        Some(entry) => (entry.index, entry.term),
        None => (recovered.snapshot.index, recovered.snapshot.term),
    };
    Log {
        cluster: recovered.metadata.cluster.to_string(),
        member: recovered.metadata.member.to_string(),
        last_term: term.0,
        last_index: index.0,
        commit: recovered.state.commit.max(recovered.snapshot.index).0,
        revision: None,
        voters: voters(recovered),
    }
}

/// Who votes, as of the last entry.
fn voters(recovered: &Recovered) -> Vec<String> {
    let conf = recovered.snapshot.conf.iter();
    let mut members: BTreeMap<u64, bool> = conf
        .flat_map(|conf| {
            let voters = conf.voters.iter().map(|id| (id.0, true));
            let learners = conf.learners.iter().map(|id| (id.0, false));
            voters.chain(learners)
        })
        .collect();
    for change in recovered.entries.iter().filter_map(change) {
        match change {
            Change::Add(member) => drop(members.insert(member.id.0, !member.is_learner)),
            Change::Promote(id) => drop(members.insert(id.0, true)),
            Change::Remove(id) => drop(members.remove(&id.0)),
            _ => {}
        }
    }
    let voters = members.into_iter().filter(|(_, votes)| *votes);
    voters
        .map(|(id, _)| types::MemberId(id).to_string())
        .collect()
}

fn change(entry: &Entry) -> Option<Change> {
    if entry.kind != EntryKind::ConfChange {
        return None;
    }
    ConfChange::decode(&entry.data)
        .and_then(|change| change.change())
        .ok()
}
