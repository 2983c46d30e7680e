//! Training: one network, from its job's spec to its weights and accuracies.
//!
//! [`train()`] runs a whole job on one device and tells an [`Observer`] how it goes; it is
//! synchronous and knows no network and no coordinator. Equal jobs give equal bits on one
//! kind of device, for any number of threads and wherever they were stopped and resumed.
//! Where jobs come from and where checkpoints go is the worker's business.

pub mod bench;
mod checkpoint;
mod copy;
pub mod device;
mod error;
mod evaluate;
mod images;
mod means;
pub mod network;
pub mod ops;
pub mod solver;
mod train;
mod weights;

pub use checkpoint::{Checkpoint, CheckpointError, CheckpointLayer, LossSum};
pub use device::{Device, DeviceError, DeviceRequest, device_kind, select_device};
pub use error::TrainError;
pub use images::loaders_for;
pub use train::{Ended, Observer, Training, train};
pub use weights::{HostParameters, HostTensor, Parameters};
