//! Which directory is the best, and what it may lack.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, bail};
use serde::Serialize;

use super::inspect::{Found, Log};

/// What is to be thought of the directories together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verdict {
    /// The place of the most advanced one.
    pub(super) best: usize,
    /// How many voters the cluster had.
    pub(super) voters: usize,
    /// How many of them are here.
    pub(super) here: usize,
    /// Whether those that are here can go on by themselves.
    pub(super) has_quorum: bool,
    /// Whether members that are not here could have agreed on more among themselves.
    pub(super) may_lack: bool,
    /// Entries that nobody here knew to be agreed on; they are kept.
    pub(super) undecided: u64,
}

/// Compares the directories of one cluster.
pub(super) fn judge(found: &[Found]) -> Result<Verdict> {
    let logs: Vec<(usize, &Log)> = found
        .iter()
        .enumerate()
        .filter_map(|(at, found)| Some((at, found.log.as_ref()?)))
        .collect();
    let best = logs.iter().max_by_key(|(at, log)| {
        let first_of_equals = usize::MAX - at;
        (log.last_term, log.last_index, log.commit, first_of_equals)
    });
    let &(best, log) = best.ok_or_else(|| {
        let problems = found.iter().filter_map(|found| {
            let problem = found.problem.as_ref()?;
            Some(format!("{}: {problem}", found.dir))
        });
        anyhow!(
            "no directory can be used: {}",
            problems.collect::<Vec<_>>().join("; ")
        )
    })?;
    if let Some((at, other)) = logs.iter().find(|(_, other)| other.cluster != log.cluster) {
        bail!(
            "{} belongs to cluster {}, but {} to cluster {}",
            found[*at].dir,
            other.cluster,
            found[best].dir,
            log.cluster
        );
    }
    let members: BTreeSet<&str> = logs.iter().map(|(_, log)| log.member.as_str()).collect();
    if members.len() < logs.len() {
        bail!("two directories belong to the same member: give the newer one only");
    }
    let here = log
        .voters
        .iter()
        .filter(|id| members.contains(id.as_str()))
        .count();
    let quorum = log.voters.len() / 2 + 1;
    let commit = logs
        .iter()
        .map(|(_, log)| log.commit)
        .max()
        .unwrap_or_default();
    Ok(Verdict {
        best,
        voters: log.voters.len(),
        here,
        has_quorum: here >= quorum,
        may_lack: log.voters.len() - here >= quorum,
        undecided: log.last_index.saturating_sub(commit),
    })
}

impl Verdict {
    /// What an operator has to know.
    pub(super) fn sentences(&self, best: &Found) -> Vec<String> {
        let (dir, last) = (&best.dir, best.log.as_ref().map_or(0, |log| log.last_index));
        let mut all = vec![format!(
            "Most advanced: {dir}. Of {} voters {} are here; a quorum is {}.",
            self.voters,
            self.here,
            self.voters / 2 + 1
        )];
        all.push(match (self.has_quorum, self.may_lack) {
            (true, _) => "They are a quorum: start them, and nothing has to be recovered.".to_owned(),
            (false, false) => {
                "Nothing that was acknowledged is missing: every quorum included one of them.".to_owned()
            }
            (false, true) => format!(
                "What was acknowledged after entry {last} may be missing: the members that are lost were a quorum without them."
            ),
        });
        if self.undecided > 0 && !self.has_quorum {
            all.push(format!(
                "The last {} entries were not known to be agreed on. They are kept: their writes may have been acknowledged.",
                self.undecided
            ));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(member: &str, term: u64, index: u64, commit: u64, voters: &[&str]) -> Found {
        Found {
            dir: format!("dir-{member}"),
            log: Some(Log {
                cluster: "c".to_owned(),
                member: member.to_owned(),
                last_term: term,
                last_index: index,
                commit,
                revision: None,
                voters: voters.iter().map(ToString::to_string).collect(),
            }),
            problem: None,
        }
    }

    fn broken(dir: &str) -> Found {
        Found {
            dir: dir.to_owned(),
            log: None,
            problem: Some("torn".to_owned()),
        }
    }

    const FIVE: &[&str] = &["1", "2", "3", "4", "5"];

    /// A longer log of an older term lacks what the newer leader was elected with.
    #[test]
    fn the_last_term_counts_before_the_length() {
        let all = [
            broken("x"),
            found("1", 3, 90, 80, FIVE),
            found("2", 4, 70, 60, FIVE),
        ];
        let verdict = judge(&all).unwrap();
        assert_eq!((verdict.best, verdict.voters, verdict.here), (2, 5, 2));
        assert!(!verdict.has_quorum && verdict.may_lack);
        assert_eq!(verdict.undecided, 0);
        let equal = [found("1", 4, 70, 60, FIVE), found("2", 4, 70, 60, FIVE)];
        let verdict = judge(&equal).unwrap();
        assert_eq!((verdict.best, verdict.undecided), (0, 10));
    }

    /// An operator is not to be frightened, and not to be reassured, without reason.
    #[test]
    fn what_may_be_missing() {
        let four = &FIVE[..4];
        let half = [found("1", 1, 9, 9, four), found("2", 1, 9, 9, four)];
        let verdict = judge(&half).unwrap();
        assert!(
            !verdict.has_quorum && !verdict.may_lack,
            "three of four agree with one of two"
        );
        let three = &FIVE[..3];
        let most = [found("1", 1, 9, 9, three), found("3", 1, 9, 9, three)];
        assert!(judge(&most).unwrap().has_quorum);
        let one = [found("1", 1, 9, 7, three)];
        let verdict = judge(&one).unwrap();
        let text = verdict.sentences(&one[0]).join(" ");
        assert!(text.contains("after entry 9 may be missing"), "{text}");
        assert!(text.contains("The last 2 entries"), "{text}");
        let learner = [found("7", 1, 9, 9, three)];
        assert_eq!(judge(&learner).unwrap().here, 0);
    }

    #[test]
    fn what_does_not_belong_together() {
        assert!(
            judge(&[broken("x")])
                .unwrap_err()
                .to_string()
                .contains("x: torn")
        );
        let twice = [found("1", 1, 9, 9, FIVE), found("1", 1, 8, 8, FIVE)];
        assert!(judge(&twice).is_err());
        let mut other = found("2", 1, 9, 9, FIVE);
        other.log.as_mut().unwrap().cluster = "d".to_owned();
        assert!(judge(&[found("1", 1, 9, 9, FIVE), other]).is_err());
    }
}
