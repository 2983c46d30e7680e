//! The devices that a plan counts with: as the person said, else as the coordinator has them.

use std::num::NonZeroU32;

use selffer_core::plan::{self, Fleet, MeasuredSpeed, Speed, UnknownDevice};

use crate::{
    args::FleetArgs,
    client::Client,
    exit::{Exit, Failure},
};

/// The fleet, with speeds that the coordinator has measured, if there is one.
///
/// # Errors
/// The device that was named is unknown, or the coordinator does not answer.
pub(super) async fn of(client: Option<&Client>, args: &FleetArgs, network: &str) -> anyhow::Result<Fleet> {
    let measured = match client {
        Some(client) => client.device_speeds().await?,
        None => Vec::new(),
    };
    let speed = choose(&measured, args, network)?;
    let devices = match (args.gpus, client, &speed) {
        (Some(gpus), _, _) => Some(gpus),
        (None, Some(client), Some(speed)) => living(client, speed.device_kind()).await?,
        (None, _, _) => None,
    };
    Ok(Fleet { speed, devices })
}

fn choose(measured: &[MeasuredSpeed], args: &FleetArgs, network: &str) -> Result<Option<Speed>, Failure> {
    plan::choose(measured, args.gpu_model.as_deref(), network).map_err(|error: UnknownDevice| {
        Failure::new(Exit::Usage, error.to_string())
            .hint("a kind becomes known when one of its workers has trained a network for this coordinator")
    })
}

/// Living workers of this kind; none where there are none.
async fn living(client: &Client, device_kind: &str) -> anyhow::Result<Option<NonZeroU32>> {
    let (workers, _) = client.workers().await?;
    let living = workers.iter().filter(|worker| worker.alive && worker.device_kind == device_kind).count();
    Ok(u32::try_from(living).ok().and_then(NonZeroU32::new))
}
