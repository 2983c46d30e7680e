//! One iteration of a training: forward, loss, backward, update.

use candle_core::{Error, Result, Tensor};

use crate::{
    images::Batch,
    network::{Direction, DropoutDraw, Network, Part},
    ops::softmax_loss,
    solver::{Rates, Sgd},
};

/// Updates the layers that learn by one batch; returns the loss before it.
pub(crate) fn iterate(
    network: &Network,
    solver: &Sgd,
    batch: &Batch,
    (draw, rates): (DropoutDraw<'_>, Rates),
) -> Result<Tensor> {
    let Batch { images, labels } = batch;
    let (logits, trace) = network.forward(images, draw)?;
    let (loss, gradient) = network.clock.time(Part::Loss, Direction::Forward, || {
        let loss = softmax_loss::mean_loss(&logits, labels)?;
        Ok::<_, Error>((loss, softmax_loss::gradient(&logits, labels)?))
    })?;
    network.backward(trace, gradient, draw, solver.gradients())?;
    network.clock.time(Part::Update, Direction::Backward, || solver.update(rates))?;
    Ok(loss)
}
