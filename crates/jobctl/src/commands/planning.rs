//! From a grid file to a plan, with or without a coordinator.
//!
//! Everything wrong is told at once. The pack's facts come from a manifest that was named,
//! else from the coordinator, else (where nothing is submitted) from what is built in about
//! well-known sets. Facts about imported weights come from the coordinator alone.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

use selffer_core::{
    grid::{self, Draft, GridErrors, GridFiles, Known, Study},
    ids::JobKey,
    job::StateKind,
    limits::GRID_BYTES_MAX,
    pack::PackFacts,
    plan::Plan,
    weights::WeightsFacts,
};

use super::{data::manifest_at, fleet};
use crate::{
    args::{CommonArgs, FleetArgs, GridArgs},
    client::{Client, ImportSelector},
    exit::{Exit, Failure},
    output::human,
};

/// What is read of a file at most: enough to say how much too large it is.
const READ_BYTES_MAX: u64 = 64 * GRID_BYTES_MAX as u64;

/// A grid file as far as it could be read.
pub(super) struct GridFile {
    /// Its name, for messages.
    pub(super) file_name: String,
    /// Its text.
    pub(super) text: String,
    /// The files that it names and that are there, by their paths as it gives them.
    pub(super) files: GridFiles,
    draft: Draft,
}

impl GridFile {
    /// Reads a file; what is wrong in it is told later, together with what the pack says.
    ///
    /// # Errors
    /// The file is not there, cannot be read or is not text.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let file_name = path.display().to_string();
        let text = read_text(path)?
            .ok_or_else(|| Failure::new(Exit::NotFound, format!("{file_name} is not there")))?;
        let files = files_of(path, &text)?;
        let draft = grid::read(&file_name, &text, &files);
        Ok(Self { file_name, text, files, draft })
    }

    /// Fails if the file is wrong whatever the pack.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.draft.errors().map_or(Ok(()), |errors| Err(invalid(&errors)))
    }

    fn expand(&self, known: Known<'_>) -> Result<Study, Failure> {
        self.draft.expand(known).map_err(|errors| invalid(&errors))
    }

    /// What is known about the imported weights that it names: from the coordinator all
    /// there is, without one nothing but their names.
    async fn weights(&self, client: Option<&Client>) -> anyhow::Result<BTreeMap<String, WeightsFacts>> {
        let mut known = BTreeMap::new();
        for name in self.draft.weights() {
            let Some(client) = client else {
                known.insert(name.to_owned(), only_named());
                continue;
            };
            match client.weights(&ImportSelector::parse(name)).await? {
                Some(manifest) => drop(known.insert(name.to_owned(), WeightsFacts::from(&manifest))),
                None => add_names(&mut known, client).await?,
            }
        }
        Ok(known)
    }
}

/// Weights of which nothing but the name is known.
fn only_named() -> WeightsFacts {
    WeightsFacts { digest: None, layers: Vec::new() }
}

/// Adds the names of all weights that there are, for a did-you-mean.
async fn add_names(known: &mut BTreeMap<String, WeightsFacts>, client: &Client) -> anyhow::Result<()> {
    for weights in client.all_weights().await? {
        known.entry(weights.name).or_insert_with(only_named);
    }
    Ok(())
}

/// The texts of the files beside a grid that it names; one that is not there is left out,
/// and the grid's errors say so at its place.
fn files_of(grid: &Path, text: &str) -> anyhow::Result<GridFiles> {
    let folder = grid.parent().unwrap_or(Path::new(""));
    let mut files = GridFiles::new();
    for given in grid::files_named(text) {
        if let Some(text) = read_text(&folder.join(&given))? {
            files.insert(given, text);
        }
    }
    Ok(files)
}

/// The text of a file; none if it is not there.
///
/// # Errors
/// It cannot be read or is not text.
fn read_text(path: &Path) -> anyhow::Result<Option<String>> {
    match read_start(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Ok(None),
            io::ErrorKind::InvalidData => {
                Err(Failure::new(Exit::Usage, format!("{} is not a text file", path.display())).into())
            }
            _ => Err(anyhow::Error::new(error).context(format!("cannot read {}", path.display()))),
        },
    }
}

fn read_start(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        // That it is too large matters more; the cut may also have gone through a character.
        Err(error) if error.as_bytes().len() > GRID_BYTES_MAX => {
            Ok(String::from_utf8_lossy(error.as_bytes()).into_owned())
        }
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

fn invalid(errors: &GridErrors) -> Failure {
    let mistakes = human::counted((errors.errors.len() + errors.left_out) as u64, "mistake");
    let rendered = format!("{}\n\n{mistakes} in {}; nothing was changed", errors.render(true), errors.file());
    Failure {
        code: "invalid_grid",
        rendered: Some(rendered),
        ..Failure::new(Exit::Usage, errors.to_string())
    }
}

/// Plans with whatever is at hand: a manifest, a coordinator if there is one, or what is
/// built in.
///
/// # Errors
/// The grid is wrong, or nobody knows its pack.
pub(super) async fn with_what_is_at_hand(
    common: &CommonArgs,
    args: &GridArgs,
    fleet: &FleetArgs,
) -> anyhow::Result<Plan> {
    let grid = GridFile::read(&args.file)?;
    let client = Client::connect_if_there(common).await;
    if let Some(path) = &args.manifest {
        let facts = PackFacts::from(&manifest_at(path)?);
        return plan(&grid, &facts, client.as_ref(), fleet).await;
    }
    let built_in = grid.draft.dataset().and_then(PackFacts::well_known);
    match (&client, built_in) {
        (Some(client), built_in) => with_pack_of(client, &grid, built_in, fleet).await,
        (None, Some(facts)) => plan(&grid, &facts, None, fleet).await,
        (None, None) => {
            grid.check()?;
            let dataset = grid.draft.dataset().unwrap_or("its dataset");
            Err(unknown_pack(dataset, &common.coordinator).into())
        }
    }
}

/// Plans with a coordinator's pack and what it has trained already.
///
/// # Errors
/// The grid is wrong, or the coordinator has no such pack.
pub(super) async fn with_coordinator(
    grid: &GridFile,
    client: &Client,
    fleet: &FleetArgs,
) -> anyhow::Result<Plan> {
    with_pack_of(client, grid, None, fleet).await
}

/// Plans with a coordinator; `built_in` does for a pack that it has not got.
async fn with_pack_of(
    client: &Client,
    grid: &GridFile,
    built_in: Option<PackFacts>,
    fleet: &FleetArgs,
) -> anyhow::Result<Plan> {
    let Some(dataset) = grid.draft.dataset() else {
        grid.check()?;
        return Err(unknown_pack("its dataset", client.address()).into());
    };
    let manifest = client.pack(&ImportSelector::parse(dataset)).await?;
    match manifest.as_ref().map(PackFacts::from).or(built_in) {
        Some(facts) => plan(grid, &facts, Some(client), fleet).await,
        None => {
            let known: Vec<String> = client.packs().await?.into_iter().map(|pack| pack.name).collect();
            Err(invalid(&grid.draft.without_pack(&known)).into())
        }
    }
}

async fn plan(
    grid: &GridFile,
    facts: &PackFacts,
    client: Option<&Client>,
    fleet: &FleetArgs,
) -> anyhow::Result<Plan> {
    let weights = grid.weights(client).await?;
    let study = grid.expand(Known { pack: facts, weights: &weights })?;
    let known = match client {
        // Without the pack's digest nobody knows the keys.
        Some(client) if study.pack.is_some() => Some(look_up(client, &study).await?),
        _ => None,
    };
    let fleet = fleet::of(client, fleet, &study.network).await?;
    Ok(Plan::of(&study, known.as_ref(), &fleet))
}

async fn look_up(client: &Client, study: &Study) -> anyhow::Result<BTreeMap<JobKey, StateKind>> {
    let keys: Vec<JobKey> = study.cells.iter().map(|cell| cell.key).collect();
    client.look_up_jobs(&keys).await
}

fn unknown_pack(dataset: &str, address: &str) -> Failure {
    Failure::new(
        Exit::Unreachable,
        format!(
            "{dataset} is not a well-known set, and no coordinator answers at {address} that might know it"
        ),
    )
    .hint("name its manifest with --manifest, or start a coordinator with `coordinatord`")
}
