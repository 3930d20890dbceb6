//! The checkers bite: every bug that is planted on purpose is found.

use sim::Bug;

/// Within how many seeds, counted from zero, each bug must show.
const PLANTED: [(Bug, u64); 29] = [
    (Bug::AckBeforeSync, 100),
    (Bug::ForgetHardState, 200),
    (Bug::VoteTwice, 50),
    (Bug::SkipReadIndex, 20),
    (Bug::ServeAfterDeposition, 50),
    (Bug::ReadBeforeApplied, 100),
    (Bug::ApplyTwice, 50),
    (Bug::SkipEntry, 20),
    (Bug::DropWatchEvent, 50),
    (Bug::RepeatWatchEvent, 50),
    (Bug::ResumeLate, 50),
    (Bug::WrongPrevious, 50),
    (Bug::LoseAttachments, 100),
    (Bug::LoseLeases, 50),
    (Bug::IgnoreKeepAlive, 50),
    (Bug::ExpireEarly, 20),
    (Bug::ExpireUnconfirmed, 500),
    (Bug::NeverExpire, 20),
    (Bug::MarkEarly, 100),
    (Bug::LoseLogTail, 50),
    (Bug::SwapAnswers, 600),
    (Bug::CompactAlone, 20),
    (Bug::ForgetAlarms, 100),
    (Bug::ForgetUsers, 100),
    (Bug::ForgetVersion, 100),
    (Bug::LateRevoke, 100),
    (Bug::CheckRightsEarly, 200),
    (Bug::WatchRevoked, 100),
    (Bug::NeverCampaign, 20),
];

/// A checker that overlooks a bug proves nothing about the product.
#[test]
fn every_planted_bug_is_found() {
    for (bug, seeds) in PLANTED {
        let found = (0..seeds).find_map(|seed| sim::run(seed, Some(bug)).err());
        let found = found.unwrap_or_else(|| panic!("{bug:?} is not found in {seeds} seeds"));
        println!("{bug:?}: seed {}, {}", found.seed, found.violation);
    }
    assert_eq!(PLANTED.map(|(bug, _)| bug), Bug::ALL);
}
