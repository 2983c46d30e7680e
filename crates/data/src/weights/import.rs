//! Weights from a safetensors file of another program: which tensors are which layers', and
//! everything that is wrong with them, told at once.
//!
//! The file holds the first layers of a network, from one to all. The last layer is never
//! copied, so its width is the file's own unless it is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use safetensors::{Dtype, tensor::TensorInfo};
use selffer_core::{
    nearest::nearest,
    network::{LinearOutputs, Network, Operator},
    weights::{LayerFacts, WeightsManifest, layer_facts},
};

use super::{
    HostParameters, ImportWeightsError, TensorProblem, WeightsWriter,
    mapping::Prefixes,
    tensor_file::{TensorFile, is_readable},
};

/// How many tensors a message lists.
const TENSORS_LISTED_MAX: usize = 12;

/// What to import.
#[derive(Clone, Copy, Debug)]
pub struct WeightsSource<'a> {
    /// A safetensors file.
    pub file: &'a Path,
    /// The network whose layers they are.
    pub network: &'a Network,
    /// Channels of the images that it was trained on.
    pub channels: u32,
    /// Width of the last layer, if it is to be checked.
    pub outputs: Option<u32>,
    /// For a layer's name what stands before `.weight` and `.bias` in the file; see
    /// [`super::parse_mapping`].
    pub prefixes: &'a BTreeMap<String, String>,
}

/// Imports weights into a folder that will be at `out`, where nothing may be.
///
/// # Errors
/// Whatever is wrong with the file, or the folder cannot be written; then nothing is left.
pub fn import_weights(source: &WeightsSource<'_>, out: &Path) -> Result<WeightsManifest, ImportWeightsError> {
    let mut file = TensorFile::open(source.file)?;
    let layers = layers_of(source, &file)?;
    let mut writer = WeightsWriter::create(out, source.channels)?;
    for layer in &layers {
        let parameters = HostParameters { weight: file.read(&layer.weight)?, bias: file.read(&layer.bias)? };
        writer.write_layer(&layer.facts.name, &parameters)?;
    }
    writer.finish()
}

/// A layer and the names of its tensors in the file.
struct Layer {
    facts: LayerFacts,
    weight: String,
    bias: String,
}

impl Layer {
    fn tensors(&self) -> [(&String, &Vec<u64>); 2] {
        [(&self.weight, &self.facts.weight_shape), (&self.bias, &self.facts.bias_shape)]
    }

    fn is_in(&self, file: &TensorFile) -> bool {
        self.tensors().iter().any(|(tensor, _)| file.tensors.contains_key(*tensor))
    }
}

/// The layers that the file holds, if there is nothing wrong with its tensors.
fn layers_of(source: &WeightsSource<'_>, file: &TensorFile) -> Result<Vec<Layer>, ImportWeightsError> {
    let mut layers = layers_of_network(source, file)?;
    let mut problems = mapping_problems(source, file);
    let held = layers.iter().rposition(|layer| layer.is_in(file)).map_or(0, |index| index + 1);
    let absent = layers.split_off(held);
    if held == 0 {
        let first: Vec<_> = file.tensors.keys().take(TENSORS_LISTED_MAX).map(|name| short(name)).collect();
        let found = if first.is_empty() { "none".to_owned() } else { first.join(", ") };
        let help = file.tensors.keys().find_map(|tensor| mapping_for(tensor, file, &absent));
        problems.push(TensorProblem::NoLayers { found, help });
    } else {
        let strangers = strangers(file, &layers);
        problems.extend(layers.iter().flat_map(|layer| layer_problems(layer, file, &strangers)));
        problems.extend(superfluous(&strangers, file, &layers, &absent));
    }
    if problems.is_empty() {
        return Ok(layers);
    }
    let (path, network) = (source.file.to_path_buf(), source.network.name.clone());
    Err(ImportWeightsError::Tensors { path, network, problems })
}

fn layers_of_network(
    source: &WeightsSource<'_>,
    file: &TensorFile,
) -> Result<Vec<Layer>, ImportWeightsError> {
    let prefix = |layer: &str| source.prefixes.get(layer).map_or_else(|| layer.to_owned(), Clone::clone);
    let last = source.network.layers.last();
    let own_outputs = last.and_then(|layer| {
        let width_is_open =
            matches!(layer.operators.first(), Some(Operator::Linear { outputs: LinearOutputs::Recipe, .. }));
        let weight = file.tensors.get(&format!("{}.weight", prefix(&layer.name)));
        weight.filter(|_| width_is_open).and_then(|info| info.shape.first().copied())
    });
    let outputs = source.outputs.or(own_outputs.and_then(|outputs| u32::try_from(outputs).ok()));
    let channels = source.channels;
    let facts = layer_facts(source.network, channels, outputs.unwrap_or(1).max(1))
        .map_err(|source| ImportWeightsError::Network { channels, source })?;
    let layer = |facts: LayerFacts| {
        let prefix = prefix(&facts.name);
        Layer { weight: format!("{prefix}.weight"), bias: format!("{prefix}.bias"), facts }
    };
    Ok(facts.into_iter().map(layer).collect())
}

fn mapping_problems(source: &WeightsSource<'_>, file: &TensorFile) -> Vec<TensorProblem> {
    let names: Vec<_> = source.network.layers.iter().map(|layer| layer.name.as_str()).collect();
    let prefixes: BTreeSet<_> = file.tensors.keys().filter_map(|tensor| prefix_of(tensor)).collect();
    let mappings: &Prefixes = source.prefixes;
    let problem = |(layer, prefix): (&String, &String)| {
        if !names.contains(&layer.as_str()) {
            let help = match nearest(layer, names.iter().copied()) {
                Some(name) => format!("did you mean {name}?"),
                None => format!("its layers are {}", names.join(", ")),
            };
            return Some(TensorProblem::UnknownLayer { layer: layer.clone(), help: Some(help) });
        }
        if prefixes.contains(prefix.as_str()) {
            return None;
        }
        let help = nearest(prefix, prefixes.iter().copied()).map(|prefix| format!("did you mean {prefix}?"));
        Some(TensorProblem::UnknownPrefix { prefix: prefix.clone(), layer: layer.clone(), help })
    };
    mappings.iter().filter_map(problem).collect()
}

/// The tensors that are none of these layers', in order.
fn strangers<'f>(file: &'f TensorFile, layers: &[Layer]) -> Vec<&'f str> {
    let known: BTreeSet<_> = layers.iter().flat_map(|layer| [&layer.weight, &layer.bias]).collect();
    file.tensors.keys().filter(|tensor| !known.contains(tensor)).map(String::as_str).collect()
}

fn layer_problems(layer: &Layer, file: &TensorFile, strangers: &[&str]) -> Vec<TensorProblem> {
    let of_tensor = |(tensor, expected): (&String, &Vec<u64>)| match file.tensors.get(tensor) {
        None => {
            let bias_only = *tensor == layer.bias && file.tensors.contains_key(&layer.weight);
            let help = match nearest(tensor, strangers.iter().copied()) {
                Some(name) => Some(format!("did you mean {}?", short(name))),
                None => bias_only.then(|| "a layer without a bias needs one of zeros".to_owned()),
            };
            Some(TensorProblem::Missing { tensor: tensor.clone(), help })
        }
        Some(info) => tensor_problem(tensor, info, expected),
    };
    layer.tensors().into_iter().filter_map(of_tensor).collect()
}

fn tensor_problem(tensor: &str, info: &TensorInfo, expected: &[u64]) -> Option<TensorProblem> {
    let tensor = tensor.to_owned();
    if !is_readable(info.dtype) {
        let help = matches!(info.dtype, Dtype::F64)
            .then(|| "f32 cannot hold it exactly: round it yourself, in PyTorch with .float()".to_owned());
        return Some(TensorProblem::Type { tensor, found: format!("{:?}", info.dtype), help });
    }
    if has_shape(info, expected) {
        return None;
    }
    let found = info.shape.clone();
    let is_transposed =
        expected.len() == 2 && found.iter().rev().map(|length| *length as u64).eq(expected.iter().copied());
    let help =
        is_transposed.then(|| "it is transposed: weights of linear layers are [outputs, inputs]".to_owned());
    Some(TensorProblem::Shape { tensor, found, expected: expected.to_vec(), help })
}

fn superfluous(
    strangers: &[&str],
    file: &TensorFile,
    held: &[Layer],
    absent: &[Layer],
) -> Vec<TensorProblem> {
    let missing: Vec<_> = held.iter().filter(|layer| !layer.is_in(file)).chain(absent).collect();
    let problem = |tensor: &&str| {
        let help = mapping_among(tensor, file, &missing)
            .unwrap_or_else(|| "leave it out of the file, or say whose it is with --map".to_owned());
        TensorProblem::Superfluous { tensor: short(tensor), help: Some(help) }
    };
    strangers.iter().map(problem).collect()
}

fn mapping_for(tensor: &str, file: &TensorFile, layers: &[Layer]) -> Option<String> {
    mapping_among(tensor, file, &layers.iter().collect::<Vec<_>>())
}

/// The mapping that would make this tensor the first of these layers that has its shape.
fn mapping_among(tensor: &str, file: &TensorFile, layers: &[&Layer]) -> Option<String> {
    let prefix = prefix_of(tensor)?;
    let weight = file.tensors.get(&format!("{prefix}.weight"))?;
    let layer = layers.iter().find(|layer| has_shape(weight, &layer.facts.weight_shape))?;
    Some(format!("if it is {}'s, say --map {}={}", layer.facts.name, short(prefix), layer.facts.name))
}

fn has_shape(info: &TensorInfo, expected: &[u64]) -> bool {
    info.shape.iter().map(|length| *length as u64).eq(expected.iter().copied())
}

fn prefix_of(tensor: &str) -> Option<&str> {
    tensor.strip_suffix(".weight").or_else(|| tensor.strip_suffix(".bias"))
}

/// What a message shows of a name from outside.
fn short(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(128).collect()
}
