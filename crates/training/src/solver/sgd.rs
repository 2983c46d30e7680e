//! Caffe's update: `v = momentum · v + rate · (g + decay · w)`, then `w = w − v`.
//!
//! The rate is inside the momentum, so a drop of the rate does not shrink the last step;
//! PyTorch's SGD differs there.

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, bail};

use super::{Rate, Rates};
use crate::{
    network::Layer,
    ops::{for_each_pair_of_pieces, values, values_mut},
    weights::{HostParameters, HostTensor, Parameters},
};

/// The solver with its momentum, for each layer that learns.
///
/// A tensor and its momentum lie behind each other in one tensor, `[2, …]`, of which the
/// layer's is the first half: an update is one pass over memory. The gradients have their
/// place here for the whole training; the backward pass fills them.
#[derive(Debug)]
pub struct Sgd {
    states: Vec<Parameters>,
    gradients: Vec<Parameters>,
}

impl Sgd {
    /// A solver for these layers with this momentum, one entry for each; zeros at the start
    /// of a training. The layers' parameters are now those that it updates.
    ///
    /// # Errors
    /// When the device has no memory left, or shapes differ.
    pub fn new(layers: &mut [Layer], momentum: &[HostParameters]) -> Result<Self> {
        let states = layers.iter_mut().zip(momentum).map(|(layer, momentum)| {
            let Parameters { weight, bias } = &mut layer.parameters;
            Ok(Parameters { weight: state(weight, &momentum.weight)?, bias: state(bias, &momentum.bias)? })
        });
        let states = states.collect::<Result<_>>()?;
        let gradients = layers.iter().map(|layer| layer.parameters.zeros_like()).collect::<Result<_>>()?;
        Ok(Self { states, gradients })
    }

    /// Where the backward pass puts the gradients of the layers that learn, in order.
    #[must_use]
    pub fn gradients(&self) -> &[Parameters] {
        &self.gradients
    }

    /// Updates the layers that learn, in place, by their gradients.
    ///
    /// # Errors
    /// When the device fails.
    pub fn update(&self, rates: Rates) -> Result<()> {
        for (state, gradient) in self.states.iter().zip(&self.gradients) {
            let update = |rate| Update { momentum: rates.momentum, rate };
            state.weight.inplace_op2(&gradient.weight, &update(rates.weight))?;
            state.bias.inplace_op2(&gradient.bias, &update(rates.bias))?;
        }
        Ok(())
    }

    /// The momentum of each layer that learns; waits for the device.
    ///
    /// # Errors
    /// When the device fails.
    pub fn to_host(&self) -> Result<Vec<HostParameters>> {
        let momentum = |state: &Tensor| state.get(1);
        let of_layer = |state: &Parameters| {
            Parameters { weight: momentum(&state.weight)?, bias: momentum(&state.bias)? }.to_host()
        };
        self.states.iter().map(of_layer).collect()
    }
}

/// A tensor with its momentum behind it; the tensor becomes the first half.
fn state(tensor: &mut Tensor, momentum: &HostTensor) -> Result<Tensor> {
    let momentum = Tensor::from_slice(&momentum.values, momentum.shape.as_slice(), tensor.device())?;
    let state = Tensor::stack(&[&*tensor, &momentum], 0)?;
    *tensor = state.get(0)?;
    Ok(state)
}

/// `v = momentum · v + rate · (g + decay · w)`, then `w = w − v`.
struct Update {
    momentum: f32,
    rate: Rate,
}

impl InplaceOp2 for Update {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn cpu_fwd(&self, s1: &mut CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<()> {
        let (state, gradient) = (values_mut(s1, l1)?, values(s2, l2)?);
        if state.len() != 2 * gradient.len() {
            bail!("a gradient of {} values for {} and their momentum", gradient.len(), state.len() / 2);
        }
        let Self { momentum, rate: Rate { learning_rate, decay } } = *self;
        for_each_pair_of_pieces(state.split_at_mut(gradient.len()), |start, value, velocity| {
            let terms = value.iter_mut().zip(velocity).zip(&gradient[start..]);
            for ((value, velocity), gradient) in terms {
                *velocity = momentum * *velocity + learning_rate * (gradient + decay * *value);
                *value -= *velocity;
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
        let mut value = tensor(1.0);
        let state = state(&mut value, &HostTensor::zeros(&[1])).unwrap();
        let update = |learning_rate| Update { momentum: 0.9, rate: Rate { learning_rate, decay: 0.5 } };

        state.inplace_op2(&tensor(2.0), &update(0.1)).unwrap();
        state.inplace_op2(&tensor(-1.0), &update(0.01)).unwrap();

        let value = value.to_vec1::<f32>().unwrap()[0];
        assert!((value - 0.53125).abs() < 1e-6, "{value}");
    }
}
