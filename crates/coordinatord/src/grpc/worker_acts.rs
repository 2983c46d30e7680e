//! What people do to workers, as one act each.

use selffer_proto::v1;
use selffer_storage::{Drain, WorkersActed};
use tonic::Status;
use tracing::info;

use super::{Service, acts::By, status::of_store};
use crate::auth::Principal;

impl Service {
    pub(super) async fn drained_workers(
        &self,
        principal: Principal,
        message: v1::DrainWorkersRequest,
    ) -> Result<v1::WorkersAct, Status> {
        let by = By::new(principal, message.reason);
        let drain = if message.now { Drain::Now } else { Drain::WhenDone };
        let coordinator = self.coordinator.clone();
        let work = async move {
            let acted = coordinator.store.drain(&message.name, drain, &by.act()).await;
            let acted = acted.map_err(|error| of_store(&error))?;
            coordinator.changed();
            info!(%principal, name = acted.name, changed = acted.changed, "workers drained");
            Ok(on_the_wire(acted))
        };
        self.coordinator.act(work).await
    }

    pub(super) async fn released_workers(
        &self,
        principal: Principal,
        message: v1::ReleaseWorkersRequest,
    ) -> Result<v1::WorkersAct, Status> {
        let by = By::new(principal, message.reason);
        let coordinator = self.coordinator.clone();
        let work = async move {
            let acted = coordinator.store.release(&message.name, &by.act()).await;
            let acted = acted.map_err(|error| of_store(&error))?;
            coordinator.dispatcher.wake();
            coordinator.changed();
            info!(%principal, name = acted.name, changed = acted.changed, "workers released");
            Ok(on_the_wire(acted))
        };
        self.coordinator.act(work).await
    }
}

fn on_the_wire(acted: WorkersActed) -> v1::WorkersAct {
    let WorkersActed { name, changed, workers, running, ending, still } = acted;
    v1::WorkersAct { name, changed, workers, running, ending, still: still.unwrap_or_default() }
}
