//! Weights on the device, to and from the host, and the digest of a whole network's.

use candle_core::{Device, Result, Tensor};
use selffer_core::ids::Digest;
pub use selffer_data::weights::{HostParameters, HostTensor};

/// A layer's weight and bias on the device, or anything of their shapes.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// As in [`HostParameters`].
    pub weight: Tensor,
    /// As in [`HostParameters`].
    pub bias: Tensor,
}

impl Parameters {
    /// Copies them to the device.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn from_host(parameters: &HostParameters) -> Result<Self> {
        Ok(Self { weight: to_device(&parameters.weight)?, bias: to_device(&parameters.bias)? })
    }

    /// Zeros of their shapes.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn zeros_like(&self) -> Result<Self> {
        Ok(Self { weight: self.weight.zeros_like()?, bias: self.bias.zeros_like()? })
    }

    /// Copies them to the host; waits for the device.
    ///
    /// # Errors
    /// When the device fails.
    pub fn to_host(&self) -> Result<HostParameters> {
        Ok(HostParameters { weight: to_host(&self.weight)?, bias: to_host(&self.bias)? })
    }
}

fn to_device(tensor: &HostTensor) -> Result<Tensor> {
    Tensor::from_slice(&tensor.values, tensor.shape.as_slice(), &Device::Cpu)
}

fn to_host(tensor: &Tensor) -> Result<HostTensor> {
    Ok(HostTensor { shape: tensor.dims().to_vec(), values: tensor.flatten_all()?.to_vec1()? })
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
