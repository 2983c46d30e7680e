//! Copying the first n layers, frozen or fine-tuned, and checking afterwards that they
//! are what they should be.
//!
//! Only weights are copied, never momentum. A frozen layer must end equal to its source
//! bit for bit, a fine-tuned one must not (Yosinski et al. 2014, section 2).

use selffer_core::{
    ids::{Digest, JobKey},
    spec::{JobSpec, Origin},
};

use crate::{
    checkpoint::Checkpoint,
    error::TrainError,
    network::{initial_parameters, random_parameters},
    weights::HostParameters,
};

/// How a network starts.
pub(crate) struct Start {
    /// Each layer's parameters, in order.
    pub(crate) parameters: Vec<HostParameters>,
    /// Digests of the layers that were copied (or drawn for a random network).
    pub(crate) copied: Vec<Digest>,
}

/// The parameters that a job's network starts from.
///
/// # Errors
/// When the source network is missing, another one, or does not fit.
pub(crate) fn start(spec: &JobSpec, source: Option<&Checkpoint>) -> Result<Start, TrainError> {
    let copied = usize::from(spec.treatment.layers_copied);
    check_treatment(spec)?;
    check_source(spec, source)?;
    let mut parameters = initial_parameters(spec)?;
    let below = match (spec.treatment.origin, source) {
        (Origin::Random, _) => random_parameters(spec)?,
        (_, Some(source)) => source.layers.iter().map(|layer| layer.parameters.clone()).collect(),
        (_, None) => Vec::new(),
    };
    let names = spec.network.layers.iter().map(|layer| &layer.name);
    for (index, (name, parameters)) in names.zip(&mut parameters).take(copied).enumerate() {
        let fits = |layer: &&HostParameters| {
            // Copying is by name; a random draw has this network's own names.
            source.is_none_or(|source| source.layers[index].name == *name) && layer.has_shapes_of(parameters)
        };
        let Some(layer) = below.get(index).filter(fits) else {
            return Err(TrainError::CopiedShape { layer: name.clone() });
        };
        parameters.clone_from(layer);
    }
    let copied = parameters[..copied].iter().map(HostParameters::digest).collect();
    Ok(Start { parameters, copied })
}

fn check_treatment(spec: &JobSpec) -> Result<(), TrainError> {
    let (copied, frozen) = (spec.treatment.layers_copied, spec.treatment.layers_frozen);
    let layer_count = spec.network.layer_count();
    if frozen > copied || usize::from(copied) >= layer_count {
        return Err(TrainError::LayersCopied { copied, frozen, layer_count });
    }
    Ok(())
}

fn check_source(spec: &JobSpec, source: Option<&Checkpoint>) -> Result<(), TrainError> {
    let expected: Option<JobKey> = spec.source.as_ref().map(|source| source.job);
    let found = source.map(|source| source.key);
    let is_needed = matches!(spec.treatment.origin, Origin::Own | Origin::Other);
    if expected == found && is_needed == expected.is_some() {
        return Ok(());
    }
    Err(TrainError::Source { expected, found })
}

/// Compares the copied layers with what they started from.
///
/// Returns whether all of them are unchanged; none where nothing was copied.
///
/// # Errors
/// When a frozen layer was changed, or a fine-tuned one was not.
pub(crate) fn check_end(
    spec: &JobSpec,
    copied: &[Digest],
    layers: &[(String, Digest)],
) -> Result<Option<bool>, TrainError> {
    let frozen = usize::from(spec.treatment.layers_frozen);
    for (index, (start, (name, end))) in copied.iter().zip(layers).enumerate() {
        let layer = name.clone();
        match (index < frozen, start == end) {
            (true, false) => return Err(TrainError::FrozenChanged { layer }),
            (false, true) => return Err(TrainError::FineTunedUnchanged { layer }),
            _ => {}
        }
    }
    Ok((!copied.is_empty()).then_some(frozen == copied.len()))
}
