//! Copying the first n layers, frozen or fine-tuned, and checking afterwards that they
//! are what they should be.
//!
//! Only weights are copied, never momentum. A frozen layer must end equal to its source
//! bit for bit, a fine-tuned one must not (Yosinski et al. 2014, section 2).

use selffer_core::{
    ids::{Digest, JobKey},
    spec::{JobSpec, Origin},
};
use selffer_data::weights::{HostParameters, Weights};

use crate::{
    checkpoint::Checkpoint,
    error::TrainError,
    network::{initial_parameters, random_parameters},
};

/// How a network starts.
pub(crate) struct Start {
    /// Each layer's parameters, in order.
    pub(crate) parameters: Vec<HostParameters>,
    /// Digests of the layers that were copied (or drawn for a random network).
    pub(crate) copied: Vec<Digest>,
}

/// What a network may start from, beside random numbers.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    /// The final checkpoint of the source network.
    pub(crate) network: Option<&'a Checkpoint>,
    /// Weights that were trained elsewhere.
    pub(crate) imported: Option<&'a Weights>,
}

/// The parameters that a job's network starts from.
///
/// # Errors
/// When the source is missing, another one, or does not fit.
pub(crate) fn start(spec: &JobSpec, sources: Sources<'_>) -> Result<Start, TrainError> {
    let copied = usize::from(spec.treatment.layers_copied);
    check_treatment(spec)?;
    check_sources(spec, sources)?;
    let mut parameters = initial_parameters(spec)?;
    let mut below = layers_below(spec, sources)?.into_iter();
    for (layer, parameters) in spec.network.layers.iter().zip(&mut parameters).take(copied) {
        // Copying is by name.
        let fits =
            |(name, below): &(String, HostParameters)| *name == layer.name && below.has_shapes_of(parameters);
        let Some((_, below)) = below.next().filter(fits) else {
            return Err(TrainError::CopiedShape { layer: layer.name.clone() });
        };
        *parameters = below;
    }
    let copied = parameters[..copied].iter().map(HostParameters::digest).collect();
    Ok(Start { parameters, copied })
}

/// The layers that are there to be copied, with their names, in order.
fn layers_below(spec: &JobSpec, sources: Sources<'_>) -> Result<Vec<(String, HostParameters)>, TrainError> {
    let copied = usize::from(spec.treatment.layers_copied);
    Ok(match (spec.treatment.origin, sources) {
        (Origin::Random, _) => {
            let names = spec.network.layers.iter().map(|layer| layer.name.clone());
            names.zip(random_parameters(spec)?).collect()
        }
        (_, Sources { network: Some(source), .. }) => {
            let layers = source.layers.iter().take(copied);
            layers.map(|layer| (layer.name.clone(), layer.parameters.clone())).collect()
        }
        (_, Sources { imported: Some(weights), .. }) => {
            let layers = weights.manifest().layers.iter().take(copied).enumerate();
            let layers = layers.filter_map(|(index, layer)| {
                weights.layer(index).map(|found| found.map(|found| (layer.name.clone(), found))).transpose()
            });
            layers.collect::<Result<_, _>>()?
        }
        _ => Vec::new(),
    })
}

fn check_treatment(spec: &JobSpec) -> Result<(), TrainError> {
    let (copied, frozen) = (spec.treatment.layers_copied, spec.treatment.layers_frozen);
    let layer_count = spec.network.layer_count();
    if frozen > copied || usize::from(copied) >= layer_count {
        return Err(TrainError::LayersCopied { copied, frozen, layer_count });
    }
    Ok(())
}

fn check_sources(spec: &JobSpec, sources: Sources<'_>) -> Result<(), TrainError> {
    let origin = spec.treatment.origin;
    let expected: Option<JobKey> = spec.source.as_ref().map(|source| source.job);
    let found = sources.network.map(|source| source.key);
    let is_needed = matches!(origin, Origin::Own | Origin::Other);
    if expected != found || is_needed != expected.is_some() {
        return Err(TrainError::Source { expected, found });
    }
    let expected = spec.imported.map(|imported| imported.weights);
    let found = sources.imported.map(Weights::digest);
    if expected != found || (origin == Origin::Imported) != expected.is_some() {
        return Err(TrainError::Imported { expected, found });
    }
    Ok(())
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
