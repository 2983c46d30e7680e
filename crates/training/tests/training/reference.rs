//! References made by PyTorch: inputs drawn as its scripts draw them, results compared.
//!
//! The files in `golden/` hold no inputs: both sides draw them from the same streams. Of a
//! result they hold sum, norm, the largest absolute value and sampled elements in float64,
//! and how far PyTorch's own float32 is from that (`golden/record.py`). Tensors here have
//! PyTorch's order; images are turned by [`channels_last`] and [`channels_first`].

use std::{fmt, fs, path::Path, sync::LazyLock};

use candle_core::{DType, Device, Tensor};
use selffer_core::{
    ids::Digest,
    network::Network,
    recipe::Recipe,
    spec::{
        Classes, Half, ImageShape, ImagesPerClass, JobSpec, Origin, TRAINER_SEMANTICS_VERSION, Treatment,
    },
    stream::{Stream, Streams},
};
use serde::{Deserialize, de::DeserializeOwned};

/// Elements that are compared one by one.
const SAMPLES_MAX: usize = 64;
/// Samples are whole numbers of this share of the largest value.
const SAMPLE_UNIT: f64 = 1e-7;

/// Whatever is drawn for a test and not for a job has its own name in these streams.
static STREAMS: LazyLock<Streams> =
    LazyLock::new(|| Streams::of(&spec(Network::preset("caffenet-28-slim").unwrap(), 1)));

/// A base network without images, whose streams the scripts draw from too.
pub(crate) fn spec(network: Network, channels: u32) -> JobSpec {
    JobSpec {
        semantics_version: TRAINER_SEMANTICS_VERSION,
        pack: Digest([0; 32]),
        image: ImageShape { height: network.side, width: network.side, channels },
        split: "golden".to_owned(),
        target: Classes { half: Half::A, indices: vec![0, 1].into() },
        source: None,
        imported: None,
        treatment: Treatment { origin: Origin::None, layers_copied: 0, layers_frozen: 0 },
        network: network.into(),
        recipe: Recipe::quick_28(),
        seed: 0,
        images_per_class: ImagesPerClass::All,
    }
}

/// What a file in `golden/` holds.
pub(crate) fn read<T: DeserializeOwned>(file: &str) -> T {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    serde_json::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap()
}

/// Numbers in `-scale..scale`, exact in f32 when `scale` is a power of 2.
pub(crate) fn fractions(name: &str, shape: &[usize], scale: f64) -> Tensor {
    let stream = STREAMS.weights(name);
    let value = |index| (f64::from(stream.uniform_u32(index) >> 8) * 2f64.powi(-23) - 1.0) * scale;
    drawn(shape, |index| value(index) as f32)
}

/// Quarters around 0, only `count` of them, so that many are equal.
pub(crate) fn levels(name: &str, shape: &[usize], count: u32) -> Tensor {
    let stream = STREAMS.weights(name);
    drawn(shape, |index| (f64::from(stream.below(index, count)) - f64::from(count / 2)) as f32 / 4.0)
}

fn drawn(shape: &[usize], value: impl Fn(u64) -> f32) -> Tensor {
    let count: usize = shape.iter().product();
    Tensor::from_vec((0..count as u64).map(value).collect(), shape, &Device::Cpu).unwrap()
}

/// Labels in `0..classes`.
pub(crate) fn labels(name: &str, count: usize, classes: u32) -> Vec<u32> {
    let stream = STREAMS.weights(name);
    (0..count as u64).map(|index| stream.below(index, classes)).collect()
}

/// The stream of a mask that is no job's.
pub(crate) fn dropout_stream(name: &str, iteration: u32) -> Stream {
    STREAMS.dropout(name, iteration)
}

/// `[N, C, H, W]` as `[N, H, W, C]`.
pub(crate) fn channels_last(images: &Tensor) -> Tensor {
    images.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap()
}

/// `[N, H, W, C]` as `[N, C, H, W]`.
pub(crate) fn channels_first(images: &Tensor) -> Tensor {
    images.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap()
}

/// What is kept of a float64 tensor; the fields of `golden/record.py`.
#[derive(Deserialize)]
pub(crate) struct Record {
    shape: Vec<usize>,
    sum: f64,
    norm: f64,
    largest: f64,
    /// How far PyTorch's float32 is from it.
    pub(crate) float32: Deviation,
    samples: Vec<i64>,
}

/// Distance of a tensor from its reference.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Deviation {
    /// Largest absolute difference, as a share of the largest absolute value.
    pub(crate) largest: f64,
    /// Norm of the difference, as a share of the norm.
    pub(crate) norm: f64,
}

/// Errors of one of our tensors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errors {
    /// `max |ours − float64| / max |float64|`, over the sampled elements.
    pub(crate) largest: f64,
    /// Error of the sum, as a share of the norm. What a sample misses shows here: one value
    /// that is wrong by a hundred-thousandth of the norm.
    pub(crate) sum: f64,
    /// Error of the norm, as a share of it.
    pub(crate) norm: f64,
    /// Elements of the tensor.
    pub(crate) count: usize,
}

impl Record {
    /// Compares our tensor, in PyTorch's order. `name` keys the sampled positions.
    pub(crate) fn errors(&self, name: &str, ours: &Tensor) -> Errors {
        assert_eq!(ours.dims(), self.shape, "{name}");
        let ours = ours.flatten_all().unwrap();
        let ours: Vec<f64> = ours.to_dtype(DType::F64).unwrap().to_vec1().unwrap();
        assert!(ours.iter().all(|value| value.is_finite()), "{name}");
        let positions = positions(name, ours.len());
        assert_eq!(positions.len(), self.samples.len(), "{name}");
        let sampled = positions.iter().zip(&self.samples);
        let difference = sampled
            .map(|(&position, &sample)| (ours[position] / self.largest - sample as f64 * SAMPLE_UNIT).abs());
        let norm = ours.iter().map(|value| value * value).sum::<f64>().sqrt();
        Errors {
            largest: difference.fold(0.0, f64::max),
            sum: (ours.iter().sum::<f64>() - self.sum).abs() / self.norm,
            norm: (norm / self.norm - 1.0).abs(),
            count: ours.len(),
        }
    }
}

/// Where a tensor of `count` elements is sampled.
fn positions(name: &str, count: usize) -> Vec<usize> {
    if count <= SAMPLES_MAX {
        return (0..count).collect();
    }
    let stream = STREAMS.weights(&format!("positions of {name}"));
    (0..SAMPLES_MAX as u64).map(|index| stream.below(index, count as u32) as usize).collect()
}

/// The errors of several tensors, for people: `cargo test … -- --nocapture` shows them.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<(String, Errors, Deviation)>,
}

impl Table {
    pub(crate) fn push(&mut self, name: String, errors: Errors, pytorch: Deviation) {
        self.rows.push((name, errors, pytorch));
    }

    #[allow(clippy::print_stdout, reason = "people ask for it")]
    pub(crate) fn print(&self) {
        println!("{self}");
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        writeln!(f, "{:width$}    error      sum     norm | float32 of PyTorch", "")?;
        for (name, errors, pytorch) in &self.rows {
            let Errors { largest, sum, norm, .. } = errors;
            let pytorch = pytorch.largest;
            writeln!(f, "{name:width$}  {largest:7.1e}  {sum:7.1e}  {norm:7.1e} | {pytorch:7.1e}")?;
        }
        let worst = self.rows.iter().max_by(|one, other| one.1.largest.total_cmp(&other.1.largest));
        let Some((name, errors, _)) = worst else { return Ok(()) };
        let pytorch = self.rows.iter().map(|row| row.2.largest).fold(0.0, f64::max);
        write!(f, "largest error {:.1e} in {name}; PyTorch's {pytorch:.1e}", errors.largest)
    }
}
