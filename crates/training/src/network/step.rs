//! The passes of a network: for tests, for training, and backward.

use candle_core::{Result, Tensor};
use selffer_core::stream::Streams;

use super::{Direction, Layer, Network, Operator, Part};
use crate::{
    ops::{Activation, dropout::Dropout, linear, relu},
    weights::Parameters,
};

/// Which units are silenced in one iteration.
#[derive(Clone, Copy)]
pub struct DropoutDraw<'a> {
    /// The job's streams.
    pub streams: &'a Streams,
    /// Updates done before this one.
    pub iteration: u32,
    /// Share of units that are silenced.
    pub share: f64,
}

impl DropoutDraw<'_> {
    fn of_layer(&self, layer: &str) -> Dropout {
        Dropout::new(self.streams.dropout(layer, self.iteration), self.share)
    }
}

/// What the backward pass needs of a forward pass: for each layer that learns, each
/// operator's input and output.
#[derive(Debug, Default)]
pub struct Trace {
    layers: Vec<Vec<Ends>>,
}

#[derive(Debug)]
struct Ends {
    input: Tensor,
    output: Tensor,
}

impl Network {
    /// The logits `[N, K]` of `images`, `[N, H, W, C]`, with dropout off.
    ///
    /// # Errors
    /// When the images do not fit the network.
    pub fn test(&self, images: &Tensor) -> Result<Tensor> {
        let mut x = images.clone();
        for index in 0..self.layers.len() {
            x = self.layer_forward(index, x, None, None)?;
        }
        Ok(x)
    }

    /// The logits `[N, K]` of `images`, `[N, H, W, C]`, with dropout on, also in frozen
    /// layers, and what [`Network::backward`] needs.
    ///
    /// # Errors
    /// When the images do not fit the network.
    pub fn forward(&self, images: &Tensor, draw: DropoutDraw<'_>) -> Result<(Tensor, Trace)> {
        let mut x = images.clone();
        let mut trace = Trace::default();
        for (index, layer) in self.layers.iter().enumerate() {
            if index < self.layers_frozen {
                x = self.layer_forward(index, x, Some(draw), None)?;
            } else {
                let mut ends = Vec::with_capacity(layer.operators.len());
                x = self.layer_forward(index, x, Some(draw), Some(&mut ends))?;
                trace.layers.push(ends);
            }
        }
        Ok((x, trace))
    }

    /// Puts the gradients of the layers that learn into `gradients`, in layer order, given
    /// that of the logits.
    ///
    /// # Errors
    /// When `trace` and `gradient` are not of this network's forward pass, or `gradients` not
    /// of its layers.
    pub fn backward(
        &self,
        mut trace: Trace,
        gradient: Tensor,
        draw: DropoutDraw<'_>,
        gradients: &[Parameters],
    ) -> Result<()> {
        let mut gradient = Some(gradient);
        for (index, into) in (self.layers_frozen..self.layers.len()).zip(gradients).rev() {
            let (Some(ends), Some(output)) = (trace.layers.pop(), gradient.take()) else {
                candle_core::bail!("the trace is not of this network");
            };
            gradient = self.layer_backward(index, (ends, output), draw, into)?;
        }
        Ok(())
    }

    fn layer_forward(
        &self,
        layer_index: usize,
        mut x: Tensor,
        draw: Option<DropoutDraw<'_>>,
        mut trace: Option<&mut Vec<Ends>>,
    ) -> Result<Tensor> {
        let layer = &self.layers[layer_index];
        for (index, operator) in layer.operators.iter().enumerate() {
            let part = Part::Operator { layer: layer_index, operator: index };
            let output = self.clock.time(part, Direction::Forward, || layer.apply(operator, &x, draw))?;
            let input = std::mem::replace(&mut x, output);
            if let Some(trace) = trace.as_deref_mut() {
                trace.push(Ends { input, output: x.clone() });
            }
        }
        Ok(x)
    }

    /// Puts the gradients of a layer's parameters where they go, and returns that of its
    /// input, if somebody needs it.
    fn layer_backward(
        &self,
        layer_index: usize,
        (mut trace, mut gradient): (Vec<Ends>, Tensor),
        draw: DropoutDraw<'_>,
        into: &Parameters,
    ) -> Result<Option<Tensor>> {
        let layer = &self.layers[layer_index];
        let part = |operator| Part::Operator { layer: layer_index, operator };
        let is_pooled = matches!(layer.operators.get(1), Some(Operator::MaxPool(_)));
        for index in (1..layer.operators.len()).rev() {
            let Some(ends) = trace.pop() else {
                candle_core::bail!("the trace is not of this layer");
            };
            gradient = self.clock.time(part(index), Direction::Backward, || {
                if index == 1 && is_pooled {
                    // A window's gradient goes to its maximum alone, so the rectifier below
                    // can be undone, and the bias have its sum, where the values are fewer.
                    layer.before_activation(&gradient, &ends.output, into)?;
                }
                layer.take_back(index, &ends, gradient, draw)
            })?;
        }
        let Some(ends) = trace.pop() else {
            candle_core::bail!("the trace is not of this layer");
        };
        self.clock.time(part(0), Direction::Backward, || {
            if !is_pooled {
                layer.before_activation(&gradient, &ends.output, into)?;
            }
            layer.gradient_weight(&ends.input, &gradient, into)?;
            let is_lowest = layer_index == self.layers_frozen;
            (!is_lowest).then(|| layer.gradient_input(&ends.input, &gradient)).transpose()
        })
    }
}

impl Layer {
    /// What an operator makes of `x`.
    fn apply(&self, operator: &Operator, x: &Tensor, draw: Option<DropoutDraw<'_>>) -> Result<Tensor> {
        let Parameters { weight, bias } = &self.parameters;
        match operator {
            Operator::Convolution(conv, activation) => conv.forward(x, weight, bias, *activation),
            Operator::Linear(activation) => linear::forward(&flat(x)?, weight, bias, *activation),
            Operator::Relu => {
                let x = x.copy()?;
                relu::forward_in_place(&x)?;
                Ok(x)
            }
            Operator::MaxPool(pool) => pool.forward(x),
            Operator::LocalResponseNorm(norm) => norm.forward(x),
            Operator::Dropout => {
                let Some(draw) = draw else { return Ok(x.clone()) };
                let x = x.copy()?;
                draw.of_layer(&self.name).apply_in_place(&x)?;
                Ok(x)
            }
        }
    }

    /// The gradient before an operator that is not learned, given the one after it.
    fn take_back(
        &self,
        index: usize,
        ends: &Ends,
        gradient: Tensor,
        draw: DropoutDraw<'_>,
    ) -> Result<Tensor> {
        match &self.operators[index] {
            Operator::Relu => relu::backward_in_place(&gradient, &ends.output)?,
            Operator::Dropout => draw.of_layer(&self.name).apply_in_place(&gradient)?,
            Operator::MaxPool(pool) => return pool.gradient(&ends.input, &ends.output, &gradient),
            Operator::LocalResponseNorm(norm) => return norm.gradient(&ends.input, &gradient),
            Operator::Convolution(..) | Operator::Linear(_) => {
                candle_core::bail!("layer {} has more than one learned operator", self.name)
            }
        }
        Ok(gradient)
    }

    /// Takes a gradient back before the learned operator's activation, in place, and sums up
    /// that of the bias. `y`: the operator's result.
    fn before_activation(&self, gradient: &Tensor, y: &Tensor, into: &Parameters) -> Result<()> {
        if self.operators[0].activation() == Some(Activation::Rectifier) {
            relu::backward_in_place(gradient, y)?;
        }
        linear::gradient_bias(&into.bias, gradient)
    }

    fn gradient_weight(&self, input: &Tensor, gradient: &Tensor, into: &Parameters) -> Result<()> {
        match &self.operators[0] {
            Operator::Convolution(conv, _) => conv.gradient_weight(&into.weight, gradient, input),
            _ => linear::gradient_weight(&into.weight, gradient, &flat(input)?),
        }
    }

    fn gradient_input(&self, input: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        let weight = &self.parameters.weight;
        match &self.operators[0] {
            Operator::Convolution(conv, _) => {
                let (_, height, width, _) = input.dims4()?;
                conv.gradient_input(gradient, weight, (height, width))
            }
            _ => unflat(&linear::gradient_input(gradient, weight)?, input),
        }
    }
}

/// `[N, H, W, C]` as `[N, C·H·W]`, in the order of the weights; `[N, I]` as it is.
fn flat(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 2 {
        return Ok(x.clone());
    }
    x.permute((0, 3, 1, 2))?.contiguous()?.flatten_from(1)
}

/// The reverse of [`flat`]: the gradient in the shape of `x`.
fn unflat(gradient: &Tensor, x: &Tensor) -> Result<Tensor> {
    if x.rank() == 2 {
        return Ok(gradient.clone());
    }
    let (batch, height, width, channels) = x.dims4()?;
    gradient.reshape((batch, channels, height, width))?.permute((0, 2, 3, 1))?.contiguous()
}
