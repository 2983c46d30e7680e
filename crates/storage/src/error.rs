//! What can go wrong with a request to the store, by what the asker should do about it.

use selffer_core::{
    election::Duty,
    ids::{CheckpointId, ClaimId, Digest, IdError, JobId, SessionId},
    import::ImportKind,
    interest::InterestError,
    job::TransitionError,
};
use sqlx::migrate::MigrateError;
use uuid::Uuid;

use crate::fitness;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The fencing token is not the job's current one.
    #[error("claim {claim_id} of job {job_id} has ended")]
    StaleClaim {
        /// The job.
        job_id: JobId,
        /// The token that came.
        claim_id: ClaimId,
    },
    /// A token that the database has never seen, of a job that exists: it was rolled back. The
    /// next heartbeat that lists the job settles what becomes of it.
    #[error(
        "the database does not know claim {claim_id} of job {job_id}: it was rolled back; send a heartbeat first"
    )]
    ClaimUnknown {
        /// The job.
        job_id: JobId,
        /// The token that came.
        claim_id: ClaimId,
    },
    /// The leader's term has ended; nothing was changed.
    #[error("this coordinator does not lead any more: {}", duty.as_str())]
    TermEnded {
        /// Of what.
        duty: Duty,
    },
    /// The session was closed or superseded, or was never opened.
    #[error("session {session_id} has ended; open a new one")]
    SessionEnded {
        /// Which.
        session_id: SessionId,
    },
    /// The session was silent for too long; its next heartbeat revives it.
    #[error("session {session_id} was silent for too long; send a heartbeat first")]
    SessionSilent {
        /// Which.
        session_id: SessionId,
    },
    /// The worker is drained or quarantined, and handed nothing.
    #[error("worker {worker} is set aside: it is handed nothing until it is released")]
    SetAside {
        /// Which.
        worker: String,
    },
    /// Networks copy from the job, and nobody said what becomes of them.
    #[error("{job} is copied from by {}: say whether these are cancelled too, held, or keep it",
        told_dependants(names, *count))]
    HasDependants {
        /// The job.
        job: String,
        /// How many have not ended.
        count: usize,
        /// Some of them.
        names: Vec<String>,
    },
    /// Nothing of this name.
    #[error("there is no {what} {name}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// As asked.
        name: String,
    },
    /// A key's first digits fit several jobs.
    #[error("{selector} fits several jobs: {}", candidates.join(", "))]
    Ambiguous {
        /// As asked.
        selector: String,
        /// Some of the jobs it fits.
        candidates: Vec<String>,
    },
    /// The study exists with other content.
    #[error("study {study} exists with other content: {difference}")]
    StudyConflict {
        /// Its name.
        study: String,
        /// In what it differs.
        difference: String,
    },
    /// The study's interest cannot be changed so.
    #[error("not possible for study {study}")]
    InterestGone {
        /// Its name.
        study: String,
        /// Why.
        #[source]
        source: InterestError,
    },
    /// No study wants the job, so opening it again would be in vain.
    #[error("no study wants {job} any more; submit {study} again to want its networks")]
    Unwanted {
        /// As asked for.
        job: String,
        /// A study that wanted it.
        study: String,
    },
    /// A request id that came before, with another request.
    #[error("request {request_id} was made before with other content: {difference}")]
    RequestReused {
        /// The id.
        request_id: Uuid,
        /// In what it differs.
        difference: String,
    },
    /// A name that belongs to another import of its kind.
    #[error("the name {name} belongs to another {kind}, {digest}")]
    ImportNameTaken {
        /// What it is the name of.
        kind: ImportKind,
        /// The name.
        name: String,
        /// Whose it is.
        digest: Digest,
    },
    /// The import was announced anew, with other chunks, since it was read; nothing was written.
    #[error("{kind} {digest} was announced anew meanwhile")]
    ImportChanged {
        /// What it is.
        kind: ImportKind,
        /// Which.
        digest: Digest,
    },
    /// A result without its final checkpoint.
    #[error("checkpoint {checkpoint_id} is not a published final checkpoint of this claim")]
    NotPublished {
        /// As given.
        checkpoint_id: CheckpointId,
    },
    /// The job's state does not allow it.
    #[error("not possible for job {job_id}")]
    NotPossible {
        /// The job.
        job_id: JobId,
        /// Why.
        #[source]
        source: TransitionError,
    },
    /// The job changed between reading and writing; nothing was written.
    #[error("job {job_id} changed meanwhile")]
    Raced {
        /// The job.
        job_id: JobId,
    },
    /// Intermediate checkpoints take what they may already.
    #[error(
        "intermediate checkpoints take {used} of the {max} bytes that they may; this one of {given} has no room"
    )]
    QuotaReached {
        /// What they take.
        used: u64,
        /// What they may.
        max: u64,
        /// What this one would add.
        given: u64,
    },
    /// What others still need cannot be deleted.
    #[error("{name} cannot be deleted: {reason}")]
    StillNeeded {
        /// The job.
        name: String,
        /// By whom.
        reason: String,
    },
    /// Over a bound.
    #[error("{what} is {given}, over the limit of {max}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// As given.
        given: u64,
        /// The bound.
        max: u64,
    },
    /// A newer program has migrated the database.
    #[error("the database has migration {version}, which this program does not know; use a newer one")]
    SchemaNewer {
        /// The unknown migration.
        version: i64,
    },
    /// Its tables were made by an older program, and were only to be looked at.
    #[error(
        "the database is at migration {version}, older than this program; start a coordinator of this release on it once"
    )]
    SchemaOlder {
        /// The last migration.
        version: i64,
    },
    /// The database's tables could not be brought up to date.
    #[error("the database's tables cannot be brought up to date")]
    Migrate(#[source] MigrateError),
    /// A stored value that does not read; only a bug or a hand in the database makes one.
    #[error("{what} as stored does not read: {problem}")]
    Corrupt {
        /// Which value.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The database.
    #[error("the database did not answer as it should")]
    Database(#[source] sqlx::Error),
}

fn told_dependants(names: &[String], count: usize) -> String {
    let more = count.saturating_sub(names.len());
    let names = names.join(", ");
    if more == 0 { names } else { format!("{names} and {more} more") }
}

/// SQLSTATE classes and codes after which the same call may succeed: connection trouble,
/// serialisation, deadlock, lock and statement timeouts, resources, operator intervention.
const TRANSIENT_CODES: [&str; 6] = ["08", "40", "53", "57", "55P03", READ_ONLY];

/// That of a write in a transaction that only reads.
const READ_ONLY: &str = "25006";

/// Those that say that the server itself is away: no connection, shut down, starting, recovering.
const OUTAGE_CODES: [&str; 3] = ["08", "57P", "53300"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let failure = Self::Database(error);
        fitness::note(&failure);
        failure
    }
}

impl StoreError {
    /// Whether repeating the same call later may succeed. Every call is safe to repeat.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self.of_database() {
            Some(sqlx::Error::Database(error)) => error
                .code()
                .is_some_and(|code| TRANSIENT_CODES.iter().any(|transient| code.starts_with(transient))),
            Some(error) => matches!(
                error,
                sqlx::Error::Io(_)
                    | sqlx::Error::PoolTimedOut
                    | sqlx::Error::PoolClosed
                    | sqlx::Error::WorkerCrashed
                    | sqlx::Error::BeginFailed
                    | sqlx::Error::Protocol(_)
            ),
            None => matches!(self, Self::Raced { .. } | Self::ClaimUnknown { .. }),
        }
    }

    /// Whether the database chose this transaction to end a deadlock; nothing of it was done.
    pub(crate) fn is_deadlock(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.code().as_deref() == Some("40P01"))
    }

    /// Whether the connection is to blame: it is broken, its server ended it, or takes no writes
    /// any more.
    pub(crate) fn is_of_connection(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Io(_)) => true,
            Self::Database(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| code.starts_with("57P") || code == READ_ONLY)
            }
            _ => false,
        }
    }

    /// Whether the database does not answer: away, starting, or out of connections. What the
    /// same call meets next is then no news.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self.of_database() {
            Some(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| OUTAGE_CODES.iter().any(|outage| code.starts_with(outage)))
            }
            Some(_) => self.is_transient(),
            None => false,
        }
    }

    /// What the database said, also while its tables were brought up to date.
    fn of_database(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Database(error)
            | Self::Migrate(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                Some(error)
            }
            _ => None,
        }
    }

    /// A transition that the state machine refused, told about this job.
    pub(crate) fn refused(job_id: JobId, error: TransitionError) -> Self {
        match error {
            TransitionError::StaleClaim { claim_id, .. } => Self::StaleClaim { job_id, claim_id },
            source => Self::NotPossible { job_id, source },
        }
    }

    /// Names the stored value that an id error came from.
    pub(crate) fn corrupt_id(what: &'static str) -> impl Fn(IdError) -> Self {
        move |error| Self::Corrupt { what, problem: error.to_string() }
    }

    /// Whether a row of this unique constraint exists already.
    pub(crate) fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }
}
