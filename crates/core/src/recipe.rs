//! Recipes: everything the solver needs to know about one training.
//!
//! A recipe is part of a job's identity; the checkpoint interval is not.
//! Presets are named values; a grid overrides any key.

mod presets;

use serde::{Deserialize, Serialize};

pub use presets::PRESETS;

/// Everything the solver needs. Field names are the keys of `grid.yaml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Optimizer updates in the whole training.
    pub iterations: u32,
    /// Images in one update.
    pub batch: u32,
    /// Learning rate before any drop.
    pub learning_rate: f64,
    /// When the learning rate drops, in increasing order of `at`.
    pub drops: Vec<Drop>,
    /// Caffe's momentum: `v = momentum·v + lr·(g + decay·w); w -= v`.
    pub momentum: f64,
    /// Weight decay.
    pub decay: f64,
    /// A bias learns this many times as fast as a weight.
    pub bias_learning_rate_factor: f64,
    /// A bias decays this many times as fast as a weight.
    pub bias_decay_factor: f64,
    /// Side of the square crop in pixels; none trains on whole images.
    pub crop: Option<u32>,
    /// Whether training images are mirrored at random.
    pub mirror: bool,
    /// Factor applied to (pixel − mean image), with pixels in 0..=255.
    pub scale: f64,
    /// Iterations between tests; the last iteration always tests.
    pub test_every: u32,
    /// How layers that are not copied start.
    pub initialiser: Initialiser,
    /// Share of units that dropout silences, in `0..1`.
    pub dropout: f64,
    /// Outputs of the last layer.
    pub outputs: Outputs,
    /// Whose mean image is subtracted.
    pub mean_image: MeanImage,
    /// The order in which training images come.
    pub order: Order,
    /// How many images a test covers.
    pub test_images: TestImages,
    /// Arithmetic. A setting for GPUs: the CPU computes in f32 and refuses anything else.
    pub precision: Precision,
}

/// One drop of the learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drop {
    /// Fraction of the iterations after which it happens, in `0..1`.
    pub at: f64,
    /// What the rate is multiplied by, in `0..=1`.
    pub factor: f64,
}

/// How weights start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Initialiser {
    /// Gaussian with variance 2 / fan-in, biases 0 (He et al. 2015, section 2.2).
    He,
    /// Gaussian with the deviation, and biases with the value, that the network names.
    Gaussian,
}

/// How many outputs the last layer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outputs {
    /// As many as the target half has classes.
    Classes,
    /// A fixed number, at least the number of classes; the authors had 1000 everywhere.
    #[serde(untagged)]
    Count(u32),
}

/// Whose mean image is subtracted from every image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MeanImage {
    /// The half that the network is trained and tested on.
    Target,
    /// The half that the copied layers come from, as the authors did.
    Source,
}

/// The order of the training images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// A new permutation each epoch.
    Shuffled,
    /// One permutation, repeated, as the authors' databases had.
    Fixed,
}

/// How many images a test covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TestImages {
    /// The target half's validation set, once.
    All,
    /// This many, wrapping round; the next test goes on where this one stopped.
    #[serde(untagged)]
    Count(u32),
}

/// Arithmetic; all but [`Precision::F32`] needs a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// IEEE single precision throughout.
    F32,
    /// Products in TensorFloat-32.
    Tf32,
    /// Activations in bfloat16, master weights and statistics in f32.
    Bf16,
}

impl Recipe {
    /// A preset by its name.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        presets::preset(name)
    }

    /// Minutes on a CPU for 28×28 images; the values are ours, measured on Fashion-MNIST.
    ///
    /// Biases learn and decay like weights. With Caffe's factors (2 and 0) base networks on
    /// the harder half end about 0.8 points lower, in PyTorch as here.
    #[must_use]
    pub fn quick_28() -> Self {
        presets::quick_28()
    }

    /// Learning rate of this iteration (from 0). A drop at `at` takes effect at iteration
    /// `floor(at · iterations)`, as in Caffe, whose log shows the lower rate there.
    #[must_use]
    pub fn learning_rate_at(&self, iteration: u32) -> f64 {
        let dropped = |drop: &&Drop| f64::from(iteration) >= (drop.at * f64::from(self.iterations)).floor();
        self.drops.iter().filter(dropped).fold(self.learning_rate, |rate, drop| rate * drop.factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Iterations at which the rate is lower than just before.
    fn drops(recipe: &Recipe) -> Vec<u32> {
        let floor = |drop: &Drop| (drop.at * f64::from(recipe.iterations)).floor() as u32;
        let drops: Vec<_> = recipe.drops.iter().map(floor).collect();
        for &at in &drops {
            assert!(recipe.learning_rate_at(at) < recipe.learning_rate_at(at - 1), "{at}");
        }
        drops
    }

    #[test]
    fn the_rate_drops_at_three_quarters_of_quick_28() {
        let recipe = Recipe::quick_28();
        assert_eq!(recipe.learning_rate_at(599), 0.03);
        assert_eq!(recipe.learning_rate_at(600), 0.03 * 0.1);
    }

    #[test]
    fn the_authors_rates_drop_at_their_iterations() {
        for name in ["caffe-2014", "fast-gpu"] {
            let recipe = Recipe::preset(name).unwrap();
            assert_eq!(drops(&recipe), [100_000, 200_000, 300_000, 400_000], "{name}");
            let last = recipe.learning_rate_at(449_999);
            assert!((last / 1e-6 - 1.0).abs() < 1e-12, "{name}: {last}");
        }
        let reduced = Recipe::preset("caffe-2014-reduced").unwrap();
        assert_eq!(drops(&reduced), [64_000, 128_000, 192_000]);
        let last = reduced.learning_rate_at(199_999);
        assert!((last / 1.25e-5 - 1.0).abs() < 1e-12, "{last}");
    }

    /// Fractions are written as decimals and read again; the iteration must not move.
    #[test]
    fn every_preset_survives_json() {
        for name in PRESETS {
            let recipe = Recipe::preset(name).unwrap();
            let text = serde_json::to_string(&recipe).unwrap();
            assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe, "{name}");
        }
        assert_eq!(Recipe::preset("slow"), None);
    }

    #[test]
    fn outputs_read_as_people_write_them() {
        assert_eq!(serde_json::from_str::<Outputs>("1000").unwrap(), Outputs::Count(1000));
        assert_eq!(serde_json::from_str::<Outputs>("\"classes\"").unwrap(), Outputs::Classes);
    }
}
