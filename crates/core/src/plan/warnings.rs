//! What a person should know about a plan, and why something in it is null.

use super::{Fleet, K20M, Known, Speed, is_reused};
use crate::grid::{Study, Warning};

/// The grid's own warnings, then the plan's.
pub(super) fn of(study: &Study, known: Known<'_>, fleet: &Fleet) -> Vec<Warning> {
    let mut warnings = study.warnings.clone();
    let mut warn = |code, message: String| warnings.push(Warning { code, message });
    if let Some((code, message)) = why_statuses_are_null(study, known) {
        warn(code, message);
    }
    let states = study.cells.iter().filter_map(|cell| known.and_then(|known| known.get(&cell.key)));
    match states.filter(|state| !is_reused(**state)).count() {
        0 => {}
        jobs => warn("reopened", format!("{jobs} failed, cancelled or held jobs will be started again")),
    }
    match (&fleet.speed, fleet.devices) {
        (None, _) => warn(
            "device_unknown",
            format!(
                "gpu_hours and makespan_hours are null: no device has been measured; --gpu-model {K20M} \
                 counts with the paper's, and a coordinator whose workers have trained something with theirs"
            ),
        ),
        (Some(_), None) => {
            warn("fleet_unknown", "makespan_hours is null: say how many devices with --gpus N".to_owned());
        }
        (Some(_), Some(_)) => {}
    }
    if let Some(message) = fleet.speed.as_ref().and_then(|speed| why_times_are_estimates(study, speed)) {
        warn("speed_estimated", message);
    }
    warnings
}

fn why_statuses_are_null(study: &Study, known: Known<'_>) -> Option<(&'static str, String)> {
    let dataset = &study.dataset;
    match known {
        None if study.pack.is_none() => Some((
            "pack_unknown",
            format!("keys and statuses are null: the digest of {dataset} is known only where the pack is"),
        )),
        None => Some(("coordinator_unknown", "statuses are null: no coordinator was asked".to_owned())),
        Some(_) => None,
    }
}

fn why_times_are_estimates(study: &Study, speed: &Speed) -> Option<String> {
    let spec = &study.cells.first()?.spec;
    if speed.is_of(&spec.network, spec.image.channels) {
        return None;
    }
    let (network, kind) = (&study.network, speed.device_kind());
    Some(match speed {
        Speed::Measured(measured) => format!(
            "times of {network} are estimated by operations: {kind} has been measured on {} only",
            measured.network
        ),
        Speed::K20m => {
            format!(
                "times of {network} are estimated by operations: {kind} has been measured on caffenet only"
            )
        }
    })
}
