//! What workers say of the checkpoints they sent, and what the store holds.

use crate::{
    fleet::Fleet,
    invariants::{chunk_folder, files_below},
};

/// A checkpoint that a worker has published, as its log tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Whose.
    pub job_id: String,
    /// Whether it is the trained network.
    pub is_final: bool,
    /// Updates done.
    pub iteration: u64,
    /// Bytes that went over the wire.
    pub bytes_sent: u64,
    /// Bytes that it consists of.
    pub bytes_total: u64,
}

/// The checkpoints that a worker's log tells of, oldest first.
#[must_use]
pub fn published(log: &str) -> Vec<Upload> {
    let lines = log.lines().filter(|line| line.contains("checkpoint published"));
    lines.filter_map(upload).collect()
}

fn upload(line: &str) -> Option<Upload> {
    let field = |name: &str| {
        let value = line.split_once(&format!(" {name}="))?.1;
        value.split_whitespace().next()
    };
    Some(Upload {
        job_id: field("job_id")?.to_owned(),
        is_final: field("kind")? == "Final",
        iteration: field("iteration")?.parse().ok()?,
        bytes_sent: field("bytes_sent")?.parse().ok()?,
        bytes_total: field("bytes_total")?.parse().ok()?,
    })
}

/// Bytes of all chunks in a fleet's store.
#[must_use]
pub fn store_bytes(fleet: &Fleet) -> u64 {
    let files = files_below(&chunk_folder(fleet));
    files.iter().map(|file| file.metadata().map_or(0, |metadata| metadata.len())).sum()
}
