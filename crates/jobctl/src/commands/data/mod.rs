//! `jobctl data`: image sets, and weights that were trained elsewhere.

mod find;
mod import;
mod import_weights;
mod inspect;
mod push;
mod split;
mod weights;

use crate::{
    args::{CommonArgs, DataCommand},
    client::Client,
    exit::Exit,
    output::Screen,
};

pub(super) use find::manifest_at;

/// Does what was asked for.
pub(super) async fn run(common: &CommonArgs, command: &DataCommand, screen: &Screen) -> anyhow::Result<Exit> {
    match command {
        DataCommand::Import(args) => import::run(common, args, screen).await,
        DataCommand::ImportWeights(args) => import_weights::run(common, args, screen).await,
        DataCommand::Inspect(args) => inspect::inspect(common, args, screen).await,
        DataCommand::Verify(args) => inspect::verify(args, screen),
        DataCommand::Split(args) => split::run(common, args, screen).await,
        DataCommand::Push(args) => push::run(common, args, screen).await,
        DataCommand::List => {
            super::list::packs(&Client::connect(common).await?, screen).await?;
            Ok(Exit::Ok)
        }
    }
}
