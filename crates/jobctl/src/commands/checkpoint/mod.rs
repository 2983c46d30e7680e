//! `jobctl checkpoint`: whether what is recorded of a job is what it should be.

mod program;
#[cfg(test)]
mod tests;
mod told;
mod verify;
mod whole;

use crate::{
    args::{CheckpointCommand, CommonArgs},
    exit::Exit,
    output::Screen,
};

/// Does what was asked for.
pub(super) async fn run(
    common: &CommonArgs,
    command: &CheckpointCommand,
    screen: &Screen,
) -> anyhow::Result<Exit> {
    let CheckpointCommand::Verify(args) = command;
    tokio::select! {
        exit = verify::verify(common, args, screen) => exit,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}
