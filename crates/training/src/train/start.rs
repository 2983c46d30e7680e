//! What must hold before the first update, and where a training starts from.
//!
//! A training from nothing resumes from the checkpoint of iteration 0, so that there is
//! one way to begin.

use rayon::ThreadPool;
use selffer_core::{
    identity::job_key,
    ids::Digest,
    recipe::{MeanImage, Precision},
    spec::{ImagesPerClass, JobSpec, TRAINER_SEMANTICS_VERSION},
};
use selffer_data::{Pack, Selection, select};

use super::Training;
use crate::{
    checkpoint::{Checkpoint, CheckpointLayer, LossSum},
    copy::{self, Sources, Start},
    device::{Device, device_kind},
    error::TrainError,
    means::{Subject, mean_of},
    weights::HostTensor,
};

/// Where a training starts from, checked.
pub(super) struct Beginning {
    /// The state to go on from.
    pub(super) checkpoint: Checkpoint,
    /// Digests that the copied layers have at iteration 0.
    pub(super) copied: Vec<Digest>,
    /// Images to train on.
    pub(super) training: Selection,
    /// Images to test on.
    pub(super) validation: Selection,
}

/// Checks that everything belongs together.
pub(super) fn begin(training: &mut Training<'_>, pool: &ThreadPool) -> Result<Beginning, TrainError> {
    let (spec, pack) = (training.spec, training.pack);
    check_spec(spec, pack)?;
    check_precision(spec.recipe.precision, training.device)?;
    let start = copy::start(spec, Sources { network: training.source, imported: training.imported })?;
    let images = select(pack.train(), &spec.target.indices, spec.images_per_class);
    let validation = select(pack.validation(), &spec.target.indices, ImagesPerClass::All);
    for (subset, selection) in [("training", &images), ("validation", &validation)] {
        if selection.is_empty() {
            return Err(TrainError::NoImages { subset });
        }
    }
    let first = first_checkpoint(training, &start);
    let checkpoint = match training.resume.take() {
        Some(checkpoint) => {
            check_resume(&first, &checkpoint, spec)?;
            checkpoint
        }
        None => {
            let values = pool.install(|| mean(training))?;
            Checkpoint { mean: HostTensor { values, ..first.mean }, ..first }
        }
    };
    Ok(Beginning { checkpoint, copied: start.copied, training: images, validation })
}

fn check_spec(spec: &JobSpec, pack: &Pack) -> Result<(), TrainError> {
    let (given, here) = (spec.semantics_version, TRAINER_SEMANTICS_VERSION);
    if given != here {
        return Err(TrainError::Semantics { given, here });
    }
    let (expected, found) = (spec.pack, pack.digest());
    if expected != found {
        return Err(TrainError::Pack { expected, found });
    }
    let (height, width, side) = (spec.image.height, spec.image.width, spec.network.side);
    let fits = match spec.recipe.crop {
        Some(crop) => crop == side && crop <= height.min(width),
        None => height == side && width == side,
    };
    if !fits || spec.image != pack.manifest().image {
        let crop = spec.recipe.crop.map_or_else(|| "none".to_owned(), |crop| crop.to_string());
        return Err(TrainError::ImageSize { height, width, crop, side });
    }
    let (outputs, classes) = (spec.outputs(), spec.target.indices.len());
    if (outputs as usize) < classes {
        return Err(TrainError::Outputs { outputs, classes });
    }
    Ok(())
}

fn check_precision(precision: Precision, device: Device) -> Result<(), TrainError> {
    match (device, precision) {
        (Device::Cpu, Precision::F32) => Ok(()),
        (Device::Cpu, Precision::Tf32) => Err(TrainError::Precision { given: "tf32" }),
        (Device::Cpu, Precision::Bf16) => Err(TrainError::Precision { given: "bf16" }),
    }
}

/// The checkpoint of iteration 0, its mean image without values: a resumed training has its
/// own, and all images would be read for nothing.
fn first_checkpoint(training: &Training<'_>, start: &Start) -> Checkpoint {
    let spec = training.spec;
    let frozen = usize::from(spec.treatment.layers_frozen);
    let layers = spec.network.layers.iter().zip(&start.parameters).enumerate();
    let layers = layers.map(|(index, (layer, parameters))| CheckpointLayer {
        name: layer.name.clone(),
        parameters: parameters.clone(),
        momentum: (index >= frozen).then(|| parameters.zeros_like()),
    });
    let shape = [spec.image.height, spec.image.width, spec.image.channels];
    let shape = shape.map(|length| length as usize).to_vec();
    Checkpoint {
        key: job_key(spec),
        iteration: 0,
        device_kind: device_kind(training.device),
        metric_points: 0,
        loss: LossSum::default(),
        lowest_loss: f64::INFINITY,
        tests: Vec::new(),
        training_s: 0.0,
        testing_s: 0.0,
        waiting_s: 0.0,
        mean: HostTensor { shape, values: Vec::new() },
        layers: layers.collect(),
    }
}

/// The mean image that the recipe asks for; a network without a source has its own.
fn mean(training: &Training<'_>) -> Result<Vec<f32>, TrainError> {
    let Training { spec, pack, means, .. } = *training;
    let (classes, images_per_class) = match (spec.recipe.mean_image, &spec.source) {
        (MeanImage::Source, Some(source)) => (&source.classes.indices, source.images_per_class),
        _ => (&spec.target.indices, spec.images_per_class),
    };
    Ok(mean_of(pack, &Subject { pack: pack.digest(), classes, images_per_class }, means)?)
}

/// Checks that a checkpoint continues what `first` begins.
fn check_resume(first: &Checkpoint, checkpoint: &Checkpoint, spec: &JobSpec) -> Result<(), TrainError> {
    if checkpoint.key != first.key {
        return Err(TrainError::ResumeJob { expected: first.key, found: checkpoint.key });
    }
    if checkpoint.device_kind != first.device_kind {
        let (checkpoint, here) = (checkpoint.device_kind.clone(), first.device_kind.clone());
        return Err(TrainError::ResumeDevice { checkpoint, here });
    }
    let fits = |(one, other): (&CheckpointLayer, &CheckpointLayer)| {
        let momentum_fits = match (&one.momentum, &other.momentum) {
            (Some(one), Some(other)) => one.has_shapes_of(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        one.name == other.name && one.parameters.has_shapes_of(&other.parameters) && momentum_fits
    };
    let layers_fit = checkpoint.layers.len() == first.layers.len()
        && first.layers.iter().zip(&checkpoint.layers).all(fits);
    if layers_fit
        && checkpoint.mean.shape == first.mean.shape
        && checkpoint.iteration < spec.recipe.iterations
    {
        return Ok(());
    }
    Err(TrainError::ResumeShape { iteration: checkpoint.iteration })
}
