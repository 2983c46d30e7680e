//! `jobctl data split`: how a split divides the classes.

use std::collections::BTreeMap;

use selffer_core::{pack::PackFacts, spec::Half, split::SplitRule};
use serde::Serialize;

use super::find::{find_pack, local_folder};
use crate::{
    args::{CommonArgs, PackArg, SplitArgs},
    exit::{Exit, Failure},
    output::{
        Listing, Screen,
        table::{Column, Side},
    },
};

/// Prints every class with its half and its new label there.
pub(super) async fn run(common: &CommonArgs, args: &SplitArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let usage = |error| Failure::new(Exit::Usage, format!("{error}"));
    let rule: SplitRule = args.split.parse().map_err(usage)?;
    let classes = classes(common, args).await?;
    let halves = rule.halves(classes.count, &classes.groupings).map_err(usage)?;
    let records: Vec<ClassRecord> = halves.new_indices().into_iter().map(|row| classes.record(row)).collect();
    screen.list(&Listing {
        schema: "selffer.split/v1",
        key: "classes",
        records: &records,
        columns: &COLUMNS,
        name: |class| &class.name,
        when_empty: "no classes",
    })?;
    Ok(Exit::Ok)
}

/// One row of `selffer.split/v1`, and of the CSV.
#[derive(Serialize)]
struct ClassRecord {
    class_index: u32,
    half: Half,
    new_index: u32,
    #[serde(skip)]
    name: String,
}

const COLUMNS: [Column<ClassRecord>; 4] = [
    Column { title: "CLASS", side: Side::Right, cell: |class| class.class_index.to_string().into() },
    Column { title: "HALF", side: Side::Left, cell: |class| class.half.to_string().into() },
    Column { title: "NEW", side: Side::Right, cell: |class| class.new_index.to_string().into() },
    Column { title: "NAME", side: Side::Left, cell: |class| class.name.as_str().into() },
];

/// The classes to divide.
struct Classes {
    count: u32,
    groupings: BTreeMap<String, Vec<Half>>,
    /// By class index; empty where nobody knows them.
    names: Vec<String>,
}

impl Classes {
    fn record(&self, (class_index, half, new_index): (u32, Half, u32)) -> ClassRecord {
        let name = self.names.get(class_index as usize).cloned();
        ClassRecord { class_index, half, new_index, name: name.unwrap_or_else(|| class_index.to_string()) }
    }
}

async fn classes(common: &CommonArgs, args: &SplitArgs) -> anyhow::Result<Classes> {
    let Some(pack) = &args.pack else {
        // Clap demands one of the two.
        let count = args.classes.unwrap_or_default();
        return Ok(Classes { count, groupings: BTreeMap::new(), names: Vec::new() });
    };
    // A well-known set has the same classes everywhere; only a local pack knows their names.
    if let (None, Some(facts)) = (local_folder(pack, &args.packs), PackFacts::well_known(pack)) {
        let names = selffer_data::import::known_class_names(pack).unwrap_or_default();
        return Ok(Classes { count: facts.class_count, groupings: facts.groupings, names });
    }
    let manifest =
        find_pack(common, &PackArg { pack: pack.clone(), packs: args.packs.clone() }).await?.manifest;
    Ok(Classes {
        count: manifest.classes.len() as u32,
        groupings: manifest.groupings,
        names: manifest.classes.into_iter().map(|class| class.name).collect(),
    })
}
