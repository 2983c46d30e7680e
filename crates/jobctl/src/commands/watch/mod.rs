//! `jobctl watch` and `jobctl wait`: a study until it ends.
//!
//! A coordinator that goes away is waited for: the study goes on without us, and so do we.
//! Ctrl-C ends the watching only.

mod bars;
mod board;
mod lines;
mod text;

#[cfg(test)]
pub(crate) use self::board::tests as board_for_tests;

use std::time::{Duration, Instant};

use futures_util::StreamExt;

use self::{
    bars::Bars,
    board::{Board, Change},
    lines::Lines,
};
use crate::{
    args::WaitArgs,
    client::{Client, WatchStream},
    exit::{Exit, Failure},
    output::{Format, Screen, no_csv},
};

/// How long a coordinator that went away is waited for.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between two tries to reach it.
const TRY_INTERVAL: Duration = Duration::from_secs(1);

/// Shows a study until it ends.
pub(crate) async fn watch(client: &Client, screen: &Screen, study: &str) -> anyhow::Result<Exit> {
    if matches!(screen.format, Format::Csv | Format::Name) {
        return Err(no_csv().into());
    }
    tokio::select! {
        exit = follow(client, screen, study, Manner::Show) => exit,
        _ = tokio::signal::ctrl_c() => {
            screen.note(&format!("\nstopped watching; the study goes on. Again: jobctl watch {study}"))?;
            Ok(Exit::Interrupted)
        }
    }
}

/// Waits for a study to end, in silence.
pub(crate) async fn wait(client: &Client, screen: &Screen, args: &WaitArgs) -> anyhow::Result<Exit> {
    let ended = follow(client, screen, &args.study, Manner::Silent);
    let timeout = args.timeout.unwrap_or(Duration::MAX);
    tokio::select! {
        exit = tokio::time::timeout(timeout, ended) => match exit {
            Ok(exit) => exit,
            Err(_) => {
                let message = format!("{} had not ended after {}", args.study, humantime::format_duration(timeout));
                Err(Failure::new(Exit::NotFinished, message).hint(format!("jobctl watch {}", args.study)).into())
            }
        },
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

/// Whether the person wants to see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Show,
    Silent,
}

async fn follow(client: &Client, screen: &Screen, study: &str, manner: Manner) -> anyhow::Result<Exit> {
    let mut updates = client.watch(study).await?;
    let Some(first) = updates.next().await.transpose()? else {
        return Err(Failure::new(Exit::Runtime, "the coordinator ended the stream without an answer").into());
    };
    let mut board = Board::new(first);
    // "last" may mean another study by the time we ask again.
    let study = board.study().name.clone();
    if manner == Manner::Show && board.running().next().is_none() && !board.is_settled() {
        warn_without_workers(client, screen).await?;
    }
    let mut view = View::start(screen, &board, manner)?;
    while !board.is_settled() {
        match updates.next().await {
            Some(Ok(update)) => {
                let changes = board.update(update);
                view.show(screen, &board, &changes)?;
            }
            Some(Err(error)) if !is_away(&error) => return Err(error),
            Some(Err(_)) | None => {
                view.say(screen, "the coordinator went away; waiting for it")?;
                updates = watch_again(client, &study).await?;
            }
        }
    }
    view.finish(screen, &board)?;
    Ok(board.exit())
}

async fn warn_without_workers(client: &Client, screen: &Screen) -> anyhow::Result<()> {
    let (workers, _) = client.workers().await?;
    if workers.iter().any(|worker| worker.alive) {
        return Ok(());
    }
    screen.note("no worker is connected yet; start one with `workerd --cpu` or `workerd --gpu 0`")
}

/// A stream of a coordinator that comes back within [`PATIENCE`].
async fn watch_again(client: &Client, study: &str) -> anyhow::Result<WatchStream> {
    let give_up_at = Instant::now() + PATIENCE;
    loop {
        tokio::time::sleep(TRY_INTERVAL).await;
        match client.watch(study).await {
            Err(error) if is_away(&error) && Instant::now() < give_up_at => {}
            settled => return settled,
        }
    }
}

fn is_away(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.exit == Exit::Unreachable)
}

/// How the study is shown.
enum View {
    Bars(Bars),
    Lines(Lines),
    Json,
    Nothing,
}

impl View {
    fn start(screen: &Screen, board: &Board, manner: Manner) -> anyhow::Result<Self> {
        Ok(match (manner, screen.format) {
            (Manner::Silent, _) => Self::Nothing,
            (Manner::Show, Format::Json) => {
                print_json(screen, board)?;
                Self::Json
            }
            (Manner::Show, _) if screen.progress_on_terminal => Self::Bars(Bars::start(board)),
            (Manner::Show, _) => Self::Lines(Lines::start(screen, board)?),
        })
    }

    fn show(&mut self, screen: &Screen, board: &Board, changes: &[Change]) -> anyhow::Result<()> {
        match self {
            Self::Bars(bars) => bars.show(board, changes),
            Self::Lines(lines) => lines.show(screen, board, changes),
            Self::Json => print_json(screen, board),
            Self::Nothing => Ok(()),
        }
    }

    fn say(&self, screen: &Screen, line: &str) -> anyhow::Result<()> {
        match self {
            Self::Bars(bars) => bars.say(line),
            Self::Nothing => Ok(()),
            Self::Lines(_) | Self::Json => screen.note(line),
        }
    }

    fn finish(self, screen: &Screen, board: &Board) -> anyhow::Result<()> {
        match self {
            Self::Nothing | Self::Json => return Ok(()),
            Self::Bars(bars) => bars.finish()?,
            Self::Lines(_) => {}
        }
        screen.print(&format!("{}\n", text::farewell(board)))
    }
}

fn print_json(screen: &Screen, board: &Board) -> anyhow::Result<()> {
    let document = super::records::WatchDocument::of(board.study(), board.jobs());
    screen.print(&format!("{}\n", serde_json::to_string(&document)?))
}
