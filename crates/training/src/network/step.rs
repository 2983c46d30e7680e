//! The passes of a network: for tests, for training, and backward.

use candle_core::{Result, Tensor};
use selffer_core::stream::Streams;

use super::{Layer, Network, Operator};
use crate::{
    ops::{dropout::Dropout, linear, relu},
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
        for layer in &self.layers {
            x = layer.forward(x, None, None)?;
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
                x = layer.forward(x, Some(draw), None)?;
            } else {
                let mut ends = Vec::with_capacity(layer.operators.len());
                x = layer.forward(x, Some(draw), Some(&mut ends))?;
                trace.layers.push(ends);
            }
        }
        Ok((x, trace))
    }

    /// The gradients of the layers that learn, in layer order, given that of the logits.
    ///
    /// # Errors
    /// When `trace` and `gradient` are not of this network's forward pass.
    pub fn backward(
        &self,
        mut trace: Trace,
        gradient: Tensor,
        draw: DropoutDraw<'_>,
    ) -> Result<Vec<Parameters>> {
        let mut gradients = Vec::with_capacity(trace.layers.len());
        let mut gradient = Some(gradient);
        for (index, layer) in self.layers_learning().iter().enumerate().rev() {
            let (Some(ends), Some(output)) = (trace.layers.pop(), gradient.take()) else {
                candle_core::bail!("the trace is not of this network");
            };
            let (parameters, input) = layer.backward(ends, output, draw, index > 0)?;
            gradients.push(parameters);
            gradient = input;
        }
        gradients.reverse();
        Ok(gradients)
    }
}

impl Layer {
    fn forward(
        &self,
        mut x: Tensor,
        draw: Option<DropoutDraw<'_>>,
        mut trace: Option<&mut Vec<Ends>>,
    ) -> Result<Tensor> {
        let mut after_learned = false;
        for operator in &self.operators {
            let input = x.clone();
            x = match operator {
                Operator::Convolution(conv) => {
                    conv.forward(&x, &self.parameters.weight, &self.parameters.bias)?
                }
                Operator::Linear => {
                    linear::forward(&flat(&x)?, &self.parameters.weight, &self.parameters.bias)?
                }
                Operator::Relu => {
                    // In place where nobody else needs the input; a learned operator never
                    // looks at its own output again.
                    let x = if after_learned { x } else { x.copy()? };
                    relu::forward_in_place(&x)?;
                    x
                }
                Operator::MaxPool(pool) => pool.forward(&x)?,
                Operator::LocalResponseNorm(norm) => norm.forward(&x)?,
                Operator::Dropout => match draw {
                    Some(draw) => {
                        let x = x.copy()?;
                        draw.of_layer(&self.name).apply_in_place(&x)?;
                        x
                    }
                    None => x,
                },
            };
            after_learned = operator.is_learned();
            if let Some(trace) = trace.as_deref_mut() {
                trace.push(Ends { input, output: x.clone() });
            }
        }
        Ok(x)
    }

    /// Gradients of the parameters and, if somebody needs it, of the layer's input.
    fn backward(
        &self,
        mut trace: Vec<Ends>,
        mut gradient: Tensor,
        draw: DropoutDraw<'_>,
        needs_input: bool,
    ) -> Result<(Parameters, Option<Tensor>)> {
        for operator in self.operators.iter().rev() {
            let Some(Ends { input, output }) = trace.pop() else {
                candle_core::bail!("the trace is not of this layer");
            };
            match operator {
                Operator::Convolution(_) | Operator::Linear => {
                    return self.backward_learned(operator, &input, &gradient, needs_input);
                }
                Operator::Relu => relu::backward_in_place(&gradient, &output)?,
                Operator::Dropout => draw.of_layer(&self.name).apply_in_place(&gradient)?,
                Operator::MaxPool(pool) => gradient = pool.gradient(&input, &output, &gradient)?,
                Operator::LocalResponseNorm(norm) => gradient = norm.gradient(&input, &gradient)?,
            }
        }
        candle_core::bail!("layer {} has no learned operator", self.name)
    }

    fn backward_learned(
        &self,
        operator: &Operator,
        input: &Tensor,
        gradient: &Tensor,
        needs_input: bool,
    ) -> Result<(Parameters, Option<Tensor>)> {
        let bias = linear::gradient_bias(gradient)?;
        if let Operator::Convolution(conv) = operator {
            let weight = conv.gradient_weight(gradient, input)?;
            let (_, height, width, _) = input.dims4()?;
            let below = || conv.gradient_input(gradient, &self.parameters.weight, (height, width));
            return Ok((Parameters { weight, bias }, needs_input.then(below).transpose()?));
        }
        let weight = linear::gradient_weight(gradient, &flat(input)?)?;
        let below = || unflat(&linear::gradient_input(gradient, &self.parameters.weight)?, input);
        Ok((Parameters { weight, bias }, needs_input.then(below).transpose()?))
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
