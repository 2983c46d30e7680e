//! The file of one layer: its name, its bytes, and back.
//!
//! Its bytes are part of what frozen layers share with their source: to change them is to
//! store every frozen layer anew.

use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};
use selffer_core::{
    ids::{IdError, Name},
    weights::layer_file,
};

use super::{HostParameters, HostTensor};

/// A file that lacks a tensor, or has one of another type.
#[derive(Debug, thiserror::Error)]
#[error("no f32 tensor {tensor:?}")]
pub struct TensorError {
    /// The tensor's name.
    pub tensor: &'static str,
    /// What safetensors says, if it is not the type.
    #[source]
    pub source: Option<SafeTensorError>,
}

/// The name of the file of the layer at `index` (from 0), e.g. `01-conv1.safetensors`.
///
/// # Errors
/// The layer's name cannot be part of a file name.
pub fn layer_file_name(index: usize, layer: &str) -> Result<String, IdError> {
    layer.parse::<Name>()?;
    Ok(layer_file(index, layer))
}

/// The file of a layer.
#[must_use]
pub fn parameters_to_bytes(parameters: &HostParameters) -> Vec<u8> {
    tensors_to_bytes(&[("weight", &parameters.weight), ("bias", &parameters.bias)])
}

/// What the file of a layer holds.
///
/// # Errors
/// It is not a safetensors file, or lacks one of the two.
pub fn parameters_from_bytes(bytes: &[u8]) -> Result<HostParameters, TensorError> {
    Ok(HostParameters {
        weight: tensor_from_bytes(bytes, "weight")?,
        bias: tensor_from_bytes(bytes, "bias")?,
    })
}

/// A safetensors file of these tensors; equal tensors give equal bytes.
///
/// # Panics
/// A tensor does not have as many values as its shape.
#[must_use]
pub fn tensors_to_bytes(tensors: &[(&str, &HostTensor)]) -> Vec<u8> {
    let bytes: Vec<_> = tensors.iter().map(|(_, tensor)| tensor.bytes()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, tensor), bytes)| {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes);
        (*name, view.expect("a host tensor has as many values as its shape"))
    });
    safetensors::serialize(views, None).expect("the header of two tensors is small")
}

/// One f32 tensor of a safetensors file.
///
/// # Errors
/// It is not a safetensors file, or has no such tensor.
pub fn tensor_from_bytes(bytes: &[u8], tensor: &'static str) -> Result<HostTensor, TensorError> {
    let wrong = |source| TensorError { tensor, source: Some(source) };
    let tensors = SafeTensors::deserialize(bytes).map_err(wrong)?;
    let view = tensors.tensor(tensor).map_err(wrong)?;
    if view.dtype() != Dtype::F32 {
        return Err(TensorError { tensor, source: None });
    }
    Ok(HostTensor { shape: view.shape().to_vec(), values: floats(view.data()) })
}

/// Little-endian f32.
pub(super) fn floats(bytes: &[u8]) -> Vec<f32> {
    let values = bytes.chunks_exact(4);
    values.map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes"))).collect()
}

#[cfg(test)]
mod tests {
    use selffer_core::ids::Digest;

    use super::*;

    fn parameters() -> HostParameters {
        let tensor = |shape: &[usize]| HostTensor {
            values: (0..shape.iter().product::<usize>()).map(|value| value as f32 * 0.3).collect(),
            shape: shape.to_vec(),
        };
        HostParameters { weight: tensor(&[2, 3]), bias: tensor(&[2]) }
    }

    /// The digest is of the bytes that version 0.1.0 wrote.
    #[test]
    fn the_bytes_of_a_layer_stay_what_they_are() {
        let bytes = parameters_to_bytes(&parameters());
        assert_eq!(parameters_from_bytes(&bytes).unwrap(), parameters());
        assert_eq!(
            Digest::of(&bytes).to_string(),
            "d2f8bc91c05a71e5c475c30fb98459c2c5b6d6fc696565c9d895f48895407aa4"
        );
    }

    #[test]
    fn names_of_files_are_in_the_order_of_layers() {
        assert_eq!(layer_file_name(0, "conv1").unwrap(), "01-conv1.safetensors");
        assert_eq!(layer_file_name(9, "fc10").unwrap(), "10-fc10.safetensors");
        assert!(layer_file_name(0, "../conv1").is_err());
    }
}
