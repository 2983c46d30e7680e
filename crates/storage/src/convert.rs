//! Between the programs' types and what PostgreSQL has: it knows no unsigned integers.

use selffer_core::{
    ids::{ClaimId, Digest, JobKey},
    interest::Interest,
    job::{FailureClass, Phase, StateKind},
    placement::NeededPack,
    spec::JobSpec,
};

use crate::StoreError;

/// For an `integer` column.
pub(crate) fn to_i32(what: &'static str, value: u32) -> Result<i32, StoreError> {
    i32::try_from(value).map_err(|_| too_large(what, u64::from(value), i32::MAX as u64))
}

/// For a `bigint` column.
pub(crate) fn to_i64(what: &'static str, value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| too_large(what, value, i64::MAX as u64))
}

fn too_large(what: &'static str, given: u64, max: u64) -> StoreError {
    StoreError::TooLarge { what, given, max }
}

/// From a column that a CHECK keeps from being negative.
pub(crate) fn from_i32(value: i32) -> u32 {
    value.unsigned_abs()
}

/// From a column that a CHECK keeps from being negative.
pub(crate) fn from_i64(value: i64) -> u64 {
    value.unsigned_abs()
}

/// From a `count(*)` of rows that the programs bound.
pub(crate) fn count(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A job's spec, from the canonical JSON that is stored.
pub(crate) fn spec(text: &str) -> Result<JobSpec, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| StoreError::Corrupt { what: "a job's spec", problem: error.to_string() })
}

pub(crate) fn digest(bytes: &[u8]) -> Result<Digest, StoreError> {
    Digest::try_from(bytes).map_err(StoreError::corrupt_id("a digest"))
}

/// What a job reads; the length is from a column that a CHECK keeps from being negative.
pub(crate) fn needed_pack(bytes_of_digest: &[u8], bytes: i64) -> Result<NeededPack, StoreError> {
    Ok(NeededPack { digest: digest(bytes_of_digest)?, bytes: from_i64(bytes) })
}

pub(crate) fn job_key(bytes: &[u8]) -> Result<JobKey, StoreError> {
    JobKey::try_from(bytes).map_err(StoreError::corrupt_id("a job's key"))
}

pub(crate) fn claim_id(bytes: &[u8]) -> Result<ClaimId, StoreError> {
    ClaimId::try_from(bytes).map_err(StoreError::corrupt_id("a claim id"))
}

pub(crate) fn state_kind(text: &str) -> Result<StateKind, StoreError> {
    let kind = StateKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    kind.ok_or_else(|| StoreError::Corrupt { what: "a job's state", problem: format!("{text:?}") })
}

pub(crate) fn failure_class(text: &str) -> Result<FailureClass, StoreError> {
    let known = FailureClass::ALL.into_iter().find(|known| known.as_str() == text);
    known.ok_or_else(|| StoreError::Corrupt { what: "a class of failure", problem: format!("{text:?}") })
}

pub(crate) fn interest(text: &str) -> Result<Interest, StoreError> {
    let known = Interest::ALL.into_iter().find(|known| known.as_str() == text);
    known.ok_or_else(|| StoreError::Corrupt { what: "an interest", problem: format!("{text:?}") })
}

const PHASES: [(Phase, &str); 4] = [
    (Phase::Fetching, "fetching"),
    (Phase::Training, "training"),
    (Phase::Testing, "testing"),
    (Phase::Uploading, "uploading"),
];

pub(crate) fn phase_name(phase: Phase) -> &'static str {
    PHASES.iter().find(|(known, _)| *known == phase).map_or("training", |(_, name)| name)
}

pub(crate) fn phase(text: &str) -> Result<Phase, StoreError> {
    let found = PHASES.iter().find(|(_, name)| *name == text).map(|(phase, _)| *phase);
    found.ok_or_else(|| StoreError::Corrupt { what: "a phase", problem: format!("{text:?}") })
}

/// Seconds, for `make_interval`.
pub(crate) fn seconds(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64()
}
