//! `jobctl submit`: a grid becomes a study.
//!
//! The grid is checked here first, so that mistakes are told before anyone is asked; the
//! coordinator checks and expands it again, and its word counts.

use std::io::{self, BufRead, IsTerminal, Write};

use serde::Serialize;

use super::{
    plan,
    planning::{self, GridFile},
    watch,
};
use crate::{
    ambient,
    args::{CommonArgs, SubmitArgs},
    client::{Client, Submitted},
    exit::{Exit, Failure},
    output::{Screen, human},
};

/// Shows the plan, asks, submits, and follows if wanted.
pub(crate) async fn run(common: &CommonArgs, args: &SubmitArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let grid = GridFile::read(&args.file)?;
    if !args.yes && !io::stdin().is_terminal() {
        grid.check()?;
        return Err(nobody_to_ask(&args.file.display().to_string()).into());
    }
    let client = match Client::connect(common).await {
        Ok(client) => client,
        Err(error) => {
            grid.check()?;
            return Err(error);
        }
    };
    let plan = planning::with_coordinator(&grid, &client).await?;
    if !screen.is_for_machines() {
        screen.note(plan::summary(&plan).trim_end())?;
    }
    if !args.yes && !agreed(plan.jobs as u64)? {
        screen.note("nothing was submitted")?;
        return Ok(Exit::Ok);
    }
    let request_id = ambient::request_id();
    let submitted = client.submit(request_id, grid.text.clone(), grid.file_name.clone()).await;
    let submitted = submitted.map_err(|error| conflict_hint(error, &grid.file_name))?;
    tell(screen, &submitted, args.follow)?;
    if args.follow { watch::watch(&client, screen, &submitted.study).await } else { Ok(Exit::Ok) }
}

#[derive(Serialize)]
struct SubmitDocument<'a> {
    schema: &'static str,
    study: &'a str,
    existed: bool,
    jobs: u32,
    shared: u32,
    succeeded: u32,
}

fn tell(screen: &Screen, submitted: &Submitted, follow: bool) -> anyhow::Result<()> {
    let Submitted { study, existed, jobs, shared, succeeded } = submitted;
    let document = SubmitDocument {
        schema: "selffer.submit/v1",
        study,
        existed: *existed,
        jobs: *jobs,
        shared: *shared,
        succeeded: *succeeded,
    };
    let mut text = match existed {
        true => {
            format!("{study} was there already, with the same {}", human::counted((*jobs).into(), "network"))
        }
        false => format!("submitted {study}: {}", human::counted((*jobs).into(), "network")),
    };
    if *shared > 0 && !existed {
        text.push_str(&format!(", {shared} shared with other studies"));
    }
    if *succeeded > 0 {
        text.push_str(&format!(", {succeeded} trained already"));
    }
    if !follow {
        let next = if succeeded == jobs { "report" } else { "watch" };
        text.push_str(&format!("\nnext: jobctl {next} {study}"));
    }
    text.push('\n');
    if follow && screen.is_for_machines() {
        // The stream of `watch` documents follows; two forms in one output help nobody.
        return Ok(());
    }
    screen.item(study, &document, &text)
}

fn nobody_to_ask(file: &str) -> Failure {
    Failure::new(Exit::Usage, "submitting asks first, and there is no terminal to ask on")
        .hint(format!("add -y to submit without asking; `jobctl plan {file}` shows what would be trained"))
}

fn conflict_hint(error: anyhow::Error, file: &str) -> anyhow::Error {
    match error.downcast::<Failure>() {
        Ok(failure) if failure.exit == Exit::Conflict => {
            failure.hint(format!("give `study:` in {file} another name")).into()
        }
        Ok(failure) => failure.into(),
        Err(error) => error,
    }
}

/// Asks on the terminal; anything but yes is no.
fn agreed(jobs: u64) -> anyhow::Result<bool> {
    let mut stderr = anstream::stderr().lock();
    write!(stderr, "Submit {}? [y/N] ", human::counted(jobs, "network"))?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
