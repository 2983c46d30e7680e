//! Training from outside: operators against PyTorch and against differences, and whole
//! trainings on small synthetic images.

// All of it is test code, also what stands outside the tests' functions.
#![allow(clippy::unwrap_used)]

mod coded;
mod coloured;
mod filled;
mod golden;
mod golden_networks;
mod gradients;
mod imported;
mod jobs;
mod means;
mod networks;
mod reference;
mod resume;
mod synthetic;
mod treatments;
