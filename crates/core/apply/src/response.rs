//! What applying an entry yields: an answer, or a rejection that is the same on every replica.

use auth::AuthError;
use bytes::Bytes;
use mvcc::{RangeError, RangeResult};
use proto::etcdserverpb::AlarmMember;
use types::{Index, LeaseId, RequestId};

use crate::auth_requests::Login;

/// The outcome of one request of the log.
#[derive(Debug)]
pub struct Applied {
    /// Who waits for it.
    pub id: RequestId,
    /// The entry that it came in.
    pub index: Index,
    /// The store's revision after the request.
    pub revision: i64,
    /// The answer.
    pub result: Result<Response, Rejected>,
    /// Whether this member's space is used up by the request: the proposer is told so although
    /// the request was applied, and the NOSPACE alarm is to be raised.
    pub over_quota: bool,
}

/// The answer to a request that was applied.
#[derive(Debug)]
pub enum Response {
    /// A put, with the previous record when it was asked for.
    Put {
        /// The encoded previous record.
        prev: Option<Bytes>,
    },
    /// A range inside a transaction.
    Range(RangeResult),
    /// A deletion, with the previous records when they were asked for.
    DeleteRange {
        /// How many keys were deleted.
        deleted: i64,
        /// Their encoded records in key order.
        prev: Vec<Bytes>,
    },
    /// A transaction.
    Txn(TxnResult),
    /// A compaction was scheduled.
    Compaction,
    /// A lease was granted.
    LeaseGrant {
        /// The lease.
        id: LeaseId,
        /// Its effective time to live, in seconds.
        ttl: i64,
    },
    /// The alarms that the request listed or changed.
    Alarm(Vec<AlarmMember>),
    /// A user has logged in.
    Authenticated(Login),
    /// Done, with nothing more to say.
    Done,
}

/// The answer to a transaction.
#[derive(Debug)]
pub struct TxnResult {
    /// Whether the compares held.
    pub succeeded: bool,
    /// One answer for each operation of the chosen branch.
    pub responses: Vec<OpResult>,
}

/// The answer to one operation of a transaction.
#[derive(Debug)]
pub struct OpResult {
    /// The revision for the operation's own header.
    pub revision: i64,
    /// The answer: put, range, deletion or transaction.
    pub response: Response,
}

/// Why a request was refused, with no effect on any replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// A required key does not exist, or an operation names none.
    #[error("key not found")]
    KeyNotFound,
    /// A key range without a key.
    #[error("key is not provided")]
    EmptyKey,
    /// The lease does not exist.
    #[error("requested lease not found")]
    LeaseNotFound,
    /// The lease id is in use.
    #[error("lease already exists")]
    LeaseExists,
    /// The time to live is beyond the limit.
    #[error("too large lease TTL")]
    LeaseTtlTooLarge,
    /// The revision has been compacted.
    #[error("required revision has been compacted")]
    Compacted,
    /// The revision lies in the future.
    #[error("required revision is a future revision")]
    FutureRevision,
    /// The NOSPACE alarm is active.
    #[error("database space exceeded")]
    NoSpace,
    /// The CORRUPT alarm is active.
    #[error("corrupt cluster")]
    Corrupt,
    /// The alarm action is none that exists.
    #[error("unknown alarm action")]
    UnknownAlarmAction,
    /// The member is not in the cluster.
    #[error("member not found")]
    MemberNotFound,
    /// The member id was used before.
    #[error("member was removed")]
    MemberRemoved,
    /// The member id is in use.
    #[error("member already exists")]
    MemberExists,
    /// A peer URL is used by another member.
    #[error("peer URLs already exist")]
    PeerUrlExists,
    /// Only learners can be promoted.
    #[error("member is not a learner")]
    MemberNotLearner,
    /// Nobody would be left to vote.
    #[error("member is the last one that votes")]
    LastVoter,
    /// The limit of learners is reached.
    #[error("too many learners")]
    TooManyLearners,
    /// The member's URLs cannot be used.
    #[error("member URLs are invalid")]
    MemberBadUrls,
    /// Users, roles and permissions do not allow it.
    #[error(transparent)]
    Auth(AuthError),
    /// This server does not know how to apply the request.
    #[error("request is not supported")]
    Unsupported,
}

/// This member cannot go on: its own disk or memory is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The store cannot give what the index promises.
    #[error(transparent)]
    Store(#[from] mvcc::Fault),
    /// A stored record does not decode.
    #[error("a stored record does not decode")]
    Record(#[from] types::DecodeRecordError),
    /// The cluster has gone on to a version that this member does not have.
    #[error(transparent)]
    Version(#[from] cluster::TooOld),
    /// An entry of the log does not decode.
    #[error("log entry {index} does not decode: {reason}")]
    Entry {
        /// The entry.
        index: Index,
        /// What is wrong with it.
        reason: String,
    },
}

/// A request's end without an answer: refused everywhere, or failed here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error(transparent)]
    Rejected(#[from] Rejected),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<RangeError> for Stop {
    fn from(error: RangeError) -> Self {
        match error {
            RangeError::Compacted { .. } => Self::Rejected(Rejected::Compacted),
            RangeError::Future { .. } => Self::Rejected(Rejected::FutureRevision),
            RangeError::Fault(fault) => Self::Fault(Fault::Store(fault)),
        }
    }
}

impl From<mvcc::Fault> for Stop {
    fn from(fault: mvcc::Fault) -> Self {
        Self::Fault(Fault::Store(fault))
    }
}
