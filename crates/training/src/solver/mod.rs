//! The solver: Caffe's stochastic gradient descent, and its rates.

mod schedule;
mod sgd;

pub use schedule::{Rate, Rates};
pub use sgd::Sgd;
