//! Workers' messages, read and checked, and the answers as they travel.

use std::{collections::BTreeSet, time::Duration};

use selffer_core::{
    ids::{CheckpointId, Claim, Digest, IdError, Name},
    limits::{CLAIM_WAIT_MAX_S, METRIC_POINTS_PER_HEARTBEAT_MAX, WORKERS_PER_SESSION_MAX},
    outcome::MetricPoint,
    placement::PackRoom,
};
use selffer_proto::{
    PROTOCOL_VERSION,
    convert::{self, ConvertError, claim_id, digest, required, session_id},
    v1,
};
use selffer_storage::{
    Assignment, Device, HeartbeatAnswer, Holder, InventoryItem, JobVerdict, NewSession, Verdict,
};
use tonic::Status;
use tracing::warn;

use super::status::unconvertible;
use crate::dispatcher::Wish;

/// Weights digests, and pack digests, that one claim may list.
const AT_HAND_MAX: usize = 64;

/// Who speaks: every message of a worker about a job.
pub(super) fn holder(session: &str, claim: Option<v1::JobClaim>) -> Result<Holder, Status> {
    let read = || -> Result<Holder, ConvertError> {
        Ok(Holder { session_id: session_id("session_id", session)?, claim: required("claim", claim)? })
    };
    read().map_err(|error| unconvertible(&error))
}

/// A session that may be opened.
pub(super) fn session(message: v1::OpenSessionRequest) -> Result<NewSession, Status> {
    if message.protocol_version != PROTOCOL_VERSION {
        return Err(Status::failed_precondition(format!(
            "the worker speaks version {} of the protocol, this coordinator version {PROTOCOL_VERSION}: \
             install the same release on both",
            message.protocol_version
        )));
    }
    let count = message.devices.len();
    if !(1..=WORKERS_PER_SESSION_MAX).contains(&count) {
        let problem = format!("{count} of them; a session has 1 to {WORKERS_PER_SESSION_MAX}");
        return Err(unconvertible(&ConvertError::new("devices", problem)));
    }
    let node: Name = message
        .node
        .parse()
        .map_err(|error: IdError| unconvertible(&ConvertError::new("node", error.to_string())))?;
    let devices = message.devices.into_iter().map(|device| checked_device(&node, device));
    Ok(NewSession {
        session_id: session_id("session_id", &message.session_id).map_err(|error| unconvertible(&error))?,
        devices: devices.collect::<Result<_, _>>().map_err(|error| unconvertible(&error))?,
        node,
        protocol_version: message.protocol_version,
        program_version: message.program_version.chars().take(128).collect(),
    })
}

fn checked_device(node: &Name, device: v1::Device) -> Result<Device, ConvertError> {
    let own = device.worker.split_once('/');
    let is_own = own.is_some_and(|(of, name)| of == node.as_str() && name.parse::<Name>().is_ok());
    if !is_own {
        let given: String = device.worker.chars().take(300).collect();
        return Err(ConvertError::new("devices.worker", format!("{given:?} is not {node}/DEVICE")));
    }
    Ok(Device {
        worker: device.worker,
        kind: device.kind.chars().take(128).collect(),
        threads: device.threads,
        memory_bytes: device.memory_bytes,
    })
}

/// What a claim asks for.
pub(super) fn wish(message: v1::ClaimRequest) -> Result<Wish, ConvertError> {
    Ok(Wish {
        session_id: session_id("session_id", &message.session_id)?,
        worker: message.worker,
        claim_id: claim_id("claim_id", &message.claim_id)?,
        cached: at_hand("cached_checkpoints", &message.cached_checkpoints)?,
        room: PackRoom {
            at_hand: at_hand("packs_at_hand", &message.packs_at_hand)?,
            bytes_max: message.pack_bytes_max,
        },
        wait: Duration::from_millis(message.wait_ms).min(Duration::from_secs(CLAIM_WAIT_MAX_S)),
    })
}

fn at_hand(field: &'static str, digests: &[Vec<u8>]) -> Result<BTreeSet<Digest>, ConvertError> {
    digests.iter().take(AT_HAND_MAX).map(|bytes| digest(field, bytes)).collect()
}

/// An assignment as it travels.
pub(super) fn assignment_on_the_wire(assignment: Assignment) -> v1::Assignment {
    let id_or_empty = |id: Option<CheckpointId>| id.map_or_else(String::new, |id| id.to_string());
    v1::Assignment {
        claim: Some(assignment.claim.into()),
        attempt: assignment.attempt.0,
        key: assignment.key.0.to_vec(),
        name: assignment.name,
        spec_json: assignment.spec_json,
        source_checkpoint_id: id_or_empty(assignment.source_checkpoint),
        resume_checkpoint_ids: assignment.resume_checkpoints.iter().map(CheckpointId::to_string).collect(),
    }
}

/// What a daemon holds.
pub(super) fn inventory(items: Vec<v1::Inventory>) -> Result<Vec<InventoryItem>, ConvertError> {
    if items.len() > WORKERS_PER_SESSION_MAX {
        let problem =
            format!("{} jobs; a session has at most {WORKERS_PER_SESSION_MAX} workers", items.len());
        return Err(ConvertError::new("inventory", problem));
    }
    items.into_iter().map(inventory_item).collect()
}

fn inventory_item(item: v1::Inventory) -> Result<InventoryItem, ConvertError> {
    let claim: Claim = required("inventory.claim", item.claim)?;
    Ok(InventoryItem {
        metrics: metrics(claim, item.metrics),
        claim,
        phase: convert::phase(item.phase),
        iteration: item.iteration,
        images_per_s: finite_or_zero(item.images_per_s),
        progress_age_s: finite_or_zero(item.progress_age_s),
        phase_done: item.phase_done,
    })
}

/// A point that cannot be is left out with a warning: it must not cost the lease, and
/// sending it again would not help.
fn metrics(claim: Claim, points: Vec<v1::MetricPoint>) -> Vec<MetricPoint> {
    let checked = points.into_iter().take(METRIC_POINTS_PER_HEARTBEAT_MAX).filter_map(|point| {
        let sequence = point.sequence;
        let checked = MetricPoint::try_from(point);
        checked
            .inspect_err(|error| {
                warn!(job_id = %claim.job_id, sequence, %error, "metric point left out");
            })
            .ok()
    });
    checked.collect()
}

/// The answer's verdicts as they travel.
pub(super) fn verdicts(answer: &HeartbeatAnswer) -> Vec<v1::JobVerdict> {
    let verdict = |verdict: &JobVerdict| v1::JobVerdict {
        claim: Some(verdict.claim.into()),
        verdict: match verdict.verdict {
            Verdict::Ok => v1::Verdict::Ok,
            Verdict::Revoked => v1::Verdict::Revoked,
            Verdict::Cancel => v1::Verdict::Cancel,
        }
        .into(),
        metrics_stored: verdict.metrics_stored,
    };
    answer.verdicts.iter().map(verdict).collect()
}

fn finite_or_zero(value: f32) -> f32 {
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

/// Durations as they travel.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
