//! What each command does. One file a command.

mod acts;
mod checkpoint;
mod completions;
mod confirm;
mod data;
mod delete;
mod fleet;
mod gc;
mod grid;
mod lint;
mod list;
mod logs;
mod plan;
mod planning;
mod records;
mod report;
mod selector;
mod show;
mod submit;
mod watch;
mod workers;

use crate::{
    args::{Arguments, Command},
    client::Client,
    exit::Exit,
    output::Screen,
};

/// Does what was asked for.
pub(crate) async fn run(arguments: &Arguments, screen: &Screen) -> anyhow::Result<Exit> {
    let common = &arguments.common;
    match &arguments.command {
        Command::Plan(args) => plan::run(common, args, screen).await,
        Command::Lint(args) => lint::run(common, args, screen).await,
        Command::Submit(args) => submit::run(common, args, screen).await,
        Command::Checkpoint(command) => checkpoint::run(common, command, screen).await,
        Command::Data(command) => data::run(common, command, screen).await,
        Command::Grid(command) => grid::run(command, screen),
        Command::Completions(args) => completions::run(args.shell, screen),
        Command::List(args) => list::run(&Client::connect(common).await?, screen, &args.what).await,
        Command::Show(args) => show::run(&Client::connect(common).await?, screen, &args.selector).await,
        Command::Watch(args) => watch::watch(&Client::connect(common).await?, screen, &args.study).await,
        Command::Wait(args) => watch::wait(&Client::connect(common).await?, screen, args).await,
        Command::Pause(args) => acts::pause(common, screen, args).await,
        Command::Resume(args) => acts::resume(common, screen, args).await,
        Command::Stop(args) => acts::stop(common, screen, args).await,
        Command::Cancel(args) => acts::cancel(common, screen, args).await,
        Command::Hold(args) => acts::hold(&Client::connect(common).await?, screen, args).await,
        Command::Limit(args) => acts::limit(common, screen, args).await,
        Command::Deadline(args) => acts::deadline(common, screen, args).await,
        Command::Drain(args) => workers::drain(&Client::connect(common).await?, screen, args).await,
        Command::Release(args) => workers::release(&Client::connect(common).await?, screen, args).await,
        Command::Retry(args) => acts::retry(&Client::connect(common).await?, screen, args).await,
        Command::Prioritize(args) => acts::prioritize(common, screen, args).await,
        Command::Delete(args) => delete::run(common, args, screen).await,
        Command::Gc(args) => gc::run(&Client::connect(common).await?, args, screen).await,
        Command::Logs(args) => logs::run(&Client::connect(common).await?, screen, args).await,
        Command::Report(args) => report::run(&Client::connect(common).await?, screen, args).await,
    }
}
