//! `jobctl drain|release`: workers that are handed nothing, and again jobs.

use serde::Serialize;

use crate::{
    args::{DrainArgs, ReleaseArgs},
    client::{Client, Haste, WorkersActView},
    exit::Exit,
    output::{Screen, human},
};

/// Hands workers nothing new.
pub(crate) async fn drain(client: &Client, screen: &Screen, args: &DrainArgs) -> anyhow::Result<Exit> {
    let haste = if args.now { Haste::Now } else { Haste::None };
    let act = client.drain(&args.name, haste, args.reason.as_deref().unwrap_or_default()).await?;
    tell(screen, "drain", &act)
}

/// Hands workers jobs again.
pub(crate) async fn release(client: &Client, screen: &Screen, args: &ReleaseArgs) -> anyhow::Result<Exit> {
    let act = client.release(&args.name, args.reason.as_deref().unwrap_or_default()).await?;
    tell(screen, "release", &act)
}

#[derive(Serialize)]
struct WorkersActDocument<'a> {
    schema: &'static str,
    act: &'static str,
    name: &'a str,
    changed: bool,
    workers: &'a [String],
    running: u32,
    ending: u32,
    still: Option<&'a str>,
}

fn tell(screen: &Screen, verb: &'static str, act: &WorkersActView) -> anyhow::Result<Exit> {
    let document = WorkersActDocument {
        schema: "selffer.workers-act/v1",
        act: verb,
        name: &act.name,
        changed: act.changed,
        workers: &act.workers,
        running: act.running,
        ending: act.ending,
        still: act.still.as_deref(),
    };
    screen.item(&act.name, &document, &told(verb, act))?;
    Ok(Exit::Ok)
}

fn told(verb: &str, act: &WorkersActView) -> String {
    let name = &act.name;
    let was = if act.changed { "" } else { " already" };
    let mut text = match (verb, &act.still) {
        ("drain", _) => format!("{name} is{was} drained: nothing new is handed to it"),
        (_, Some(still)) => format!("{name} is still handed nothing: {still}"),
        _ => format!("{name} is{was} handed jobs"),
    };
    if verb == "drain" {
        let jobs = |count: u32| human::counted(count.into(), "job");
        match (act.running, act.ending) {
            (0, 0) => text.push_str("; it runs nothing"),
            (running, 0) => text.push_str(&format!("; {} on it to finish", jobs(running))),
            (_, ending) => text.push_str(&format!("; {} on it to stop after a checkpoint", jobs(ending))),
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_to_workers_is_told_in_a_sentence() {
        let act = WorkersActView {
            name: "node7".to_owned(),
            changed: true,
            workers: vec!["node7/gpu0".to_owned()],
            running: 0,
            ending: 0,
            still: None,
        };
        let finishing = WorkersActView { running: 2, ..act.clone() };
        let stopping = WorkersActView { ending: 1, ..act.clone() };
        let again = WorkersActView { changed: false, ..act.clone() };
        let still = WorkersActView { still: Some("node7 is drained".to_owned()), ..act.clone() };
        let told = [("drain", &act), ("drain", &finishing), ("drain", &stopping), ("release", &act)];
        let told = told.into_iter().chain([("release", &again), ("release", &still)]);
        let told: Vec<String> = told.map(|(verb, act)| super::told(verb, act)).collect();
        assert_eq!(
            told,
            [
                "node7 is drained: nothing new is handed to it; it runs nothing\n",
                "node7 is drained: nothing new is handed to it; 2 jobs on it to finish\n",
                "node7 is drained: nothing new is handed to it; 1 job on it to stop after a checkpoint\n",
                "node7 is handed jobs\n",
                "node7 is already handed jobs\n",
                "node7 is still handed nothing: node7 is drained\n",
            ]
        );
    }
}
