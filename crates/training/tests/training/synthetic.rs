//! Small trainings on small images: four kinds of noisy stripes, 12×12 pixels.

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use selffer_core::{
    ids::Digest,
    job::Phase,
    network::{Layer, LinearOutputs, Network, Operator, Start},
    outcome::{JobResult, MetricPoint},
    recipe::Recipe,
    spec::{
        Classes, Half, ImageShape, ImagesPerClass, JobSpec, Origin, Source, TRAINER_SEMANTICS_VERSION,
        Treatment,
    },
};
use selffer_data::{
    Pack,
    import::idx::{IdxSource, open},
};
use selffer_training::{Checkpoint, Device, Ended, Observer, TrainError, Training, train};

/// Rows and columns of the images.
const SIDE: usize = 12;
/// Images of each class to train on, and to test on.
const IMAGES: [usize; 2] = [40, 11];

/// The images, imported once.
pub(crate) static PACK: LazyLock<Pack> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap().keep();
    let source = IdxSource {
        train_images: folder.join("train-images"),
        train_labels: folder.join("train-labels"),
        validation_images: folder.join("validation-images"),
        validation_labels: folder.join("validation-labels"),
        class_names: None,
    };
    write_idx(&source.train_images, &source.train_labels, 0, IMAGES[0]);
    write_idx(&source.validation_images, &source.validation_labels, 1, IMAGES[1]);
    let out = folder.join("pack");
    open(&source).unwrap().import(&out, &mut |_| {}).unwrap();
    let pack = Pack::open(&out).unwrap();
    // Mapped files stay readable after they are removed.
    fs::remove_dir_all(&folder).unwrap();
    pack
});

fn write_idx(images: &Path, labels: &Path, salt: u64, per_class: usize) {
    let count = (4 * per_class) as u32;
    let side = SIDE as u32;
    let header = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let (mut pixels, mut classes) = (header(&[0x0803, count, side, side]), header(&[0x0801, count]));
    for index in 0..count as usize {
        let class = index % 4;
        classes.push(class as u8);
        for position in 0..SIDE * SIDE {
            let (y, x) = (position / SIDE, position % SIDE);
            let is_bright = [y % 4 < 2, x % 4 < 2, (x + y) % 4 < 2, (x + SIDE - y) % 6 < 3][class];
            let noise = hash(salt << 40 | (index as u64) << 20 | position as u64) % 120;
            pixels.push(noise as u8 + if is_bright { 110 } else { 0 });
        }
    }
    fs::write(images, pixels).unwrap();
    fs::write(labels, classes).unwrap();
}

/// The finaliser of SplitMix64.
fn hash(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// Four layers with every operator.
fn network() -> Network {
    let start = Start { weight_deviation: 0.05, bias: 0.1 };
    let convolution =
        |outputs, groups| Operator::Convolution { outputs, kernel: 3, stride: 1, pad: 1, groups, start };
    let pool = Operator::MaxPool { kernel: 3, stride: 2 };
    let norm = Operator::LocalResponseNorm { size: 5, alpha: 1e-4, beta: 0.75, k: 1.0 };
    let linear = |outputs| Operator::Linear { outputs, start };
    let layer = |name: &str, operators| Layer { name: name.to_owned(), operators };
    Network {
        name: "striped".to_owned(),
        side: SIDE as u32,
        layers: vec![
            layer("conv1", vec![convolution(8, 1), Operator::Relu, pool, norm]),
            layer("conv2", vec![convolution(12, 2), Operator::Relu]),
            layer("fc3", vec![linear(LinearOutputs::Count(24)), Operator::Relu, Operator::Dropout]),
            layer("fc4", vec![linear(LinearOutputs::Recipe)]),
        ],
    }
}

fn classes(half: Half) -> Classes {
    let indices = match half {
        Half::A => vec![0, 2],
        Half::B => vec![1, 3],
        Half::W => vec![0, 1, 2, 3],
    };
    Classes { half, indices: indices.into() }
}

/// A base network of one half.
pub(crate) fn base(half: Half) -> JobSpec {
    let recipe = Recipe { iterations: 47, batch: 16, test_every: 20, dropout: 0.25, ..Recipe::quick_28() };
    JobSpec {
        semantics_version: TRAINER_SEMANTICS_VERSION,
        pack: PACK.digest(),
        image: ImageShape { height: SIDE as u32, width: SIDE as u32, channels: 1 },
        split: "random-0".to_owned(),
        target: classes(half),
        source: None,
        imported: None,
        treatment: Treatment { origin: Origin::None, layers_copied: 0, layers_frozen: 0 },
        network: network().into(),
        recipe,
        seed: 3,
        images_per_class: ImagesPerClass::All,
    }
}

/// A network on half B that copies from this base network of half A.
pub(crate) fn transfer(source: &Checkpoint, layers_copied: u8, layers_frozen: u8) -> JobSpec {
    JobSpec {
        source: Some(Source {
            classes: classes(Half::A),
            images_per_class: ImagesPerClass::All,
            job: source.key,
        }),
        treatment: Treatment { origin: Origin::Other, layers_copied, layers_frozen },
        ..base(Half::B)
    }
}

/// A spec that needs no images, for tests of operators: three outputs.
pub(crate) fn spec_of_numbers() -> JobSpec {
    let mut spec = JobSpec { pack: Digest([0; 32]), ..base(Half::A) };
    spec.recipe.outputs = selffer_core::recipe::Outputs::Count(3);
    spec
}

/// An observer that keeps what it is told, and may stop the training.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) phases: Vec<(Phase, u32)>,
    pub(crate) batches_tested: Vec<u64>,
    pub(crate) points: Vec<MetricPoint>,
    pub(crate) checkpoints: BTreeMap<u32, Checkpoint>,
    /// Updates between the checkpoints that it wants.
    pub(crate) checkpoint_every: Option<u32>,
    /// Stops at the first checkpoint.
    pub(crate) stops_at_checkpoint: bool,
    /// Stops before the first update.
    pub(crate) stops_at_once: bool,
}

impl Observer for Recorder {
    fn phase(&mut self, phase: Phase, iteration: u32) {
        self.phases.push((phase, iteration));
    }

    fn progress(&mut self, _: u32, images_per_s: f32) {
        assert!(images_per_s > 0.0);
    }

    fn tested(&mut self, batches: u64) {
        self.batches_tested.push(batches);
    }

    fn metric(&mut self, point: MetricPoint) {
        self.points.push(point);
    }

    fn wants_checkpoint(&self, iteration: u32) -> bool {
        self.checkpoint_every.is_some_and(|every| iteration.is_multiple_of(every))
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), TrainError> {
        self.checkpoints.insert(checkpoint.iteration, checkpoint);
        Ok(())
    }

    fn should_stop(&self) -> bool {
        self.stops_at_once || (self.stops_at_checkpoint && !self.checkpoints.is_empty())
    }
}

/// A training on one thread from nothing.
pub(crate) fn training<'a>(spec: &'a JobSpec, source: Option<&'a Checkpoint>) -> Training<'a> {
    Training {
        spec,
        pack: &PACK,
        source,
        imported: None,
        resume: None,
        threads: 1,
        loaders: 1,
        means: None,
        device: Device::Cpu,
    }
}

/// Trains to the end. The result comes without its times, which are never the same.
pub(crate) fn finish(training: Training<'_>, recorder: &mut Recorder) -> (JobResult, Checkpoint) {
    match train(training, recorder).unwrap() {
        Ended::Finished { result, checkpoint } => {
            (JobResult { training_s: 0.0, testing_s: 0.0, waiting_s: 0.0, ..result }, checkpoint)
        }
        Ended::Stopped { checkpoint } => panic!("stopped at iteration {}", checkpoint.iteration),
    }
}

/// Trains a spec to the end on one thread.
pub(crate) fn trained(spec: &JobSpec, source: Option<&Checkpoint>) -> (JobResult, Checkpoint) {
    finish(training(spec, source), &mut Recorder::default())
}
