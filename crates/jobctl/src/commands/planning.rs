//! From a grid file to a plan, with or without a coordinator.
//!
//! Everything wrong is told at once. The pack's facts come from a manifest that was named,
//! else from the coordinator, else from what is built in about well-known sets.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

use selffer_core::{
    grid::{self, Draft, GridErrors, Study},
    ids::JobKey,
    job::StateKind,
    limits::GRID_BYTES_MAX,
    pack::PackFacts,
    plan::Plan,
};

use super::data::manifest_at;
use crate::{
    args::{CommonArgs, PlanArgs},
    client::{Client, PackSelector},
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
    draft: Draft,
}

impl GridFile {
    /// Reads a file; what is wrong in it is told later, together with what the pack says.
    ///
    /// # Errors
    /// The file is not there, cannot be read or is not text.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let file_name = path.display().to_string();
        let text = read_text(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                Failure::new(Exit::NotFound, format!("{file_name} is not there")).into()
            }
            io::ErrorKind::InvalidData => {
                Failure::new(Exit::Usage, format!("{file_name} is not a text file")).into()
            }
            _ => anyhow::Error::new(error).context(format!("cannot read {file_name}")),
        })?;
        let draft = grid::read(&file_name, &text);
        Ok(Self { file_name, text, draft })
    }

    /// Fails if the file is wrong whatever the pack.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.draft.errors().map_or(Ok(()), |errors| Err(invalid(&errors)))
    }

    fn expand(&self, facts: &PackFacts) -> Result<Study, Failure> {
        self.draft.expand(facts).map_err(|errors| invalid(&errors))
    }
}

fn read_text(path: &Path) -> io::Result<String> {
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
pub(super) async fn with_what_is_at_hand(common: &CommonArgs, args: &PlanArgs) -> anyhow::Result<Plan> {
    let grid = GridFile::read(&args.file)?;
    let client = Client::connect_if_there(common).await;
    if let Some(path) = &args.manifest {
        let facts = PackFacts::from(&manifest_at(path)?);
        return plan(&grid, &facts, client.as_ref()).await;
    }
    if let Some(client) = &client {
        return with_coordinator(&grid, client).await;
    }
    let Some(dataset) = grid.draft.dataset() else {
        grid.check()?;
        return Err(unknown_pack("its dataset", &common.coordinator).into());
    };
    match PackFacts::well_known(dataset) {
        Some(facts) => plan(&grid, &facts, None).await,
        None => {
            grid.check()?;
            Err(unknown_pack(dataset, &common.coordinator).into())
        }
    }
}

/// Plans with a coordinator's pack and what it has trained already.
///
/// # Errors
/// The grid is wrong, or the coordinator has no such pack.
pub(super) async fn with_coordinator(grid: &GridFile, client: &Client) -> anyhow::Result<Plan> {
    let Some(dataset) = grid.draft.dataset() else {
        grid.check()?;
        return Err(unknown_pack("its dataset", client.address()).into());
    };
    match client.pack(&PackSelector::parse(dataset)).await? {
        Some(manifest) => plan(grid, &PackFacts::from(&manifest), Some(client)).await,
        None => {
            let known: Vec<String> = client.packs().await?.into_iter().map(|pack| pack.name).collect();
            Err(invalid(&grid.draft.without_pack(&known)).into())
        }
    }
}

async fn plan(grid: &GridFile, facts: &PackFacts, client: Option<&Client>) -> anyhow::Result<Plan> {
    let study = grid.expand(facts)?;
    let known = match client {
        Some(client) => Some(look_up(client, &study).await?),
        None => None,
    };
    Ok(Plan::of(&study, known.as_ref()))
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
