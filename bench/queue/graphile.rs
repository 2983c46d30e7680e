//! The peer: graphile-worker, in its own process, in its own database of the same server.

use std::{path::Path, process::Command};

use selffer_storage::PrivateServer;
use selffer_tests::fleet::Fleet;
use serde_json::Value;

use crate::Trouble;

/// Jobs per second of an empty task, claimed one at a time.
pub(crate) fn jobs_per_s(fleet: &Fleet, folder: &Path, jobs: usize, workers: usize) -> Result<f64, Trouble> {
    let database =
        PrivateServer::of_another(&fleet.data_folder()).ok_or("the fleet has no server of its own")?;
    let socket = database.get_socket().ok_or("the server has no socket")?;
    let output = Command::new("node")
        .arg(folder.join("graphile.mjs"))
        .arg(socket)
        .args([database.get_username(), &jobs.to_string(), &workers.to_string()])
        .output()?;
    if !output.status.success() {
        return Err(format!("graphile-worker: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let said: Value = serde_json::from_slice(&output.stdout)?;
    Ok(said["jobs_per_s"].as_f64().ok_or("graphile-worker has not said its speed")?)
}

/// Which one it is.
pub(crate) fn version(folder: &Path) -> Result<Value, Trouble> {
    let text = std::fs::read_to_string(folder.join("node_modules/graphile-worker/package.json"))?;
    Ok(serde_json::from_str::<Value>(&text)?["version"].take())
}
