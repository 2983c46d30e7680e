//! What grids are made of: what each command takes.

use clap::{Args, Subcommand};

/// A command about grid files and network files.
#[derive(Debug, Subcommand)]
pub(crate) enum GridCommand {
    /// Print a preset network as a network file, to start one of your own from
    #[command(after_help = "\
Example:
  jobctl grid network caffenet-32 > my-network.yaml

Then name it in the grid, `network: ./my-network.yaml`; docs/networks.md tells what it may say.")]
    Network(NetworkArgs),
    /// Print the JSON Schema of grid files, for editors and other programs
    #[command(after_help = "\
Examples:
  jobctl grid schema > grid.schema.json
  check-jsonschema --schemafile grid.schema.json grid.yaml

Editors complete and check keys with `# yaml-language-server: $schema=grid.schema.json` as the
first line of a grid. What must hold between keys, and with a pack, `jobctl lint` tells.")]
    Schema,
}

/// Which preset.
#[derive(Args, Debug)]
pub(crate) struct NetworkArgs {
    /// The preset's name
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(selffer_core::network::PRESETS))]
    pub(crate) preset: String,
}
