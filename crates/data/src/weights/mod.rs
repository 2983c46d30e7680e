//! Networks' weights at rest: the file of one layer, and folders of imported weights.
//!
//! A layer's file is a safetensors file `{weight, bias}`, both f32. Equal layers have equal
//! bytes, in a checkpoint as in imported weights, so that a frozen layer is stored once.
//! [`import_weights`] makes a folder of imported weights from a safetensors file of a network
//! that was trained elsewhere, whole or not at all; [`Weights`] opens one and refuses what
//! does not agree with its manifest. [`selffer_core::weights`] describes it and names it by
//! digest. Only safetensors are ever read, never pickles.
//!
//! Weights are in PyTorch's order: `[O, I/G, K, K]` of a convolution, which slides its kernel
//! without flipping it, and `[O, I]` of a linear operator, whose inputs are flattened
//! channels first.

mod error;
mod folder;
mod import;
mod layer_file;
mod mapping;
mod tensor_file;
mod values;

pub use error::{ImportWeightsError, TensorProblem, WeightsError};
pub use folder::{Weights, WeightsWriter, read_weights_manifest};
pub use import::{WeightsSource, import_weights};
pub use layer_file::{
    TensorError, layer_file_name, parameters_from_bytes, parameters_to_bytes, tensor_from_bytes,
    tensors_to_bytes,
};
pub use mapping::{MappingError, parse_mapping};
pub use values::{HostParameters, HostTensor, WeightsDigest};
