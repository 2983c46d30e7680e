//! `jobctl pause|resume|stop|cancel|hold|retry|prioritize|limit|deadline`: what people do to
//! studies and jobs.
//!
//! What destroys something asks first, and names every study that it touches.

mod text;

use selffer_core::interest::InterestChange;
use serde::Serialize;

use self::text::Verb;
use super::{
    confirm::{self, Consent},
    selector::{self, Chosen},
};
use crate::{
    args::{
        CancelArgs, CommonArgs, DeadlineArgs, FateArg, HoldArgs, LimitArgs, PrioritizeArgs, RetryArgs,
        StopArgs, StudyActArgs,
    },
    client::{ActView, Client, JobDetail, Retry, StudyView},
    exit::{Exit, Failure},
    output::Screen,
};

/// What to do where nobody can be asked.
const HINT: &str = "add -y to do it without asking";

/// Hands out nothing new of a study.
pub(crate) async fn pause(common: &CommonArgs, screen: &Screen, args: &StudyActArgs) -> anyhow::Result<Exit> {
    check_is_study("pause", &args.study)?;
    let client = Client::connect(common).await?;
    let act = client.change_interest(&args.study, InterestChange::Pause, words(args.reason.as_ref())).await?;
    tell(screen, Verb::Pause, &act)
}

/// Goes on with a paused study.
pub(crate) async fn resume(
    common: &CommonArgs,
    screen: &Screen,
    args: &StudyActArgs,
) -> anyhow::Result<Exit> {
    check_is_study("resume", &args.study)?;
    let client = Client::connect(common).await?;
    let act =
        client.change_interest(&args.study, InterestChange::Resume, words(args.reason.as_ref())).await?;
    tell(screen, Verb::Resume, &act)
}

/// Hands out nothing of a study ever again.
pub(crate) async fn stop(common: &CommonArgs, screen: &Screen, args: &StopArgs) -> anyhow::Result<Exit> {
    check_is_study("stop", &args.act.study)?;
    let consent = Consent::of(args.yes);
    consent.check("stopping", HINT)?;
    let client = Client::connect(common).await?;
    let study = client.study(&args.act.study).await?;
    if !consent.get(&text::stop_question(&study))? {
        return unchanged(screen);
    }
    // By its name: "last" must not become another study while a person thinks.
    let reason = words(args.act.reason.as_ref());
    let act = client.change_interest(&study.name, InterestChange::Stop, reason).await?;
    tell(screen, Verb::Stop, &act)
}

/// Ends a study or a job after a checkpoint.
pub(crate) async fn cancel(common: &CommonArgs, screen: &Screen, args: &CancelArgs) -> anyhow::Result<Exit> {
    let (consent, reason) = (Consent::of(args.yes), words(args.reason.as_ref()));
    consent.check("cancelling", HINT)?;
    let client = Client::connect(common).await?;
    match selector::choose(&client, &args.selector).await? {
        Chosen::Study(study) => cancel_study(&client, screen, &study, (consent, reason)).await,
        Chosen::Job(job) => {
            let how = Cancelling { consent, dependants: args.dependants, reason };
            cancel_job(&client, screen, &job, how).await
        }
    }
}

async fn cancel_study(
    client: &Client,
    screen: &Screen,
    study: &StudyView,
    (consent, reason): (Consent, &str),
) -> anyhow::Result<Exit> {
    if !consent.get(&text::cancel_question(study))? {
        return unchanged(screen);
    }
    let act = client.change_interest(&study.name, InterestChange::Cancel, reason).await?;
    tell(screen, Verb::Cancel, &act)
}

/// How a job is cancelled.
struct Cancelling<'a> {
    consent: Consent,
    dependants: Option<FateArg>,
    reason: &'a str,
}

async fn cancel_job(
    client: &Client,
    screen: &Screen,
    job: &JobDetail,
    how: Cancelling<'_>,
) -> anyhow::Result<Exit> {
    let Cancelling { consent, dependants, reason } = how;
    let dependants = match dependants {
        _ if job.dependants_count == 0 => None,
        None if consent == Consent::Given => return Err(undecided(job).into()),
        None => Some(ask_of_dependants(job)?),
        Some(said) => Some(said),
    };
    if dependants == Some(FateArg::Keep) {
        let message = format!("{} stays: {}", job.job.name, text::copied_by(job));
        return Err(Failure::new(Exit::Conflict, message).into());
    }
    // Who was asked about its dependants has been asked.
    let asked = how.dependants.is_none() && dependants.is_some();
    if !asked && !consent.get(&text::cancel_job_question(job))? {
        return unchanged(screen);
    }
    let act = client.cancel_job(&key_of(job), dependants, reason).await?;
    tell(screen, Verb::CancelJob, &act)
}

fn undecided(job: &JobDetail) -> Failure {
    let message = format!("{}: what becomes of them?", text::copied_by(job));
    Failure::new(Exit::Usage, message).hint(
        "say --dependants cancel (them too), hold (until it is tried again) or keep (do not cancel it then)",
    )
}

fn ask_of_dependants(job: &JobDetail) -> anyhow::Result<FateArg> {
    let question = format!(
        "{} {}. Cancel them too, hold them until it is tried again, or keep it?",
        text::cancel_job_question(job),
        text::copied_by(job)
    );
    Ok(match confirm::choose(&question, &["cancel", "hold", "keep"])? {
        Some(0) => FateArg::Cancel,
        Some(1) => FateArg::Hold,
        _ => FateArg::Keep,
    })
}

/// Holds a study's jobs, or one.
pub(crate) async fn hold(client: &Client, screen: &Screen, args: &HoldArgs) -> anyhow::Result<Exit> {
    match selector::choose(client, &args.selector).await? {
        Chosen::Study(study) => {
            tell(screen, Verb::Hold, &client.hold_study(&study.name, &args.reason).await?)
        }
        Chosen::Job(job) => tell(screen, Verb::HoldJob, &client.hold_job(&key_of(&job), &args.reason).await?),
    }
}

/// Limits how many of a study's jobs are at work at once.
pub(crate) async fn limit(common: &CommonArgs, screen: &Screen, args: &LimitArgs) -> anyhow::Result<Exit> {
    check_is_study("limit", &args.study)?;
    let client = Client::connect(common).await?;
    let act = client.limit(&args.study, args.parallel, words(args.reason.as_ref())).await?;
    tell(screen, Verb::Limit(args.parallel), &act)
}

/// Says when a study is stopped.
pub(crate) async fn deadline(
    common: &CommonArgs,
    screen: &Screen,
    args: &DeadlineArgs,
) -> anyhow::Result<Exit> {
    check_is_study("deadline", &args.study)?;
    let client = Client::connect(common).await?;
    let act = client.set_deadline(&args.study, args.deadline, words(args.reason.as_ref())).await?;
    tell(screen, Verb::Deadline(args.deadline), &act)
}

/// Lets a study's jobs, or one, start anew.
pub(crate) async fn retry(client: &Client, screen: &Screen, args: &RetryArgs) -> anyhow::Result<Exit> {
    let reason = words(args.reason.as_ref());
    match selector::choose(client, &args.selector).await? {
        Chosen::Study(study) => {
            let which = if args.failed { Retry::Failed } else { Retry::Everything };
            let act = client.retry_study(&study.name, which, reason).await?;
            tell(screen, Verb::Retry, &act)
        }
        Chosen::Job(job) => {
            let act = client.retry_job(&key_of(&job), reason).await?;
            tell(screen, Verb::RetryJob, &act)
        }
    }
}

/// Gives a study another priority.
pub(crate) async fn prioritize(
    common: &CommonArgs,
    screen: &Screen,
    args: &PrioritizeArgs,
) -> anyhow::Result<Exit> {
    check_is_study("prioritize", &args.study)?;
    let client = Client::connect(common).await?;
    let act = client.prioritize(&args.study, args.priority, words(args.reason.as_ref())).await?;
    tell(screen, Verb::Prioritize, &act)
}

fn check_is_study(verb: &str, selector: &str) -> Result<(), Failure> {
    if !selector::names_a_job(selector) {
        return Ok(());
    }
    let failure = Failure::new(Exit::Usage, format!("only studies can be {}", text::participle(verb)));
    Err(failure.hint("name its study; `jobctl cancel` and `jobctl retry` take single networks"))
}

fn words(reason: Option<&String>) -> &str {
    reason.map_or("", String::as_str)
}

/// The whole key: no other job has it, whatever study is the last one.
fn key_of(job: &JobDetail) -> String {
    job.job.key.to_string()
}

fn unchanged(screen: &Screen) -> anyhow::Result<Exit> {
    screen.note("nothing was changed")?;
    Ok(Exit::Ok)
}

#[derive(Serialize)]
struct ActDocument<'a> {
    schema: &'static str,
    act: &'static str,
    kind: &'static str,
    name: &'a str,
    changed: bool,
    interest: &'static str,
    priority: i32,
    cancelled: u32,
    ending: u32,
    running: u32,
    held: u32,
    reopened: u32,
    others: Vec<OtherRecord<'a>>,
}

#[derive(Serialize)]
struct OtherRecord<'a> {
    study: &'a str,
    jobs: u32,
}

impl<'a> ActDocument<'a> {
    fn of(verb: Verb, act: &'a ActView) -> Self {
        Self {
            schema: "selffer.act/v1",
            act: verb.word(),
            kind: verb.kind(),
            name: &act.name,
            changed: act.changed,
            interest: act.interest.as_str(),
            priority: act.priority,
            cancelled: act.cancelled,
            ending: act.ending,
            running: act.running,
            held: act.held,
            reopened: act.reopened,
            others: act.others.iter().map(|(study, jobs)| OtherRecord { study, jobs: *jobs }).collect(),
        }
    }
}

fn tell(screen: &Screen, verb: Verb, act: &ActView) -> anyhow::Result<Exit> {
    screen.item(&act.name, &ActDocument::of(verb, act), &text::told(verb, act))?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use selffer_core::interest::Interest;

    use super::*;
    use crate::output::json;

    #[test]
    fn an_act_is_told_as_agreed() {
        let act = ActView {
            name: "demo".to_owned(),
            changed: true,
            interest: Interest::Cancelled,
            priority: 0,
            cancelled: 12,
            ending: 2,
            running: 1,
            held: 0,
            reopened: 0,
            others: vec![("again".to_owned(), 3)],
        };
        insta::assert_snapshot!(json::render(&ActDocument::of(Verb::Cancel, &act)).unwrap());
    }
}
