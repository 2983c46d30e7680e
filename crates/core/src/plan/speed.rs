//! How long a training takes on a device: as this fleet measured it, or as was published.
//!
//! A measured speed is operations a second, taken from what the coordinator's workers have
//! trained. The only published one is that of the paper's Tesla K20m. Both are rates by
//! operations, so a network that nobody has timed is an estimate, and the plan says so.

use crate::{cost, network::Network, spec::JobSpec};

/// Under which name the paper's device is known.
pub const K20M: &str = "k20m";

/// What a fleet has seen of one kind of device training one network.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredSpeed {
    /// As in results, e.g. `cpu x86-64-v4`.
    pub device_kind: String,
    /// The network's name.
    pub network: String,
    /// Jobs that this is the median of.
    pub jobs: u64,
    /// Operations a second, as [`cost::job_flops`] counts them, tests included.
    pub flops_per_s: f64,
}

/// How fast one device trains.
#[derive(Clone, Debug, PartialEq)]
pub enum Speed {
    /// As this fleet has measured it.
    Measured(MeasuredSpeed),
    /// As the logs of Yosinski et al. 2014 show their Tesla K20m.
    K20m,
}

/// A device that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given} is no device whose speed is known; known are {}", .known.join(", "))]
pub struct UnknownDevice {
    /// As asked.
    pub given: String,
    /// What could be asked for.
    pub known: Vec<String>,
}

/// The speed to count with: that of the device that was named, else of the kind that has
/// trained most. Of one kind, what was measured on this network goes before the others.
///
/// # Errors
/// A device was named that is neither measured nor built in.
pub fn choose(
    measured: &[MeasuredSpeed],
    device_kind: Option<&str>,
    network: &str,
) -> Result<Option<Speed>, UnknownDevice> {
    let is_wanted = |speed: &&MeasuredSpeed| {
        device_kind.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&speed.device_kind))
    };
    let best = measured.iter().filter(is_wanted).max_by_key(|speed| (speed.network == network, speed.jobs));
    match (best, device_kind) {
        (Some(best), _) => Ok(Some(Speed::Measured(best.clone()))),
        (None, None) => Ok(None),
        (None, Some(kind)) if kind.eq_ignore_ascii_case(K20M) => Ok(Some(Speed::K20m)),
        (None, Some(kind)) => {
            let mut known: Vec<String> = measured.iter().map(|speed| speed.device_kind.clone()).collect();
            known.push(K20M.to_owned());
            known.sort();
            known.dedup();
            Err(UnknownDevice { given: kind.to_owned(), known })
        }
    }
}

impl Speed {
    /// Seconds that one device needs for a job of `flops` operations in all.
    #[must_use]
    pub fn seconds(&self, spec: &JobSpec, flops: f64) -> f64 {
        match self {
            Self::Measured(speed) if speed.flops_per_s > 0.0 => flops / speed.flops_per_s,
            Self::Measured(_) => 0.0,
            Self::K20m => {
                let trained = cost::training_flops(spec);
                let frozen = usize::from(spec.treatment.layers_frozen);
                trained / k20m_training_flops_per_s(frozen) + (flops - trained) / k20m_testing_flops_per_s()
            }
        }
    }

    /// The device.
    #[must_use]
    pub fn device_kind(&self) -> &str {
        match self {
            Self::Measured(speed) => &speed.device_kind,
            Self::K20m => K20M,
        }
    }

    /// Whether the speed was measured on this very network, on images of so many channels.
    #[must_use]
    pub fn is_of(&self, network: &Network, channels: u32) -> bool {
        match self {
            Self::Measured(speed) => speed.network == network.name,
            Self::K20m => network.shapes(channels, CAFFENET_OUTPUTS).is_ok_and(|shapes| {
                shapes.iter().map(|layer| layer.multiply_adds).eq(CAFFENET_MULTIPLY_ADDS)
            }),
        }
    }
}

/// Multiply-adds of the paper's network, layer by layer, for one image.
const CAFFENET_MULTIPLY_ADDS: [u64; 8] = [
    55 * 55 * 96 * 363,
    27 * 27 * 256 * 1_200,
    13 * 13 * 384 * 2_304,
    13 * 13 * 384 * 1_728,
    13 * 13 * 256 * 1_728,
    9_216 * 4_096,
    4_096 * 4_096,
    4_096 * 1_000,
];
const CAFFENET_OUTPUTS: u32 = 1_000;

/// Seconds of an iteration of 256 images with so many layers frozen, from the authors' logs
/// (Tesla K20m; the logs of all networks that had a GPU for themselves).
const K20M_SECONDS_PER_ITERATION: [f64; 8] = [1.766, 1.484, 1.186, 1.007, 0.831, 0.686, 0.662, 0.651];
const K20M_IMAGES_PER_ITERATION: f64 = 256.0;
/// Seconds of a test of 50,000 images, from the same logs.
const K20M_SECONDS_PER_TEST: f64 = 131.0;
const K20M_IMAGES_PER_TEST: f64 = 50_000.0;

fn k20m_training_flops_per_s(frozen: usize) -> f64 {
    // Deeper networks than the paper's have no entry of their own.
    let frozen = frozen.min(K20M_SECONDS_PER_ITERATION.len() - 1);
    let layers = CAFFENET_MULTIPLY_ADDS.map(|multiply_adds| 2.0 * multiply_adds as f64);
    let flops = cost::flops_per_training_image(&layers, frozen);
    K20M_IMAGES_PER_ITERATION * flops / K20M_SECONDS_PER_ITERATION[frozen]
}

fn k20m_testing_flops_per_s() -> f64 {
    let forward = 2.0 * CAFFENET_MULTIPLY_ADDS.iter().sum::<u64>() as f64;
    K20M_IMAGES_PER_TEST * forward / K20M_SECONDS_PER_TEST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(device_kind: &str, network: &str, jobs: u64, flops_per_s: f64) -> MeasuredSpeed {
        MeasuredSpeed { device_kind: device_kind.to_owned(), network: network.to_owned(), jobs, flops_per_s }
    }

    #[test]
    fn of_what_was_measured_this_network_goes_first_and_then_what_was_seen_most() {
        let fleet = [
            measured("cpu x86-64-v4", "caffenet-28", 90, 2e11),
            measured("cpu x86-64-v4", "caffenet-28-slim", 3, 1e11),
            measured("cpu x86-64-v3", "caffenet-28", 40, 5e10),
        ];
        let chosen = |kind, network| match choose(&fleet, kind, network).unwrap() {
            Some(Speed::Measured(speed)) => speed.flops_per_s,
            other => panic!("{other:?}"),
        };
        assert_eq!(chosen(None, "caffenet-28-slim"), 1e11);
        assert_eq!(chosen(None, "caffenet"), 2e11);
        assert_eq!(chosen(Some("CPU x86-64-v3"), "caffenet-28-slim"), 5e10);
    }

    #[test]
    fn an_unknown_device_is_an_error_that_names_the_known_ones() {
        let fleet = [measured("cpu x86-64-v4", "caffenet-28", 90, 2e11)];
        assert_eq!(choose(&[], None, "caffenet"), Ok(None));
        assert_eq!(choose(&fleet, Some("K20m"), "caffenet"), Ok(Some(Speed::K20m)));
        let error = choose(&fleet, Some("h100"), "caffenet").unwrap_err();
        assert_eq!(
            error.to_string(),
            "h100 is no device whose speed is known; known are cpu x86-64-v4, k20m"
        );
    }

    #[test]
    fn the_papers_rates_give_its_iterations_back() {
        // 256 images in 1.766 s: 145 a second, as in the log.
        let layers = CAFFENET_MULTIPLY_ADDS.map(|multiply_adds| 2.0 * multiply_adds as f64);
        let images_per_s = k20m_training_flops_per_s(0) / cost::flops_per_training_image(&layers, 0);
        assert_eq!(images_per_s.round(), 145.0);
        assert_eq!(CAFFENET_MULTIPLY_ADDS.iter().sum::<u64>(), 724_406_816);
    }
}
