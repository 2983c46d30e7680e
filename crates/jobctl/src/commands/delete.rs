//! `jobctl delete`: the trained networks of a study or a job go, their results stay.
//!
//! Says first what would go, what stays for whom, and what was copied from it; then asks.

use selffer_proto::v1::DeleteNetworksResponse;
use serde::Serialize;

use super::{
    confirm::Consent,
    selector::{self, Chosen},
};
use crate::{
    args::{CommonArgs, DeleteArgs},
    client::{Client, Deletion},
    exit::Exit,
    output::{Screen, human},
};

/// Deletes, or says what would go.
pub(crate) async fn run(common: &CommonArgs, args: &DeleteArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let consent = Consent::of(args.yes);
    if !args.dry_run {
        consent.check("deleting", "add -y to do it without asking, or --dry-run to see what would go")?;
    }
    let client = Client::connect(common).await?;
    // By its name and its key: "last" must not become another study while a person thinks.
    let what = match selector::choose(&client, &args.selector).await? {
        Chosen::Study(study) => Deletion::Study(study.name.clone()),
        Chosen::Job(job) => Deletion::Job(job.job.key.to_string()),
    };
    let would = client.would_delete(&what).await?;
    if args.dry_run || would.checkpoints == 0 {
        tell(screen, Told::of(&what, &would, Done::No))?;
        return Ok(Exit::Ok);
    }
    if consent == Consent::Asked {
        screen.note(&text(Told::of(&what, &would, Done::No)))?;
    }
    if !consent.get("Delete?")? {
        screen.note("nothing was changed")?;
        return Ok(Exit::Ok);
    }
    let deleted = client.delete_networks(&what, args.reason.as_deref().unwrap_or_default()).await?;
    tell(screen, Told::of(&what, &deleted, Done::Yes))?;
    Ok(Exit::Ok)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Yes,
    No,
}

#[derive(Clone, Copy)]
struct Told<'a> {
    kind: &'static str,
    of: &'a DeleteNetworksResponse,
    done: Done,
}

impl<'a> Told<'a> {
    fn of(what: &Deletion, of: &'a DeleteNetworksResponse, done: Done) -> Self {
        let kind = match what {
            Deletion::Study(_) => "study",
            Deletion::Job(_) => "job",
        };
        Self { kind, of, done }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    kind: &'static str,
    name: &'a str,
    deleted: bool,
    networks: u32,
    checkpoints: u32,
    bytes: u64,
    unended: u32,
    needed: u32,
    copies: u32,
    others: Vec<OtherRecord<'a>>,
}

#[derive(Serialize)]
struct OtherRecord<'a> {
    study: &'a str,
    jobs: u32,
}

fn tell(screen: &Screen, told: Told<'_>) -> anyhow::Result<()> {
    let of = told.of;
    let document = Document {
        schema: "selffer.deletion/v1",
        kind: told.kind,
        name: &of.name,
        deleted: told.done == Done::Yes && of.checkpoints > 0,
        networks: of.networks,
        checkpoints: of.checkpoints,
        bytes: of.bytes,
        unended: of.unended,
        needed: of.needed,
        copies: of.copies,
        others: of.others.iter().map(|other| OtherRecord { study: &other.study, jobs: other.jobs }).collect(),
    };
    screen.item(&of.name, &document, &text(told))
}

fn text(told: Told<'_>) -> String {
    let of = told.of;
    let networks = |count: u32| human::counted(count.into(), "network");
    let mut lines = vec![match (of.checkpoints, told.done) {
        (0, _) => format!("{}: nothing to delete", of.name),
        (_, done) => {
            let verb = if done == Done::Yes { "deleted" } else { "would be deleted" };
            let checkpoints = human::counted(of.checkpoints.into(), "checkpoint");
            let bytes = human::bytes(of.bytes);
            format!(
                "{}: {checkpoints} of {}, {bytes} at most, {verb}; results stay",
                of.name,
                networks(of.networks)
            )
        }
    }];
    for other in &of.others {
        lines.push(match told.kind {
            "job" => format!("  also of study {}", other.study),
            _ => format!("  {} for study {}", stay(other.jobs), other.study),
        });
    }
    if of.unended > 0 {
        lines.push(format!("  {} that {} not ended", stay(of.unended), have(of.unended)));
    }
    if of.needed > 0 {
        lines.push(format!("  {}: networks copy from them that have not ended", stay(of.needed)));
    }
    if of.copies > 0 {
        let copies = networks(of.copies);
        lines.push(format!("  {copies} copied from these can no longer be compared with them byte by byte"));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn stay(count: u32) -> String {
    let verb = if count == 1 { "stays" } else { "stay" };
    format!("{} {verb}", human::counted(count.into(), "network"))
}

fn have(count: u32) -> &'static str {
    if count == 1 { "has" } else { "have" }
}

#[cfg(test)]
mod tests {
    use selffer_proto::v1::OtherStudy;

    use super::*;

    fn response() -> DeleteNetworksResponse {
        DeleteNetworksResponse {
            name: "old".to_owned(),
            networks: 3,
            checkpoints: 4,
            bytes: 1_500_000_000,
            ..Default::default()
        }
    }

    #[test]
    fn what_goes_and_what_stays_is_told_in_lines() {
        let others = vec![OtherStudy { study: "again".to_owned(), jobs: 2 }];
        let study =
            DeleteNetworksResponse { others: others.clone(), unended: 1, needed: 2, copies: 5, ..response() };
        let job = DeleteNetworksResponse {
            name: "old:random-0/baseA".to_owned(),
            networks: 1,
            others,
            ..response()
        };
        let nothing = DeleteNetworksResponse { networks: 0, checkpoints: 0, ..response() };
        let told: String =
            [("study", &study, Done::No), ("job", &job, Done::Yes), ("study", &nothing, Done::Yes)]
                .map(|(kind, of, done)| text(Told { kind, of, done }))
                .concat();
        insta::assert_snapshot!(told);
    }
}
