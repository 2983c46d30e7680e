//! How fast devices have trained, for plans.

use selffer_core::plan::MeasuredSpeed;
use selffer_proto::v1::{self, list_device_speeds_response::DeviceSpeed};
use tonic::Status;

use super::{Service, status::of_store};

impl Service {
    /// The median speed of each kind of device on each network.
    pub(super) async fn device_speeds(&self) -> Result<v1::ListDeviceSpeedsResponse, Status> {
        let speeds = self.coordinator.store.device_speeds().await.map_err(|error| of_store(&error))?;
        let speed = |speed: MeasuredSpeed| DeviceSpeed {
            device_kind: speed.device_kind,
            network: speed.network,
            jobs: speed.jobs,
            flops_per_s: speed.flops_per_s,
        };
        Ok(v1::ListDeviceSpeedsResponse { speeds: speeds.into_iter().map(speed).collect() })
    }
}
