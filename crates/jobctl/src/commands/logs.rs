//! `jobctl logs`: what the trainer wrote about a job.

use std::time::Duration;

use crate::{
    args::LogsArgs,
    client::Client,
    exit::Exit,
    output::{Format, Screen, no_csv},
};

/// Between two looks at a log that grows.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Prints one attempt's log, else the newest's; with `--follow` until the job has ended.
pub(crate) async fn run(client: &Client, screen: &Screen, args: &LogsArgs) -> anyhow::Result<Exit> {
    if screen.format != Format::Table {
        return Err(no_form().into());
    }
    tokio::select! {
        exit = print_log(client, screen, args) => exit,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

async fn print_log(client: &Client, screen: &Screen, args: &LogsArgs) -> anyhow::Result<Exit> {
    let (mut offset, mut attempt) = (0, 0);
    loop {
        let mut piece = client.log(&args.job, args.attempt, offset).await?;
        if attempt != 0 && piece.attempt != attempt {
            screen.note(&format!("attempt {}", piece.attempt))?;
            piece = client.log(&args.job, args.attempt, 0).await?;
        }
        screen.print(&piece.text)?;
        let is_at_end = piece.text.is_empty();
        (offset, attempt) = (piece.next_offset, piece.attempt);
        if is_at_end && (piece.ended || !args.follow) {
            if offset == 0 {
                screen.note(if piece.ended { "nothing was logged" } else { "nothing was logged yet" })?;
            }
            return Ok(Exit::Ok);
        }
        if is_at_end {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
}

fn no_form() -> crate::exit::Failure {
    crate::exit::Failure { message: "a log is text and has no other form".to_owned(), hint: None, ..no_csv() }
}
