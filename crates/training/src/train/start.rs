//! What must hold before the first update, and where a training starts from.
//!
//! A training from nothing resumes from the checkpoint of iteration 0, so that there is
//! one way to begin.

use selffer_core::{
    identity::job_key,
    recipe::{MeanImage, Precision},
    spec::{ImagesPerClass, JobSpec, TRAINER_SEMANTICS_VERSION},
};
use selffer_data::{Pack, Selection, mean_image, select};

use super::Training;
use crate::{
    checkpoint::{Checkpoint, CheckpointLayer, LossSum},
    copy::{self, Sources, Start},
    device::{Device, device_kind},
    error::TrainError,
    weights::HostTensor,
};

/// Where a training starts from, checked.
pub(super) struct Beginning {
    /// The state to go on from.
    pub(super) checkpoint: Checkpoint,
    /// What the network starts from at iteration 0.
    pub(super) start: Start,
    /// Images to train on.
    pub(super) training: Selection,
    /// Images to test on.
    pub(super) validation: Selection,
}

/// Checks that everything belongs together.
pub(super) fn begin(training: &mut Training<'_>) -> Result<Beginning, TrainError> {
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
    let first = || first_checkpoint(training, &start, &images);
    let checkpoint = match &training.resume {
        Some(checkpoint) => {
            check_resume(&first()?, checkpoint, spec)?;
            checkpoint.clone()
        }
        None => first()?,
    };
    training.resume = None;
    Ok(Beginning { checkpoint, start, training: images, validation })
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

/// The checkpoint of iteration 0.
fn first_checkpoint(
    training: &Training<'_>,
    start: &Start,
    images: &Selection,
) -> Result<Checkpoint, TrainError> {
    let spec = training.spec;
    let frozen = usize::from(spec.treatment.layers_frozen);
    let layers = spec.network.layers.iter().zip(&start.parameters).enumerate();
    let layers = layers.map(|(index, (layer, parameters))| CheckpointLayer {
        name: layer.name.clone(),
        parameters: parameters.clone(),
        momentum: (index >= frozen).then(|| parameters.zeros_like()),
    });
    Ok(Checkpoint {
        key: job_key(spec),
        iteration: 0,
        device_kind: device_kind(training.device),
        metric_points: 0,
        loss: LossSum::default(),
        lowest_loss: f64::INFINITY,
        tests: Vec::new(),
        training_s: 0.0,
        testing_s: 0.0,
        mean: mean(spec, training.pack, images)?,
        layers: layers.collect(),
    })
}

/// The mean image that the recipe asks for; a network without a source has its own.
fn mean(spec: &JobSpec, pack: &Pack, target: &Selection) -> Result<HostTensor, TrainError> {
    let values = match (spec.recipe.mean_image, &spec.source) {
        (MeanImage::Source, Some(source)) => {
            let images = select(pack.train(), &source.classes.indices, source.images_per_class);
            mean_image(pack.train(), &images)?
        }
        _ => mean_image(pack.train(), target)?,
    };
    let shape = [spec.image.height, spec.image.width, spec.image.channels];
    Ok(HostTensor { shape: shape.map(|length| length as usize).to_vec(), values })
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
