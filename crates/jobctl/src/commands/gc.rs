//! `jobctl gc`: what is freed of the chunk store, and what is kept, and why.

use serde::Serialize;

use crate::{
    args::GcArgs,
    client::{Amount, Client, GarbageView, KeptView},
    exit::Exit,
    output::{Screen, human},
};

/// Frees, or says what would go.
pub(crate) async fn run(client: &Client, args: &GcArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let garbage =
        if args.dry_run { client.look_for_garbage().await? } else { client.collect_garbage().await? };
    let document = Document { schema: "selffer.gc/v1", dry_run: args.dry_run, garbage: &garbage };
    screen.item(&garbage.place, &document, &text(&garbage, args.dry_run))?;
    Ok(Exit::Ok)
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    dry_run: bool,
    #[serde(flatten)]
    garbage: &'a GarbageView,
}

fn text(garbage: &GarbageView, dry_run: bool) -> String {
    let (freed, noted) =
        if dry_run { ("would be freed", "of no manifest") } else { ("freed", "of no manifest, dropped now") };
    let wait = human::duration(garbage.keep_dropped_s);
    let mut facts = vec![
        (freed, amount(garbage.freed)),
        ("dropped", format!("{}; each goes after {wait}", amount(garbage.waiting))),
        (noted, amount(garbage.unknown)),
    ];
    let kept: Vec<(&str, String)> =
        garbage.kept.iter().map(|kept| (reason(&kept.what), counted(kept))).collect();
    facts.extend(kept);
    facts.push(("in the store", amount(garbage.stored)));
    if let Some(free) = garbage.free_bytes {
        let keep = human::bytes(garbage.keep_free_bytes);
        facts.push(("free on its disk", format!("{}; {keep} are kept free", human::bytes(free))));
    }
    if let Some(max) = garbage.intermediates_bytes_max {
        facts.push(("intermediates may take", human::bytes(max)));
    }
    human::facts(&garbage.place, &facts)
}

fn amount(amount: Amount) -> String {
    format!("{}, {}", human::counted(amount.chunks, "chunk"), human::bytes(amount.bytes))
}

fn counted(kept: &KeptView) -> String {
    format!("{}, {}", human::count(kept.count), human::bytes(kept.bytes))
}

/// Why it is kept.
fn reason(what: &str) -> &str {
    match what {
        "final" => "kept: trained networks, until deleted",
        "intermediate" => "kept: to go on from, until trained",
        "announced" => "kept: being sent",
        "damaged" => "kept: found damaged",
        "pack" => "kept: packs",
        "weights" => "kept: imported weights",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    fn garbage() -> GarbageView {
        let kept = |what: &str, count, bytes| KeptView { what: what.to_owned(), count, bytes };
        GarbageView {
            place: "/data/store".to_owned(),
            freed: Amount { chunks: 3, bytes: 20_000_000 },
            waiting: Amount { chunks: 1, bytes: 8_388_608 },
            unknown: Amount::default(),
            stored: Amount { chunks: 40, bytes: 300_000_000 },
            kept: vec![kept("final", 12, 250_000_000), kept("pack", 1, 31_000_000)],
            keep_dropped_s: 600.0,
            free_bytes: Some(40_000_000_000),
            keep_free_bytes: 2_147_483_648,
            intermediates_bytes_max: None,
        }
    }

    #[test]
    fn what_is_freed_and_kept_stands_in_one_column() {
        insta::assert_snapshot!(text(&garbage(), true));
    }

    #[test]
    fn it_is_told_to_programs_as_agreed() {
        let document = Document { schema: "selffer.gc/v1", dry_run: false, garbage: &garbage() };
        insta::assert_snapshot!(json::render(&document).unwrap());
    }
}
