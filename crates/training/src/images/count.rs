//! How many loaders a training needs.

use selffer_core::{cost, spec::JobSpec};
use selffer_data::Pack;

/// Values of coded images that a loader decodes a second: 256×256×3 in half a millisecond.
const DECODED_VALUES_PER_S: f64 = 4e8;
/// Values that a loader writes into a batch a second.
const WRITTEN_VALUES_PER_S: f64 = 1e9;
/// Operations that a thread trains a second.
const FLOPS_PER_S: f64 = 6e10;
/// Loaders in store, because a test needs its images three times as fast as a training.
const MARGIN: f64 = 3.0;

/// Loaders that keep so many threads of a processor busy: as much faster than their training
/// as to keep up with its tests too.
///
/// Nearly always one. Training an image costs about a hundred times as much as decoding it,
/// so more are only needed on many cores, or for large images in a small network. Never more
/// than there are threads.
#[must_use]
pub fn loaders_for(spec: &JobSpec, pack: &Pack, threads: usize) -> usize {
    let image = spec.image;
    let stored = f64::from(image.height) * f64::from(image.width) * f64::from(image.channels);
    let seen = f64::from(spec.network.side).powi(2) * f64::from(image.channels);
    let decoding_s = if pack.manifest().encoding.is_pixels() { 0.0 } else { stored / DECODED_VALUES_PER_S };
    let loading_s = decoding_s + seen / WRITTEN_VALUES_PER_S;
    let training_s = cost::training_flops_by_layer(spec).iter().sum::<f64>() / FLOPS_PER_S;
    loaders(MARGIN * loading_s / training_s, threads)
}

/// So many, given how many each thread needs.
fn loaders(per_thread: f64, threads: usize) -> usize {
    let threads = threads.max(1);
    // A network that costs nothing, which is refused later, needs an infinite number.
    ((per_thread * threads as f64).ceil() as usize).clamp(1, threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_loader_for_a_little_work_and_at_most_one_for_each_thread() {
        assert_eq!(loaders(0.03, 2), 1);
        assert_eq!(loaders(0.03, 64), 2);
        assert_eq!(loaders(0.0, 0), 1);
        assert_eq!(loaders(f64::INFINITY, 8), 8);
        assert_eq!(loaders(f64::NAN, 8), 1);
    }
}
