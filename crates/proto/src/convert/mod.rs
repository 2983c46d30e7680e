//! Between wire messages and `core`'s types.
//!
//! Into `core` by `TryFrom` or a function that takes the field's name: everything is
//! checked, and an error names the field. Onto the wire by `From`, which cannot fail.
//! Enumerations are numbers on the wire; one that this program does not know is an error
//! where a decision hangs on it, and `None` where it is only shown.

mod artifact;
mod ids;
mod import;
mod interest;
mod job;
mod outcome;
mod proof;

pub use ids::{checkpoint_id, claim_id, digest, job_id, job_key, session_id, study_id};
pub use import::{import_kind, import_kind_number, import_manifest};
pub use interest::{fate, interest, interest_change};
pub use job::{give_back_reason, phase, phase_number, state};
pub use selffer_core::ids::Claim;

/// A message that cannot be what it claims to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ConvertError {
    /// Path of the field within the message, e.g. `result.test.images`.
    pub field: String,
    /// What is wrong with it, with the value.
    pub problem: String,
}

impl ConvertError {
    /// An error about this field.
    #[must_use]
    pub fn new(field: &str, problem: impl Into<String>) -> Self {
        Self { field: field.to_owned(), problem: problem.into() }
    }

    /// The same error, seen from the message that holds this one as `field`.
    #[must_use]
    pub fn within(self, field: &str) -> Self {
        Self { field: format!("{field}.{}", self.field), problem: self.problem }
    }
}

/// Converts the message in a field that must be there.
///
/// # Errors
/// The field is absent, or what it holds does not convert.
pub fn required<Wire, Core>(field: &str, value: Option<Wire>) -> Result<Core, ConvertError>
where
    Core: TryFrom<Wire, Error = ConvertError>,
{
    let value = value.ok_or_else(|| ConvertError::new(field, "is missing"))?;
    Core::try_from(value).map_err(|error| error.within(field))
}
