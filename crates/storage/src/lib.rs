//! The only SQL: a concrete [`Store`] over PostgreSQL, and the private server it starts
//! when a person names no database.
//!
//! Every statement is checked against the migrations at build time. Every change of a job's
//! state is decided by `core::job::apply` and written only over the very state and claim it
//! was decided from. Every call may be repeated: an answer that was lost is asked for again
//! with the same call. No call reads a clock but the database's.

mod acts;
mod again;
mod attempts;
mod audit;
mod belonging;
mod blame;
mod changes;
mod checkpoints;
mod chunks;
mod claim;
mod completions;
mod convert;
mod dropped;
mod election;
mod error;
mod fitness;
mod heartbeats;
mod imports;
mod jobs;
mod leases;
mod logs;
mod metrics;
mod notices;
mod persist;
mod private_server;
mod proofs;
mod quota;
mod results;
mod rollback;
mod sessions;
mod sources;
mod store;
mod studies;
mod sweep;
mod views;

pub use sqlx::postgres::PgConnectOptions;

pub use acts::{
    Act, Acted, Deadline, Deleted, Deleting, Drain, Fate, Mode, OtherStudy, SetAside, WorkersActed,
};
pub use audit::Violation;
pub use belonging::Belonging;
pub use checkpoints::{CheckpointKind, CheckpointRow, CheckpointState, NewCheckpoint};
pub use chunks::{Kept, Usage};
pub use claim::{Claim, Holder};
pub use completions::{Completed, Completion};
pub use dropped::Collection;
pub use election::Term;
pub use error::StoreError;
pub use heartbeats::{HeartbeatAnswer, InventoryItem, JobVerdict, Verdict};
pub use imports::{ImportRow, PackRow, WeightsRow};
pub use leases::{Assignment, Granted, NewClaim};
pub use logs::LogPart;
pub use notices::Notices;
pub use private_server::{PrivateServer, PrivateServerError, ServerConfig};
pub use proofs::Untrue;
pub use rollback::Divergence;
pub use sessions::{Device, NewSession};
pub use store::{Store, StoreOptions};
pub use studies::{Onto, Reopen, Submission, Submitted};
pub use sweep::{Liveness, Overdue};
pub use views::{
    AttemptRow, EventRow, JobDetail, JobRef, JobSummary, SourceState, StudyEvent, StudyGrid, StudySummary,
    WorkerRow,
};
