//! Deliberate bugs, planted in the simulator's own shell: the product never contains them.
//!
//! Each must be found by a checker within a stated number of seeds; see `tests/planted.rs`.

/// What is wrong with the members of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bug {
    /// Writes of the log are acknowledged before they are synced.
    AckBeforeSync,
    /// A restart forgets the term and the vote.
    ForgetHardState,
    /// A member grants every vote that it is asked for.
    VoteTwice,
    /// Linearizable reads are answered from what is applied, without asking a quorum.
    SkipReadIndex,
    /// Reads that wait when the leader changes are answered instead of asked for again.
    ServeAfterDeposition,
    /// Confirmed reads do not wait until their index is applied.
    ReadBeforeApplied,
    /// A restart applies the last stored entry again.
    ApplyTwice,
    /// Now and then an entry is not applied.
    SkipEntry,
    /// Now and then a response of a watch is not sent.
    DropWatchEvent,
    /// Now and then a response of a watch is sent twice.
    RepeatWatchEvent,
    /// A watcher that resumes begins one revision late.
    ResumeLate,
    /// Watchers are told previous pairs of another moment.
    WrongPrevious,
    /// A restart forgets which keys hang on leases.
    LoseAttachments,
    /// A restart forgets the leases.
    LoseLeases,
    /// Keep-alives are answered but do not renew.
    IgnoreKeepAlive,
    /// Leases expire at half their time.
    ExpireEarly,
    /// A leader ends leases without making sure that it still leads.
    ExpireUnconfirmed,
    /// Leases never expire.
    NeverExpire,
    /// The log is marked before the store holds what the mark covers.
    MarkEarly,
    /// A restart loses the last entries of the log.
    LoseLogTail,
    /// Answers go to the wrong request now and then.
    SwapAnswers,
    /// A member compacts by itself.
    CompactAlone,
    /// A restart forgets the alarms.
    ForgetAlarms,
    /// A restart forgets users and roles.
    ForgetUsers,
    /// A restart forgets the cluster version.
    ForgetVersion,
    /// Now and then the readers of a member do not hear that rights have changed.
    LateRevoke,
    /// Reads are refused by the rights of when they were asked only.
    CheckRightsEarly,
    /// Watchers go on when their right is taken away.
    WatchRevoked,
    /// A leader whose log is paused is never told of anything: elections do not happen.
    NeverCampaign,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 29] = [
        Self::AckBeforeSync,
        Self::ForgetHardState,
        Self::VoteTwice,
        Self::SkipReadIndex,
        Self::ServeAfterDeposition,
        Self::ReadBeforeApplied,
        Self::ApplyTwice,
        Self::SkipEntry,
        Self::DropWatchEvent,
        Self::RepeatWatchEvent,
        Self::ResumeLate,
        Self::WrongPrevious,
        Self::LoseAttachments,
        Self::LoseLeases,
        Self::IgnoreKeepAlive,
        Self::ExpireEarly,
        Self::ExpireUnconfirmed,
        Self::NeverExpire,
        Self::MarkEarly,
        Self::LoseLogTail,
        Self::SwapAnswers,
        Self::CompactAlone,
        Self::ForgetAlarms,
        Self::ForgetUsers,
        Self::ForgetVersion,
        Self::LateRevoke,
        Self::CheckRightsEarly,
        Self::WatchRevoked,
        Self::NeverCampaign,
    ];

    /// The bug of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bug| format!("{bug:?}") == name)
    }
}
