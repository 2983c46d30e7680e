//! How weights start.
//!
//! Every value has its own place in a counter-based stream, so a layer's start depends on
//! the job and the layer alone. He: deviation `sqrt(2 / fan-in)`, biases 0 (He et al. 2015,
//! section 2.2). Gaussian: deviation and bias as the network names them.

use selffer_core::{
    network::{LayerShapes, Operator, Start},
    recipe::Initialiser,
    spec::JobSpec,
    stream::{Stream, Streams},
};

use crate::{
    error::TrainError,
    weights::{HostParameters, HostTensor},
};

/// The parameters that every layer would start from if nothing were copied.
///
/// # Errors
/// When shapes do not fit.
pub fn initial_parameters(spec: &JobSpec) -> Result<Vec<HostParameters>, TrainError> {
    let streams = Streams::of(spec);
    draw(spec, spec.network.layer_count(), |layer| streams.weights(layer))
}

/// The parameters of the first layers of a random network: one draw for every n.
///
/// # Errors
/// When shapes do not fit.
pub fn random_parameters(spec: &JobSpec) -> Result<Vec<HostParameters>, TrainError> {
    let streams = Streams::of(spec);
    draw(spec, usize::from(spec.treatment.layers_copied), |layer| streams.random_layer(layer))
}

fn draw(
    spec: &JobSpec,
    layers: usize,
    stream: impl Fn(&str) -> Stream,
) -> Result<Vec<HostParameters>, TrainError> {
    let shapes = spec.network.shapes(spec.image.channels, spec.outputs())?;
    spec.network
        .layers
        .iter()
        .zip(shapes)
        .take(layers)
        .map(|(layer, shapes)| {
            let missing = || TrainError::LearnedOperator { layer: layer.name.clone() };
            let learned = layer.operators.first().and_then(|operator| learned(operator, &shapes));
            let (shape, start) = learned.ok_or_else(missing)?;
            Ok(draw_layer(spec.recipe.initialiser, &shape, start, stream(&layer.name)))
        })
        .collect()
}

/// Shape of the weight, and the start under the Gaussian initialiser.
fn learned(operator: &Operator, shapes: &LayerShapes) -> Option<(Vec<usize>, Start)> {
    match *operator {
        Operator::Convolution { outputs, kernel, groups, start, .. } => {
            let channels = shapes.input.channels / groups;
            let shape = [outputs, channels, kernel, kernel].map(|length| length as usize);
            Some((shape.to_vec(), start))
        }
        Operator::Linear { start, .. } => {
            Some((vec![shapes.output.channels as usize, shapes.input.values() as usize], start))
        }
        _ => None,
    }
}

fn draw_layer(initialiser: Initialiser, shape: &[usize], start: Start, stream: Stream) -> HostParameters {
    let fan_in: usize = shape[1..].iter().product();
    let (deviation, bias) = match initialiser {
        Initialiser::He => ((2.0 / fan_in as f64).sqrt(), 0.0),
        Initialiser::Gaussian => (start.weight_deviation, start.bias),
    };
    let mut weight = HostTensor::zeros(shape);
    for (index, value) in weight.values.iter_mut().enumerate() {
        *value = stream.normal(index as u64) * deviation as f32;
    }
    let bias = HostTensor { shape: vec![shape[0]], values: vec![bias as f32; shape[0]] };
    HostParameters { weight, bias }
}
