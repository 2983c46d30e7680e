//! The only SQL: a concrete [`Store`] over PostgreSQL, and the private server it starts
//! when a person names no database.
//!
//! Every statement is checked against the migrations at build time. Every change of a job's
//! state is decided by `core::job::apply` and written only over the very state and claim it
//! was decided from. Every call may be repeated: an answer that was lost is asked for again
//! with the same call. No call reads a clock but the database's.

mod attempts;
mod changes;
mod checkpoints;
mod claim;
mod convert;
mod error;
mod heartbeats;
mod jobs;
mod logs;
mod metrics;
mod packs;
mod persist;
mod private_server;
mod results;
mod sessions;
mod store;
mod studies;
mod sweep;
mod views;

pub use sqlx::postgres::PgConnectOptions;

pub use attempts::{Assignment, Completed, NewClaim};
pub use checkpoints::{CheckpointKind, CheckpointRow, CheckpointState, NewCheckpoint};
pub use claim::{Claim, Holder};
pub use error::StoreError;
pub use heartbeats::{HeartbeatAnswer, InventoryItem, JobVerdict, Verdict};
pub use logs::LogPart;
pub use packs::PackRow;
pub use private_server::{PrivateServer, PrivateServerError, ServerConfig};
pub use sessions::{Device, NewSession};
pub use store::{Store, StoreOptions};
pub use studies::{Submission, Submitted};
pub use sweep::Liveness;
pub use views::{AttemptRow, EventRow, JobDetail, JobRef, JobSummary, SourceState, StudySummary, WorkerRow};
