//! A batch, and filling one whose memory was used before.

use std::cell::RefCell;

use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Result, Tensor};

use crate::ops::values_mut;

/// Images and their labels, on the device.
pub(crate) struct Batch {
    /// `[N, H, W, C]`.
    pub(crate) images: Tensor,
    /// `[N]`.
    pub(crate) labels: Tensor,
}

impl Batch {
    /// A batch of this shape, its labels given, its images to be filled: in the memory of one
    /// that nobody needs any more, if that has the same shape.
    pub(super) fn with_room(
        labels: Vec<u32>,
        (side, channels): (usize, usize),
        used: Option<Self>,
    ) -> Result<Self> {
        let shape = (labels.len(), side, side, channels);
        let used = used.map(|used| used.images).filter(|images| images.shape() == &shape.into());
        let images = match used {
            Some(images) => images,
            None => {
                Tensor::from_vec(vec![0.0_f32; labels.len() * side * side * channels], shape, &Device::Cpu)?
            }
        };
        let count = labels.len();
        Ok(Self { images, labels: Tensor::from_vec(labels, count, &Device::Cpu)? })
    }

    /// Fills the images, all values at once, `[N, H, W, C]`.
    pub(super) fn fill(&self, fill: impl FnMut(&mut [f32])) -> Result<()> {
        self.images.inplace_op1(&Fill(RefCell::new(fill)))
    }
}

/// Writes a tensor's values where they lie.
struct Fill<F>(RefCell<F>);

impl<F: FnMut(&mut [f32])> InplaceOp1 for Fill<F> {
    fn name(&self) -> &'static str {
        "batch"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        (self.0.borrow_mut())(values_mut(storage, layout)?);
        Ok(())
    }
}
