//! Statistics: paired differences, and estimates with intervals over splits.

mod estimate;
mod paired;

pub use estimate::{Estimate, Reason, mean};
pub use paired::{Contrast, Difference, Paired};
