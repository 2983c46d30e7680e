//! Softmax with cross-entropy: `loss = −log(exp(z_label) / Σ exp(z))`, in nats.
//!
//! The gradient of the batch's mean loss is `(softmax(z) − one-hot) / N`. Everything is
//! computed in f64 and rounded once. N = batch, K = classes.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::values;

/// The mean loss of a batch.
///
/// - `logits`: `[N, K]`, unnormalised, f32
/// - `labels`: `[N]`, u32, each in `0..K`
///
/// Returns one f64, `[1]`; it is not finite when a logit is not.
///
/// # Errors
/// When shapes or types differ from these, or a label is K or more.
pub fn mean_loss(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    logits.apply_op2_no_bwd(labels, &MeanLoss)
}

/// Gradient of the mean loss with respect to the logits, `[N, K]`.
///
/// # Errors
/// As [`mean_loss`].
pub fn gradient(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    logits.apply_op2_no_bwd(labels, &Gradient)
}

/// The loss of one image.
#[must_use]
pub fn loss(logits: &[f32], label: usize) -> f64 {
    let largest = largest(logits);
    let sum: f64 = logits.iter().map(|&logit| libm::exp(f64::from(logit) - largest)).sum();
    libm::log(sum) - (f64::from(logits[label]) - largest)
}

fn largest(logits: &[f32]) -> f64 {
    f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max))
}

/// Logits, labels and K, checked.
fn checked<'a>(
    (s1, l1): (&'a CpuStorage, &Layout),
    (s2, l2): (&'a CpuStorage, &Layout),
) -> Result<(&'a [f32], &'a [u32], usize)> {
    let (batch, classes) = l1.shape().dims2()?;
    let (Some((start, end)), CpuStorage::U32(labels)) = (l2.contiguous_offsets(), s2) else {
        bail!("labels must be contiguous u32")
    };
    let labels = &labels[start..end];
    if labels.len() != batch {
        bail!("{} labels for {batch} images", labels.len());
    }
    if let Some(label) = labels.iter().find(|&&label| label as usize >= classes) {
        bail!("label {label} is not below {classes}");
    }
    Ok((values(s1, l1)?, labels, classes))
}

struct MeanLoss;

impl CustomOp2 for MeanLoss {
    fn name(&self) -> &'static str {
        "softmax-loss"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (logits, labels, classes) = checked((s1, l1), (s2, l2))?;
        let losses = logits.chunks(classes).zip(labels).map(|(logits, &label)| loss(logits, label as usize));
        let mean = losses.sum::<f64>() / labels.len() as f64;
        Ok((CpuStorage::F64(vec![mean]), Shape::from(1)))
    }
}

struct Gradient;

impl CustomOp2 for Gradient {
    fn name(&self) -> &'static str {
        "softmax-loss-backward"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (logits, labels, classes) = checked((s1, l1), (s2, l2))?;
        let mut gradient = Vec::with_capacity(logits.len());
        for (logits, &label) in logits.chunks(classes).zip(labels) {
            let largest = largest(logits);
            let powers: Vec<f64> =
                logits.iter().map(|&logit| libm::exp(f64::from(logit) - largest)).collect();
            let sum: f64 = powers.iter().sum();
            gradient.extend(powers.iter().enumerate().map(|(class, power)| {
                let right = if class == label as usize { 1.0 } else { 0.0 };
                ((power / sum - right) / labels.len() as f64) as f32
            }));
        }
        Ok((CpuStorage::F32(gradient), l1.shape().clone()))
    }
}
