//! Caffe's update: `v = momentum · v + rate · (g + decay · w)`, then `w = w − v`.
//!
//! The rate is inside the momentum, so a drop of the rate does not shrink the last step;
//! PyTorch's SGD differs there.

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor};

use super::{Rate, Rates};
use crate::{
    network::Layer,
    ops::{for_each_piece, values, values_mut},
    weights::{HostParameters, Parameters},
};

/// The solver with its momentum, one entry for each layer that learns.
#[derive(Debug)]
pub struct Sgd {
    momentum: Vec<Parameters>,
}

impl Sgd {
    /// A solver with this momentum; zeros at the start of a training.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn new(momentum: &[HostParameters]) -> Result<Self> {
        Ok(Self { momentum: momentum.iter().map(Parameters::from_host).collect::<Result<_>>()? })
    }

    /// Updates the layers that learn, in place. `gradients` are theirs, in order.
    ///
    /// # Errors
    /// When shapes do not belong together.
    pub fn update(&self, layers: &[Layer], gradients: &[Parameters], rates: Rates) -> Result<()> {
        for ((layer, gradient), momentum) in layers.iter().zip(gradients).zip(&self.momentum) {
            let parameters = &layer.parameters;
            step(&parameters.weight, &gradient.weight, &momentum.weight, (rates.momentum, rates.weight))?;
            step(&parameters.bias, &gradient.bias, &momentum.bias, (rates.momentum, rates.bias))?;
        }
        Ok(())
    }

    /// The momentum of each layer that learns; waits for the device.
    ///
    /// # Errors
    /// When the device fails.
    pub fn to_host(&self) -> Result<Vec<HostParameters>> {
        self.momentum.iter().map(Parameters::to_host).collect()
    }
}

fn step(value: &Tensor, gradient: &Tensor, velocity: &Tensor, (momentum, rate): (f32, Rate)) -> Result<()> {
    velocity.inplace_op3(value, gradient, &Accelerate { momentum, rate })?;
    value.inplace_op2(velocity, &Move)
}

/// `v = momentum · v + rate · (g + decay · w)`.
struct Accelerate {
    momentum: f32,
    rate: Rate,
}

impl InplaceOp3 for Accelerate {
    fn name(&self) -> &'static str {
        "sgd-accelerate"
    }

    fn cpu_fwd(
        &self,
        s1: &mut CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<()> {
        let (value, gradient) = (values(s2, l2)?, values(s3, l3)?);
        let Self { momentum, rate: Rate { learning_rate, decay } } = *self;
        for_each_piece(values_mut(s1, l1)?, |start, velocity| {
            let terms = value[start..].iter().zip(&gradient[start..]);
            for (velocity, (value, gradient)) in velocity.iter_mut().zip(terms) {
                *velocity = momentum * *velocity + learning_rate * (gradient + decay * value);
            }
        });
        Ok(())
    }
}

/// `w = w − v`.
struct Move;

impl InplaceOp2 for Move {
    fn name(&self) -> &'static str {
        "sgd-move"
    }

    fn cpu_fwd(&self, s1: &mut CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<()> {
        let velocity = values(s2, l2)?;
        for_each_piece(values_mut(s1, l1)?, |start, value| {
            for (value, velocity) in value.iter_mut().zip(&velocity[start..]) {
                *value -= velocity;
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// Golden numbers, in exact decimals by hand from Caffe's `ComputeUpdateValue`:
    /// w = 1, momentum 0.9, decay 0.5; rate 0.1 and gradient 2, then rate 0.01 and gradient −1.
    /// v = 0.1·(2 + 0.5·1) = 0.25, w = 0.75; v = 0.9·0.25 + 0.01·(−1 + 0.5·0.75) = 0.21875,
    /// w = 0.53125. PyTorch, with the rate outside, would give 0.75 − 0.01·(0.9·2.5 − 0.625).
    #[test]
    fn the_rate_is_inside_the_momentum() {
        let tensor = |value: f32| Tensor::from_slice(&[value], 1, &Device::Cpu).unwrap();
        let (value, velocity) = (tensor(1.0), tensor(0.0));
        let rate = |learning_rate| (0.9, Rate { learning_rate, decay: 0.5 });

        step(&value, &tensor(2.0), &velocity, rate(0.1)).unwrap();
        step(&value, &tensor(-1.0), &velocity, rate(0.01)).unwrap();

        let value = value.to_vec1::<f32>().unwrap()[0];
        assert!((value - 0.53125).abs() < 1e-6, "{value}");
    }
}
