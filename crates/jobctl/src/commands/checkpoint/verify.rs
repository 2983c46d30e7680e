//! `jobctl checkpoint verify`: reads a job's checkpoint byte by byte, and may have the job
//! trained again here to compare it with what is recorded.

use std::collections::BTreeSet;

use anyhow::Context;
use selffer_core::{
    identity::job_key,
    replay::{self, Recorded},
    spec::JobSpec,
};

use super::{
    program::{Program, Task},
    told::{self, Replayed},
    whole::{Whole, read_whole},
};
use crate::{
    args::{CommonArgs, Iterations, VerifyArgs},
    client::{Client, ImportSelector, JobDetail},
    exit::{Exit, Failure},
    output::{Format, Screen, no_csv},
};

/// Verifies, and tells what.
pub(super) async fn verify(common: &CommonArgs, args: &VerifyArgs, screen: &Screen) -> anyhow::Result<Exit> {
    // First what is wrong on this side.
    if screen.format == Format::Csv {
        return Err(no_csv().into());
    }
    let program = args.replay.map(|_| Program::find(args.workerd.as_deref())).transpose()?;
    let client = Client::connect(common).await?;
    let detail = client.job(&args.job).await?;
    let spec = spec_of(&detail)?;
    if detail.attempts.is_empty() {
        return Err(nothing(&detail, "no worker has begun to train it").into());
    }
    let reach = args.replay.map(|asked| reach(&detail, spec.recipe.iterations, asked)).transpose()?;
    if reach.is_some() {
        check_inputs(&client, &detail, &spec).await?;
    }
    let whole = read_kept(&client, screen, &detail, &spec).await?;
    if whole.is_none() && reach.is_none() {
        return Err(nothing(&detail, "its worker has not sent a checkpoint").into());
    }
    let replayed = match (program, reach) {
        (Some(program), Some(reach)) => Some(replay(common, args, screen, (&program, &detail, reach)).await?),
        _ => None,
    };
    told::tell(screen, &detail, whole.as_ref(), replayed.as_ref())?;
    match replayed.and_then(|replayed| replayed.broken()) {
        Some(difference) => Err(not_as_recorded(&detail.job.name, &difference).into()),
        None => Ok(Exit::Ok),
    }
}

fn not_as_recorded(name: &str, difference: &str) -> Failure {
    let message = format!("{name} is not what was recorded: {difference}");
    Failure { code: "differs", ..Failure::new(Exit::Runtime, message) }
}

fn nothing(detail: &JobDetail, why: &str) -> Failure {
    let JobDetail { job, .. } = detail;
    let message = format!("nothing is recorded of {}, which is {}: {why} yet", job.name, job.state.as_str());
    Failure::new(Exit::NotFound, message).hint("`jobctl show JOB` tells what became of it")
}

/// The spec, which is what the key says.
fn spec_of(detail: &JobDetail) -> anyhow::Result<JobSpec> {
    let name = &detail.job.name;
    let spec: JobSpec = serde_json::from_str(&detail.spec_json).with_context(|| {
        format!("the spec of {name} cannot be read; is jobctl as new as the coordinator?")
    })?;
    let (expected, found) = (detail.job.key, job_key(&spec));
    if found != expected {
        let problem = format!("its spec is that of {found}, its key is {expected}");
        return Err(not_as_recorded(name, &problem).into());
    }
    Ok(spec)
}

/// How far there is something to compare a replay with.
fn reach(detail: &JobDetail, all: u32, asked: Iterations) -> Result<u32, Failure> {
    let (name, points) = (&detail.job.name, &detail.metrics);
    let iterations = asked.of(all);
    if iterations > all {
        let message = format!("--replay: {iterations} is not in 1..={all}, the iterations of {name}");
        return Err(Failure::new(Exit::Usage, message));
    }
    // A result is there to be compared even if the curve's last points were lost.
    let end = detail.job.result.as_ref().filter(|_| iterations == all).map(|_| all);
    end.or_else(|| replay::reach(points, iterations)).ok_or_else(|| {
        let message = format!("nothing is recorded of {name} up to iteration {iterations}");
        let failure = Failure::new(Exit::NotFound, message);
        match points.iter().map(|point| point.iteration).min() {
            Some(first) => failure.hint(format!("its first point is there: --replay {first}")),
            None => failure.hint("its worker has sent no point of its learning curve yet"),
        }
    })
}

/// Whether all is there that a replay reads: else nobody needs to start one.
async fn check_inputs(client: &Client, detail: &JobDetail, spec: &JobSpec) -> anyhow::Result<()> {
    let gone = |what: String| {
        let message = format!("{} cannot be trained again: {what}", detail.job.name);
        Err(Failure::new(Exit::NotFound, message).into())
    };
    if client.pack(&ImportSelector::Digest(spec.pack)).await?.is_none() {
        return gone(format!("its pack {} ({}) is not in the store", detail.dataset, spec.pack));
    }
    if let (Some(source), None) = (&spec.source, &detail.source_checkpoint_id) {
        let name = detail.source_name.clone().unwrap_or_else(|| source.job.to_string());
        return gone(format!("the final checkpoint of {name}, which it copies from, is gone"));
    }
    if let Some(imported) = spec.imported
        && client.weights(&ImportSelector::Digest(imported.weights)).await?.is_none()
    {
        return gone(format!("the weights {} that it copies from are not in the store", imported.weights));
    }
    Ok(())
}

/// The final checkpoint, or the newest intermediate one; none if none is kept.
async fn read_kept(
    client: &Client,
    screen: &Screen,
    detail: &JobDetail,
    spec: &JobSpec,
) -> anyhow::Result<Option<Whole>> {
    let newest = detail.intermediates.first().map(|(id, _)| id);
    let Some(id) = detail.final_checkpoint_id.as_ref().or(newest) else { return Ok(None) };
    read_whole(client, screen, id, (detail, spec)).await.map(Some)
}

async fn replay(
    common: &CommonArgs,
    args: &VerifyArgs,
    screen: &Screen,
    (program, detail, iterations): (&Program, &JobDetail, u32),
) -> anyhow::Result<Replayed> {
    let JobDetail { job, metrics, .. } = detail;
    let asked = args.replay.map_or(iterations, |asked| asked.of(job.iterations));
    if asked > iterations {
        screen.note(&format!(
            "nothing is recorded between iterations {iterations} and {asked}: {iterations} it is"
        ))?;
    }
    let task = Task { key: job.key, iterations, threads: args.threads };
    let replay = program.replay(common, screen, &task).await?;
    let device = device_of(detail);
    let recorded = Recorded { device: &device, points: metrics, result: job.result.as_ref() };
    let comparison = replay::compare(&recorded, &replay);
    Ok(Replayed { recorded_device: device, replay, comparison })
}

/// The kind of device that the learning curve is from. Of a job that has not succeeded and moved
/// all its kinds, so that none is taken for the same.
fn device_of(detail: &JobDetail) -> String {
    if let Some(result) = &detail.job.result {
        return result.device_kind.clone();
    }
    let kinds: BTreeSet<&str> = detail.attempts.iter().map(|attempt| attempt.device_kind.as_str()).collect();
    kinds.into_iter().collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use selffer_core::outcome::{MetricPoint, MetricValue};

    use super::*;
    use crate::commands::show::detail_for_tests;

    #[test]
    fn a_replay_goes_as_far_as_there_is_something_to_compare() {
        let value = MetricValue::TrainingLoss(1.0);
        let point = |iteration| MetricPoint { sequence: iteration, iteration, value };
        let mut detail = JobDetail { metrics: [20, 40].map(point).into(), ..detail_for_tests() };
        let first = |count| Iterations::First(NonZeroU32::new(count).unwrap());

        assert_eq!(reach(&detail, 50, Iterations::All).unwrap(), 50, "the result is there");
        assert_eq!(reach(&detail, 50, first(49)).unwrap(), 40);
        assert_eq!(reach(&detail, 50, first(39)).unwrap(), 20);
        let too_far = reach(&detail, 50, first(51)).unwrap_err();
        assert_eq!(too_far.exit, Exit::Usage);
        assert_eq!(too_far.message, "--replay: 51 is not in 1..=50, the iterations of random-0/A1B");
        let too_near = reach(&detail, 50, first(19)).unwrap_err();
        assert_eq!(too_near.hint.as_deref(), Some("its first point is there: --replay 20"));

        detail.job.result = None;
        assert_eq!(reach(&detail, 50, Iterations::All).unwrap(), 40);
        detail.metrics.clear();
        assert_eq!(reach(&detail, 50, Iterations::All).unwrap_err().exit, Exit::NotFound);
    }
}
