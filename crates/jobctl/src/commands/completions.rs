//! `jobctl completions`: scripts that complete commands in a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{
    args::{Arguments, CompletionShell},
    exit::Exit,
    output::Screen,
};

/// Prints the script.
pub(crate) fn run(shell: CompletionShell, screen: &Screen) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(Shell::from(shell), &mut Arguments::command(), "jobctl", &mut script);
    screen.print(&String::from_utf8(script)?)?;
    Ok(Exit::Ok)
}
