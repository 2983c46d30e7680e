//! What a training runs on, and the name of its kind.
//!
//! Equal jobs give equal bits on equal kinds of device. This build computes on CPUs; asking
//! for a GPU is an error, never a silent fall back.

use std::fmt;

use crate::ops::instruction_set;

/// What a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceRequest {
    /// The CPU.
    Cpu,
    /// The GPU of this index.
    Gpu(u32),
}

/// A device that trainings can run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The CPU.
    Cpu,
}

/// Why a device cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// A GPU was asked for, and this program was built without CUDA.
    #[error("gpu {index} was asked for, but this program was built without CUDA: use --cpu")]
    WithoutCuda {
        /// The GPU's index.
        index: u32,
    },
}

/// The device that was asked for.
///
/// # Errors
/// When this machine or build does not have it; the text says what to do.
pub fn select_device(request: DeviceRequest) -> Result<Device, DeviceError> {
    match request {
        DeviceRequest::Cpu => Ok(Device::Cpu),
        DeviceRequest::Gpu(index) => Err(DeviceError::WithoutCuda { index }),
    }
}

/// The kind of device, e.g. `cpu x86-64-v4`: on one kind, equal jobs give equal bits.
///
/// For a CPU it is the instruction set that the operators use. Sums are made to have the same
/// bits with any, which is tested for those of one machine; whole trainings were not compared
/// between machines, so kinds stay apart.
#[must_use]
pub fn device_kind(device: Device) -> String {
    match device {
        Device::Cpu => format!("cpu {}", instruction_set()),
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&device_kind(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_without_cuda_is_refused_with_advice() {
        let error = select_device(DeviceRequest::Gpu(1)).unwrap_err();
        assert!(error.to_string().contains("--cpu"), "{error}");
    }
}
