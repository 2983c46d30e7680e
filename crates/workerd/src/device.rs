//! The devices that this daemon trains on, and what the coordinator hears of each.

use selffer_proto::v1;
use selffer_training::{DeviceError, device_kind, select_device};

use crate::{ambient, protocol::Device};

/// A device and the worker that it is to the coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `NODE/cpu0`, `NODE/gpu0`.
    pub worker: String,
    /// What the trainer is told.
    pub device: Device,
    /// Instruction-set level, or the GPU's model and precision: what results depend on.
    pub kind: String,
}

impl Place {
    /// The worker of this name on this device.
    ///
    /// # Errors
    /// There is no such device.
    pub fn find(worker: &str, device: Device) -> Result<Self, DeviceError> {
        let kind = device_kind(select_device(device.request())?);
        Ok(Self { worker: worker.to_owned(), device, kind })
    }

    /// As the coordinator is told.
    #[must_use]
    pub fn described(&self) -> v1::Device {
        let threads = match self.device {
            Device::Cpu { threads } => threads,
            Device::Gpu { .. } => 0,
        };
        v1::Device {
            worker: self.worker.clone(),
            kind: self.kind.clone(),
            threads: threads as u32,
            memory_bytes: ambient::memory_bytes(),
        }
    }
}
