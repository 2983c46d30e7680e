//! `jobctl grid`: what helps to write grid files and network files.

use selffer_core::{
    grid,
    network::{Network, file::to_yaml},
};

use crate::{
    args::GridCommand,
    exit::{Exit, Failure},
    output::{Screen, json},
};

/// Prints what was asked for.
pub(crate) fn run(command: &GridCommand, screen: &Screen) -> anyhow::Result<Exit> {
    match command {
        GridCommand::Network(args) => screen.print(&network(&args.preset)?)?,
        GridCommand::Schema => screen.print(&json::render(&grid::schema())?)?,
    }
    Ok(Exit::Ok)
}

/// A preset network as a file.
fn network(preset: &str) -> Result<String, Failure> {
    let network = Network::preset(preset)
        .ok_or_else(|| Failure::new(Exit::NotFound, format!("no network is called {preset:?}")))?;
    Ok(to_yaml(&network))
}
