//! What people and the dispatcher read: whole answers, derived from the rows.
//!
//! Nothing here writes or locks. Counts and progress are computed anew each time.

mod candidates;
mod jobs;
mod one_job;
mod selector;
mod speeds;
mod studies;
mod workers;

pub use jobs::{JobSummary, SourceState};
pub use one_job::{AttemptRow, EventRow, JobDetail};
pub use selector::JobRef;
pub use studies::{StudyEvent, StudyGrid, StudySummary};
pub use workers::WorkerRow;
