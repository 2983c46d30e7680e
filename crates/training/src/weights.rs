//! Weights on the host: values with shapes, and their digests.

use candle_core::{Device, Result, Tensor};
use selffer_core::ids::Digest;

/// A tensor's values in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// The values; as many as the product of the shape.
    pub values: Vec<f32>,
}

/// A layer's weight and bias, or anything of their shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct HostParameters {
    /// `[O, C/G, K, K]` of a convolution, `[O, I]` of a linear operator.
    pub weight: HostTensor,
    /// `[O]`.
    pub bias: HostTensor,
}

/// A layer's weight and bias on the device, or anything of their shapes.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// As in [`HostParameters`].
    pub weight: Tensor,
    /// As in [`HostParameters`].
    pub bias: Tensor,
}

impl HostTensor {
    /// All zeros.
    #[must_use]
    pub fn zeros(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), values: vec![0.0; shape.iter().product()] }
    }

    fn from_device(tensor: &Tensor) -> Result<Self> {
        Ok(Self { shape: tensor.dims().to_vec(), values: tensor.flatten_all()?.to_vec1()? })
    }

    fn to_device(&self) -> Result<Tensor> {
        Tensor::from_slice(&self.values, self.shape.as_slice(), &Device::Cpu)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }
}

impl HostParameters {
    /// All zeros, with the shapes of these.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        Self { weight: HostTensor::zeros(&self.weight.shape), bias: HostTensor::zeros(&self.bias.shape) }
    }

    /// BLAKE3 of weight and bias, as little-endian f32.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.weight.bytes());
        hasher.update(&self.bias.bytes());
        Digest(*hasher.finalize().as_bytes())
    }

    /// Whether weight and bias have the shapes of the other's.
    #[must_use]
    pub fn has_shapes_of(&self, other: &Self) -> bool {
        self.weight.shape == other.weight.shape && self.bias.shape == other.bias.shape
    }

    /// Copies them to the device.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn to_device(&self) -> Result<Parameters> {
        Ok(Parameters { weight: self.weight.to_device()?, bias: self.bias.to_device()? })
    }
}

impl Parameters {
    /// Copies them to the host; waits for the device.
    ///
    /// # Errors
    /// When the device fails.
    pub fn to_host(&self) -> Result<HostParameters> {
        Ok(HostParameters {
            weight: HostTensor::from_device(&self.weight)?,
            bias: HostTensor::from_device(&self.bias)?,
        })
    }
}

/// BLAKE3 of all layers' weights and biases, in layer order.
#[must_use]
pub(crate) fn digest_of_all<'a>(layers: impl IntoIterator<Item = &'a HostParameters>) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for layer in layers {
        hasher.update(&layer.weight.bytes());
        hasher.update(&layer.bias.bytes());
    }
    Digest(*hasher.finalize().as_bytes())
}
