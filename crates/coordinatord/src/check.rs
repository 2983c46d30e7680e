//! `coordinatord check`: whether everything stored is sound. Looks, and changes nothing.
//!
//! The rows are the store's audit; here the bytes are read, each chunk once. Beside a running
//! coordinator it looks through that one's PostgreSQL; otherwise it starts the private server
//! for as long as it looks.

use std::{
    collections::HashMap,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use selffer_artifacts::ChunkStore;
use selffer_core::{artifact::Manifest, ids::Digest, import::ImportKind};
use selffer_storage::{CheckpointState, PrivateServer, ServerConfig, Store};

use crate::{belonging, chunk_place, config::Config};

/// Checks, and says what is wrong.
///
/// # Errors
/// There is nothing to look at, or it cannot be reached.
pub(crate) async fn run(config: &Config) -> Result<ExitCode> {
    let folder = config.data_dir.as_path();
    let (store, server) = open(config, folder).await?;
    let checked = async {
        let mut problems: Vec<String> = store.violations().await?.iter().map(ToString::to_string).collect();
        let chunks = chunk_place::open(config)?;
        belonging::look(&store, &chunks).await?;
        let mut bytes = Bytes { chunks, seen: HashMap::new(), read: 0 };
        let artifacts = bytes.check_all(&store, &mut problems).await?;
        Ok::<_, anyhow::Error>((problems, artifacts, bytes))
    };
    let checked = checked.await;
    store.close().await;
    if let Some(server) = server {
        server.stop().await?;
    }
    let (problems, artifacts, bytes) = checked?;
    let (chunks, read) = (bytes.seen.len(), bytes.read);
    let mut text: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
    text += &match problems.len() {
        0 => format!("all is well: {artifacts} checkpoints and imports, {chunks} chunks, {read} bytes\n"),
        count => format!("{count} problems found\n"),
    };
    io::stdout().write_all(text.as_bytes()).context("cannot write")?;
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A look at the database; and the server, if it was started for that.
async fn open(config: &Config, folder: &Path) -> Result<(Store, Option<PrivateServer>)> {
    if let Some(url) = &config.database_url {
        return Ok((Store::look(Store::parse_url(url)?).await?, None));
    }
    let Some(running) = PrivateServer::of_another(folder) else {
        bail!("{} is no data folder of a coordinator; name it with --data-dir", folder.display());
    };
    match Store::look(running).await {
        Ok(store) => return Ok((store, None)),
        Err(error) if error.is_outage() => {}
        Err(error) => return Err(error.into()),
    }
    let server_config = ServerConfig { data_dir: folder.to_owned(), pg_bin: config.pg_bin.clone() };
    let server = PrivateServer::start(&server_config).await?;
    match Store::look(server.connect_options()).await {
        Ok(store) => Ok((store, Some(server))),
        Err(error) => {
            server.stop().await?;
            Err(error.into())
        }
    }
}

/// Chunks, each read once, however many artifacts share it.
struct Bytes {
    chunks: ChunkStore,
    /// What is wrong with it, if anything is.
    seen: HashMap<Digest, Option<String>>,
    read: u64,
}

impl Bytes {
    /// How many artifacts were looked at.
    async fn check_all(&mut self, store: &Store, problems: &mut Vec<String>) -> Result<usize> {
        let checkpoints = store.published_checkpoints().await?;
        let mut artifacts = checkpoints.len();
        for row in checkpoints {
            let Some(fault) = self.fault(&row.manifest).await? else { continue };
            // A running coordinator may have dropped it, or found it damaged, meanwhile.
            let still = store.checkpoint(row.checkpoint_id).await;
            if still.is_ok_and(|now| now.state == CheckpointState::Published) {
                let (id, job_id) = (row.checkpoint_id, row.claim.job_id);
                problems.push(format!("I6: job {job_id}: checkpoint {id} is published, but {fault}"));
            }
        }
        for kind in [ImportKind::Pack, ImportKind::Weights] {
            for row in store.imports(kind).await? {
                artifacts += 1;
                if let Some(fault) = self.fault(&row.objects).await? {
                    let names = row.names.join(", ");
                    problems.push(format!("I6: {} {names} is published, but {fault}", kind.as_str()));
                }
            }
        }
        Ok(artifacts)
    }

    /// The first thing that is wrong with a manifest's chunks.
    async fn fault(&mut self, manifest: &Manifest) -> Result<Option<String>> {
        for chunk in manifest.chunks() {
            if !self.seen.contains_key(&chunk.digest) {
                let fault = self.chunks.fault(chunk).await?;
                self.seen.insert(chunk.digest, fault.map(|fault| fault.to_string()));
                self.read += chunk.bytes;
            }
            if let Some(Some(fault)) = self.seen.get(&chunk.digest) {
                return Ok(Some(fault.clone()));
            }
        }
        Ok(None)
    }
}
