//! How much of the chunk store's disk may be filled, and by what.
//!
//! Below the room that is to be kept free intermediate checkpoints are refused: the next one
//! comes soon. Below half of it everything is, so that the database beside it goes on. Each
//! answer is given from what the disk has at that moment, so room that people make counts at once.

use std::str::FromStr;

use selffer_artifacts::{ArtifactError, ChunkStore, Place, Room};
use selffer_core::limits::{CHUNK_BYTES_MAX, KEEP_FREE_GIB};
use tonic::Status;

const GIB: f64 = (1_u64 << 30) as f64;

/// Where chunks rest, and how much of it may be filled.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Chunk store")]
pub(crate) struct ChunkArgs {
    /// Where the chunks of packs and checkpoints are, if not in `store` of the data folder: a
    /// folder, or a bucket that speaks S3. A bucket's server and credentials come from AWS_*
    /// variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL).
    #[arg(long, global = true, env = "SELFFER_STORE", value_name = "DIR|s3://BUCKET/PREFIX")]
    pub(crate) store: Option<Place>,

    /// What stays free on the chunk store's disk, in GiB or percent of it: below it intermediate
    /// checkpoints are refused, below half of it everything is.
    #[arg(long, default_value = KEEP_FREE_GIB, value_name = "GIB|PERCENT")]
    pub(crate) keep_free: KeepFree,

    /// What intermediate checkpoints may take, of all jobs together, in GiB; without a bound
    /// unless it is said.
    #[arg(long, value_name = "GIB", value_parser = gib)]
    pub(crate) intermediates_max: Option<u64>,
}

/// What is to stay free.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum KeepFree {
    /// So many bytes.
    Bytes(u64),
    /// This share of the disk, 0 to 1.
    Share(f64),
}

impl FromStr for KeepFree {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(percent) = text.strip_suffix('%') else { return gib(text).map(Self::Bytes) };
        match percent.trim().parse::<f64>() {
            Ok(percent) if (0.0..100.0).contains(&percent) => Ok(Self::Share(percent / 100.0)),
            _ => Err(format!("{text:?} is not a percentage from 0% to less than 100%")),
        }
    }
}

fn gib(text: &str) -> Result<u64, String> {
    match text.trim().parse::<f64>() {
        Ok(gib) if (0.0..=1e9).contains(&gib) => Ok((gib * GIB) as u64),
        _ => Err(format!("{text:?} is not a number of GiB")),
    }
}

impl KeepFree {
    /// Of a disk of this size.
    pub(crate) fn bytes(self, total_bytes: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Share(share) => (share * total_bytes as f64) as u64,
        }
    }
}

/// How much room a store has, for what is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// For everything.
    Enough,
    /// For what cannot be done without.
    Low,
    /// For nothing.
    Full,
}

/// What is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Another one comes soon.
    Intermediate,
    /// A trained network, a pack, weights.
    Lasting,
}

/// How much room that is.
pub(crate) fn level(room: Room, keep_free: KeepFree) -> Level {
    let keep = keep_free.bytes(room.total_bytes);
    // Less than one chunk is none, whatever is to be kept.
    if room.free_bytes < (keep / 2).max(CHUNK_BYTES_MAX) {
        Level::Full
    } else if room.free_bytes < keep {
        Level::Low
    } else {
        Level::Enough
    }
}

fn takes(level: Level, need: Need) -> bool {
    match need {
        Need::Intermediate => level == Level::Enough,
        Need::Lasting => level <= Level::Low,
    }
}

/// What the store's disk has now; none for a bucket.
///
/// # Errors
/// The disk cannot be asked.
pub(crate) async fn room(chunks: &ChunkStore) -> Result<Option<Room>, ArtifactError> {
    let chunks = chunks.clone();
    let asked = tokio::task::spawn_blocking(move || chunks.room()).await;
    // Only a panic of ours ends it otherwise.
    asked.unwrap_or(Ok(None))
}

/// Whether there is room for this.
///
/// # Errors
/// `RESOURCE_EXHAUSTED`, with what to do.
pub(crate) fn check(
    place: &Place,
    room: Option<Room>,
    keep_free: KeepFree,
    need: Need,
) -> Result<(), Status> {
    let Some(room) = room else { return Ok(()) };
    if takes(level(room, keep_free), need) {
        return Ok(());
    }
    let what = match need {
        Need::Intermediate => "intermediate checkpoints are not taken",
        Need::Lasting => "nothing is taken",
    };
    let (free, keep) = (room.free_bytes, keep_free.bytes(room.total_bytes));
    Err(Status::resource_exhausted(format!(
        "{what}: {place} has {free} bytes free, and {keep} are to be kept: make room on the coordinator's \
         disk, uploads go on by themselves"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_free_is_said_in_gib_or_percent() {
        assert_eq!("2".parse(), Ok(KeepFree::Bytes(2 << 30)));
        assert_eq!("0.5".parse(), Ok(KeepFree::Bytes(1 << 29)));
        assert_eq!("5%".parse(), Ok(KeepFree::Share(0.05)));
        assert_eq!(KeepFree::Share(0.05).bytes(1_000), 50);
        for wrong in ["", "-1", "many", "100%", "-1%", "2GiB", "NaN", "inf"] {
            assert!(wrong.parse::<KeepFree>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn intermediate_ones_give_way_first_and_half_of_it_is_never_filled() {
        let keep = KeepFree::Bytes(1 << 30);
        for (free_bytes, expected) in [
            (1 << 30, (true, true)),
            ((1 << 30) - 1, (false, true)),
            (1 << 29, (false, true)),
            ((1 << 29) - 1, (false, false)),
            (0, (false, false)),
        ] {
            let level = level(Room { free_bytes, total_bytes: 1 << 40 }, keep);
            assert_eq!(
                (takes(level, Need::Intermediate), takes(level, Need::Lasting)),
                expected,
                "{free_bytes}"
            );
        }
    }

    #[test]
    fn a_disk_without_room_for_a_chunk_is_full_though_nothing_is_to_be_kept() {
        let room = Room { free_bytes: CHUNK_BYTES_MAX - 1, total_bytes: 1 << 40 };
        assert_eq!(level(room, KeepFree::Bytes(0)), Level::Full);
    }
}
