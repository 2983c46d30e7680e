//! The sentences of a watched study, the same on a terminal and in a pipe.

use selffer_core::{interest::Interest, job::StateKind};

use super::board::{Board, Change};
use crate::{
    client::{JobView, phase_word},
    output::human,
};

/// A line for a job whose state changed; none for states that say little.
pub(crate) fn change_line(change: &Change) -> Option<String> {
    let Change { job, before } = change;
    let name = &job.name;
    let reason = job.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let on = job.worker.as_deref().map(|worker| format!(" on {worker}")).unwrap_or_default();
    match job.state {
        StateKind::Running if *before == StateKind::Suspect => Some(format!("{name} goes on{on}")),
        StateKind::Running if job.attempt > 1 => Some(format!("{name} started{on}, attempt {}", job.attempt)),
        StateKind::Running => Some(format!("{name} started{on}")),
        StateKind::Succeeded => {
            let top1 = job.top1.map(|top1| format!(", {}", human::percent(top1))).unwrap_or_default();
            Some(format!("{name} succeeded{top1}"))
        }
        StateKind::Failed => Some(format!("{name} failed{reason}")),
        StateKind::Held => Some(format!("{name} is held{reason}")),
        StateKind::Cancelled => Some(format!("{name} was cancelled")),
        StateKind::Suspect => Some(format!("{name}: its worker is silent{on}")),
        StateKind::Ready if *before != StateKind::Waiting => {
            Some(format!("{name} will be started again{reason}"))
        }
        StateKind::Waiting | StateKind::Ready | StateKind::Leased => None,
    }
}

/// How far the study is, on one line.
pub(crate) fn summary_line(board: &Board) -> String {
    let study = board.study();
    let done = format!("{}/{} networks", board.count(StateKind::Succeeded), board.jobs().len());
    let mut parts = vec![done, human::percent(study.share_done())];
    if study.interest != Interest::Active {
        parts.push(study.interest.to_string());
    }
    parts.push(format!("{} running", board.running().count()));
    for (state, word) in [(StateKind::Failed, "failed"), (StateKind::Held, "held")] {
        let count = board.count(state);
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    if board.images_per_s() > 0.0 {
        parts.push(human::images_per_s(board.images_per_s()));
    }
    parts.push(time_left(study.eta_s, board.is_settled()));
    format!("{}: {}", study.name, parts.join(", "))
}

/// What a running job does, without its name.
pub(crate) fn job_line(job: &JobView) -> String {
    let mut parts = vec![job.phase.map_or(job.state.as_str(), phase_word).to_owned()];
    if job.images_per_s > 0.0 {
        parts.push(human::images_per_s(job.images_per_s.into()));
    }
    if let Some(top1) = job.top1 {
        parts.push(human::percent(top1));
    }
    if let Some(eta_s) = job.eta_s {
        parts.push(format!("{} left", human::duration(eta_s)));
    }
    parts.join(", ")
}

/// The last words about a settled study: how it went, what failed, what to do next.
pub(crate) fn farewell(board: &Board) -> String {
    let study = board.study();
    let name = &study.name;
    let given_up = if study.interest.keeps_jobs() { String::new() } else { format!(" {},", study.interest) };
    let mut lines = vec![format!(
        "{name}:{given_up} {} of {} networks trained in {}",
        board.count(StateKind::Succeeded),
        board.jobs().len(),
        human::duration(study.elapsed_s)
    )];
    let broken = |job: &&JobView| matches!(job.state, StateKind::Failed | StateKind::Held);
    for job in board.jobs().iter().filter(broken).take(BROKEN_SHOWN_MAX) {
        let reason = job.reason.as_deref().unwrap_or("no reason given");
        lines.push(format!("  {} {}: {reason}", job.name, job.state.as_str()));
    }
    let hidden = board.jobs().iter().filter(broken).count().saturating_sub(BROKEN_SHOWN_MAX);
    if hidden > 0 {
        lines.push(format!("  and {hidden} more: jobctl list jobs {name} --state failed,held"));
    }
    if !study.interest.keeps_jobs() {
        lines.push(format!("next: jobctl retry {name}"));
    } else if let Some(failed) = board.jobs().iter().find(|job| job.state == StateKind::Failed) {
        lines.push(format!("next: jobctl show {name}:{}", failed.name));
    } else {
        lines.push(format!("next: jobctl report {name} --out results"));
    }
    lines.join("\n")
}

/// How many failed and held jobs the last words name.
const BROKEN_SHOWN_MAX: usize = 5;

fn time_left(eta_s: Option<f64>, is_settled: bool) -> String {
    match eta_s {
        _ if is_settled => "ended".to_owned(),
        Some(eta_s) => format!("{} left", human::duration(eta_s)),
        None => "time left unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::board::tests::{board, job},
        *,
    };

    #[test]
    fn the_summary_says_how_far_how_fast_and_how_long() {
        let board = board(vec![
            job("random-0/baseA", StateKind::Succeeded),
            job("random-0/baseB", StateKind::Running),
            job("random-0/A1B", StateKind::Waiting),
        ]);
        assert_eq!(
            summary_line(&board),
            "demo: 1/3 networks, 40.0 %, 1 running, 412 images/s, 3 min 05 s left"
        );
    }

    #[test]
    fn a_running_job_tells_phase_speed_accuracy_and_time_left() {
        let line = job_line(&job("random-0/baseB", StateKind::Running));
        assert_eq!(line, "training, 412 images/s, 62.5 %, 1 min 15 s left");
    }

    #[test]
    fn a_job_that_is_tried_again_says_why() {
        let mut again = job("random-0/baseB", StateKind::Ready);
        again.reason = Some("worker node/cpu0 was lost".to_owned());
        let line = change_line(&Change { job: again, before: StateKind::Suspect });
        assert_eq!(line.unwrap(), "random-0/baseB will be started again: worker node/cpu0 was lost");
    }

    #[test]
    fn the_last_words_name_what_failed_and_the_next_command() {
        let mut failed = job("random-0/baseB", StateKind::Failed);
        failed.reason = Some("the loss is not finite at iteration 12".to_owned());
        let board = board(vec![job("random-0/baseA", StateKind::Succeeded), failed]);
        insta::assert_snapshot!(farewell(&board), @r"
        demo: 1 of 2 networks trained in 1 min 00 s
          random-0/baseB failed: the loss is not finite at iteration 12
        next: jobctl show demo:random-0/baseB
        ");
    }
}
