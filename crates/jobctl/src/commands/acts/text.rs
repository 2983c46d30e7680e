//! The sentences of acts: what is asked before, and what is told after.

use selffer_core::job::StateKind;

use crate::{
    args::{Deadline, Parallel},
    client::{ActView, JobDetail, StudyView, iso},
    output::human,
};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Pause,
    Resume,
    Stop,
    Cancel,
    CancelJob,
    Retry,
    RetryJob,
    Hold,
    HoldJob,
    Limit(Parallel),
    Deadline(Deadline),
    Prioritize,
}

impl Verb {
    /// The command.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Cancel | Self::CancelJob => "cancel",
            Self::Retry | Self::RetryJob => "retry",
            Self::Hold | Self::HoldJob => "hold",
            Self::Limit(_) => "limit",
            Self::Deadline(_) => "deadline",
            Self::Prioritize => "prioritize",
        }
    }

    /// What it was done to.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::CancelJob | Self::RetryJob | Self::HoldJob => "job",
            _ => "study",
        }
    }
}

/// `paused` for `pause`.
pub(super) fn participle(verb: &str) -> &'static str {
    match verb {
        "pause" => "paused",
        "resume" => "resumed",
        "stop" => "stopped",
        "limit" => "limited",
        "deadline" => "given a deadline",
        _ => "given a priority",
    }
}

/// What is asked before a study is stopped.
pub(super) fn stop_question(study: &StudyView) -> String {
    format!("Stop {}? {}; what runs finishes.", study.name, left(study))
}

/// What is asked before a study is cancelled.
pub(super) fn cancel_question(study: &StudyView) -> String {
    let on_workers = on_workers(study);
    let running = match on_workers {
        0 => String::new(),
        _ => format!(", {on_workers} of them on workers"),
    };
    format!("Cancel {}? {}{running}; what other studies want goes on.", study.name, left(study))
}

/// What is asked before a job is cancelled; it names every study that wants it.
pub(super) fn cancel_job_question(job: &JobDetail) -> String {
    let studies: Vec<&str> =
        job.studies.iter().map(|of| of.split_once(':').map_or(of.as_str(), |(study, _)| study)).collect();
    match studies.as_slice() {
        [_] => format!("Cancel {}?", job.job.name),
        several => {
            let count = several.len();
            format!("Cancel {} for all {count} studies that want it: {}?", job.job.name, several.join(", "))
        }
    }
}

/// `8 networks copy from it (demo:random-0/A1B, …)`.
pub(super) fn copied_by(job: &JobDetail) -> String {
    let count = job.dependants_count;
    let verb = if count == 1 { "copies" } else { "copy" };
    let more = if job.dependants.len() < count as usize { ", …" } else { "" };
    let networks = human::counted(count.into(), "network");
    format!("{networks} {verb} from it ({}{more})", job.dependants.join(", "))
}

/// `12 of its 32 networks have not ended`.
fn left(study: &StudyView) -> String {
    let open = StateKind::ALL.into_iter().filter(|state| !state.is_terminal());
    let open: u32 = open.map(|state| study.count(state)).sum();
    format!("{open} of its {} have not ended", human::counted(study.jobs().into(), "network"))
}

fn on_workers(study: &StudyView) -> u32 {
    [StateKind::Leased, StateKind::Running, StateKind::Suspect].iter().map(|state| study.count(*state)).sum()
}

/// What an act came to, in a line or two.
pub(super) fn told(verb: Verb, act: &ActView) -> String {
    let name = &act.name;
    let was = if act.changed { "" } else { " already" };
    let interest = act.interest.as_str();
    let mut text = match verb {
        Verb::Pause => {
            let running = on_workers_do(act.running, "goes on", "go on");
            format!("{name} is{was} paused: nothing new is handed out{running}")
        }
        Verb::Resume => format!("{name} is{was} active"),
        Verb::Stop => {
            let running = on_workers_do(act.running, "finishes", "finish");
            format!("{name} is{was} stopped{}{running}", cancelled(act))
        }
        Verb::Cancel => {
            let ending = on_workers_do(act.ending, "ends after a checkpoint", "end after a checkpoint");
            format!("{name} is{was} cancelled{}{ending}", cancelled(act))
        }
        Verb::CancelJob if act.ending > 0 => format!("{name} is{was} cancelled: it ends after a checkpoint"),
        Verb::CancelJob if act.changed => format!("{name} is cancelled"),
        Verb::CancelJob => format!("{name} has ended already; nothing was changed"),
        Verb::Retry if act.reopened == 0 => format!("{name}: nothing to try again"),
        Verb::Retry => format!("{name}: {} anew", starts(act.reopened)),
        Verb::RetryJob if !act.changed => format!("{name}: nothing to try again"),
        Verb::RetryJob if act.reopened > 1 => format!("{name} starts anew, and its source network too"),
        Verb::RetryJob if act.reopened == 1 => format!("{name} starts anew"),
        Verb::RetryJob => format!("{name} goes on"),
        Verb::Hold if !act.changed => format!("{name} has nothing more to hold"),
        Verb::Hold => {
            let ending = on_workers_do(act.ending, "ends after a checkpoint", "end after a checkpoint");
            let held = human::counted(act.held.into(), "network");
            format!("{name}: {held} held until tried again{ending}")
        }
        Verb::HoldJob if !act.changed => format!("{name} has ended, or is held already; nothing was changed"),
        Verb::HoldJob if act.ending > 0 => {
            format!("{name} is held as soon as its worker has made a checkpoint")
        }
        Verb::HoldJob => format!("{name} is held until it is tried again"),
        Verb::Limit(Parallel(None)) => format!("{name} has{was} no limit"),
        Verb::Limit(Parallel(Some(most))) => {
            format!("{name} has{was} at most {} at work at once", human::counted(most.into(), "network"))
        }
        Verb::Deadline(Deadline::None) => format!("{name} has{was} no deadline"),
        Verb::Deadline(Deadline::At(at)) => format!("{name} is{was} stopped at {}", iso(at)),
        Verb::Deadline(Deadline::In(after)) => {
            format!("{name} is{was} stopped in {}", humantime::format_duration(after))
        }
        Verb::Prioritize => format!("{name} has{was} priority {}", act.priority),
    };
    if verb == Verb::Retry && interest != "active" {
        text.push_str(&format!("; the study is {interest}"));
    }
    text.push('\n');
    text.push_str(&others(verb, act));
    text
}

fn cancelled(act: &ActView) -> String {
    match act.cancelled {
        0 => String::new(),
        count => format!(": {} cancelled", human::counted(count.into(), "network")),
    }
}

fn on_workers_do(count: u32, one: &str, several: &str) -> String {
    match count {
        0 => String::new(),
        1 => format!(", 1 on a worker {one}"),
        _ => format!(", {count} on workers {several}"),
    }
}

fn starts(count: u32) -> String {
    let verb = if count == 1 { "starts" } else { "start" };
    format!("{} {verb}", human::counted(count.into(), "network"))
}

fn others(verb: Verb, act: &ActView) -> String {
    if act.others.is_empty() {
        return String::new();
    }
    if verb == Verb::CancelJob {
        let names: Vec<&str> = act.others.iter().map(|(study, _)| study.as_str()).collect();
        return format!("wanted by {}\n", names.join(", "));
    }
    if verb.kind() == "job" {
        return String::new();
    }
    let kept = act
        .others
        .iter()
        .map(|(study, jobs)| format!("  {study} keeps {}\n", human::counted(u64::from(*jobs), "network")));
    kept.collect()
}

#[cfg(test)]
mod tests {
    use selffer_core::interest::Interest;

    use super::*;

    fn act() -> ActView {
        ActView {
            name: "demo".to_owned(),
            changed: true,
            interest: Interest::Active,
            priority: 5,
            cancelled: 0,
            ending: 0,
            running: 0,
            held: 0,
            reopened: 0,
            others: Vec::new(),
        }
    }

    #[test]
    fn what_was_done_is_told_in_a_sentence() {
        let shared = vec![("again".to_owned(), 3)];
        let cases = [
            (Verb::Pause, ActView { running: 2, ..act() }),
            (Verb::Pause, ActView { changed: false, ..act() }),
            (Verb::Resume, act()),
            (Verb::Stop, ActView { cancelled: 12, running: 1, ..act() }),
            (Verb::Cancel, ActView { cancelled: 12, ending: 1, others: shared.clone(), ..act() }),
            (Verb::CancelJob, ActView { cancelled: 1, others: shared, ..act() }),
            (Verb::CancelJob, ActView { ending: 1, ..act() }),
            (Verb::Retry, ActView { reopened: 1, ..act() }),
            (Verb::Retry, ActView { changed: false, interest: Interest::Paused, ..act() }),
            (Verb::RetryJob, ActView { reopened: 2, ..act() }),
            (Verb::Hold, ActView { held: 3, ending: 1, ..act() }),
            (Verb::HoldJob, ActView { held: 1, ..act() }),
            (Verb::HoldJob, ActView { held: 1, ending: 1, ..act() }),
            (Verb::HoldJob, ActView { changed: false, ..act() }),
            (Verb::Limit(Parallel(Some(4))), act()),
            (Verb::Limit(Parallel(None)), ActView { changed: false, ..act() }),
            (Verb::Deadline(Deadline::In(std::time::Duration::from_secs(7_200))), act()),
            (Verb::Deadline(Deadline::None), act()),
            (Verb::Prioritize, act()),
        ];
        let told: String = cases.iter().map(|(verb, act)| told(*verb, act)).collect();
        insta::assert_snapshot!(told);
    }
}
