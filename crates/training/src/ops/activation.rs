//! What a learned operator does to its result before anybody sees it.

use super::{relu::rectified, simd::wide, tile::Finish};

/// Applied where the result is made, which saves a pass over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `max(0, y)`; not-a-number stays and is noticed in the loss.
    Rectifier,
}

impl Activation {
    pub(super) fn finish(self) -> Finish {
        match self {
            Self::Identity => Finish::Plain,
            Self::Rectifier => Finish::Rectified,
        }
    }

    /// Adds `bias` to `y`, value by value, and applies this.
    pub(super) fn apply(self, y: &mut [f32], bias: &[f32]) {
        wide(|| {
            for (y, bias) in y.iter_mut().zip(bias) {
                let sum = *y + bias;
                *y = if self == Self::Rectifier { rectified(sum) } else { sum };
            }
        });
    }
}
