//! `jobctl submit`: a grid becomes a study.
//!
//! The grid is checked here first, so that mistakes are told before anyone is asked; the
//! coordinator checks and expands it again, and its word counts.

use serde::Serialize;

use super::{
    confirm::Consent,
    plan,
    planning::{self, GridFile},
    watch,
};
use crate::{
    ambient,
    args::{CommonArgs, FleetArgs, SubmitArgs},
    client::{Client, NewStudy, Submitted},
    exit::{Exit, Failure},
    output::{Screen, human},
};

/// Shows the plan, asks, submits, and follows if wanted.
pub(crate) async fn run(common: &CommonArgs, args: &SubmitArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let grid = GridFile::read(&args.file)?;
    let consent = Consent::of(args.yes);
    if !consent.can_be_had() {
        grid.check()?;
        let show = format!("`jobctl plan {}` shows what would be trained", args.file.display());
        consent.check("submitting", format!("add -y to submit without asking; {show}"))?;
    }
    let client = match Client::connect(common).await {
        Ok(client) => client,
        Err(error) => {
            grid.check()?;
            return Err(error);
        }
    };
    let plan = planning::with_coordinator(&grid, &client, &FleetArgs::default()).await?;
    if !screen.is_for_machines() {
        screen.note(plan::summary(&plan).trim_end())?;
    }
    if !consent.get(&format!("Submit {}?", human::counted(plan.jobs as u64, "network")))? {
        screen.note("nothing was submitted")?;
        return Ok(Exit::Ok);
    }
    let request_id = ambient::request_id();
    let study = NewStudy {
        grid_yaml: grid.text.clone(),
        file_name: grid.file_name.clone(),
        files: grid.files.clone(),
        as_name: args.as_name.clone(),
        extend: args.extend,
        priority: args.priority,
    };
    let submitted = client.submit(request_id, study).await;
    let submitted = submitted.map_err(|error| conflict_hint(error, args))?;
    set_terms(&client, &submitted.study, args).await?;
    tell(screen, &submitted, args.follow)?;
    if args.follow { watch::watch(&client, screen, &submitted.study).await } else { Ok(Exit::Ok) }
}

/// Acts of their own, after the submission: repeating the command does both again.
async fn set_terms(client: &Client, study: &str, args: &SubmitArgs) -> anyhow::Result<()> {
    if let Some(parallel) = args.parallel {
        client.limit(study, parallel, "").await?;
    }
    if let Some(deadline) = args.deadline {
        client.set_deadline(study, deadline, "").await?;
    }
    Ok(())
}

#[derive(Serialize)]
struct SubmitDocument<'a> {
    schema: &'static str,
    study: &'a str,
    existed: bool,
    jobs: u32,
    shared: u32,
    succeeded: u32,
    added: u32,
    reopened: u32,
}

fn tell(screen: &Screen, submitted: &Submitted, follow: bool) -> anyhow::Result<()> {
    let Submitted { study, existed, jobs, shared, succeeded, added, reopened } = submitted;
    let document = SubmitDocument {
        schema: "selffer.submit/v1",
        study,
        existed: *existed,
        jobs: *jobs,
        shared: *shared,
        succeeded: *succeeded,
        added: *added,
        reopened: *reopened,
    };
    let mut text = told(submitted);
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

fn told(submitted: &Submitted) -> String {
    let Submitted { study, existed, shared, succeeded, added, reopened, .. } = submitted;
    let jobs = human::counted(submitted.jobs.into(), "network");
    let mut text = match (existed, added) {
        (true, _) => format!("{study} was there already, with the same {jobs}"),
        (false, 0) => format!("submitted {study}: {jobs}"),
        (false, _) => format!("extended {study} by {added} to {jobs}"),
    };
    if *shared > 0 && !existed && *added == 0 {
        text.push_str(&format!(", {shared} shared with other studies"));
    }
    if *succeeded > 0 {
        text.push_str(&format!(", {succeeded} trained already"));
    }
    if *reopened > 0 {
        let verb = if *reopened == 1 { "starts" } else { "start" };
        text.push_str(&format!(", {reopened} {verb} anew"));
    }
    text
}

fn conflict_hint(error: anyhow::Error, args: &SubmitArgs) -> anyhow::Error {
    let file = args.file.display();
    match error.downcast::<Failure>() {
        Ok(failure) if failure.exit == Exit::Conflict && args.extend => {
            failure.hint("a study's networks never change: give those that differ a `label:`").into()
        }
        Ok(failure) if failure.exit == Exit::Conflict => {
            let add = format!(
                "`jobctl submit {file} --extend` adds networks that are new (one that differs needs a `label:`)"
            );
            failure.hint(format!("`--as NAME` submits it as another study; {add}")).into()
        }
        Ok(failure) if failure.exit == Exit::NotFound && args.extend => {
            failure.hint("without --extend it is submitted as a new study").into()
        }
        Ok(failure) => failure.into(),
        Err(error) => error,
    }
}
