//! Weights in memory: values with shapes, and their digests.

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

/// Takes the digest of layers one after the other, so that a large network need not lie in
/// memory: of all of them it is that of the network's weights.
#[derive(Clone, Debug, Default)]
pub struct WeightsDigest(blake3::Hasher);

impl WeightsDigest {
    /// The next layer, in layer order.
    pub fn add(&mut self, layer: &HostParameters) {
        self.0.update(&layer.weight.bytes());
        self.0.update(&layer.bias.bytes());
    }

    /// BLAKE3 of weight and bias of every layer so far, as little-endian f32.
    #[must_use]
    pub fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

impl HostTensor {
    /// All zeros.
    #[must_use]
    pub fn zeros(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), values: vec![0.0; shape.iter().product()] }
    }

    /// The values as little-endian f32.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 * self.values.len());
        for value in &self.values {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    /// The index of the first value that is infinite or not a number.
    #[must_use]
    pub fn first_not_finite(&self) -> Option<usize> {
        self.values.iter().position(|value| !value.is_finite())
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
        let mut digest = WeightsDigest::default();
        digest.add(self);
        digest.finish()
    }

    /// Whether weight and bias have the shapes of the other's.
    #[must_use]
    pub fn has_shapes_of(&self, other: &Self) -> bool {
        self.weight.shape == other.weight.shape && self.bias.shape == other.bias.shape
    }
}
