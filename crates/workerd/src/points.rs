//! `metrics.jsonl`: the points of an attempt's learning curve, one a line.
//!
//! The trainer appends each point before it says it, so that a daemon that comes later can
//! send what an earlier one could not. A trainer that goes over the same iterations again
//! makes the same points, and adds only what is new. Bounded; what is beyond is not kept.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    path::PathBuf,
};

use selffer_core::outcome::MetricPoint;

use crate::{folder::AttemptFolder, planted, protocol::line};

const POINTS_FILE: &str = "metrics.jsonl";
/// The most bytes that are kept.
const POINTS_BYTES_MAX: u64 = 16 << 20;

/// The file, to append to.
#[derive(Debug)]
pub struct PointsFile {
    file: File,
    bytes: u64,
    // What has a smaller sequence is there.
    next: u32,
}

impl PointsFile {
    /// Opens the file of this attempt, made if missing; a line that was cut short goes.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(folder: &AttemptFolder) -> io::Result<Self> {
        let (points, bytes) = read_with_bytes(folder);
        let file = planted::options().append(true).create(true).open(path(folder))?;
        file.set_len(bytes)?;
        Ok(Self { file, bytes, next: points.last().map_or(0, |point| point.sequence + 1) })
    }

    /// Adds a point, unless it is there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn append(&mut self, point: &MetricPoint) -> io::Result<()> {
        let text = line(point);
        let bytes = self.bytes + text.len() as u64;
        if point.sequence < self.next || bytes > POINTS_BYTES_MAX {
            return Ok(());
        }
        // Half a line, from a full disk, would hide all that follows.
        self.file.write_all(text.as_bytes()).inspect_err(|_| drop(self.file.set_len(self.bytes)))?;
        (self.bytes, self.next) = (bytes, point.sequence + 1);
        Ok(())
    }
}

/// The points that are kept, as far as they can be read; none without a file.
#[must_use]
pub fn read(folder: &AttemptFolder) -> Vec<MetricPoint> {
    read_with_bytes(folder).0
}

// And how many bytes they take.
fn read_with_bytes(folder: &AttemptFolder) -> (Vec<MetricPoint>, u64) {
    let (mut points, mut bytes) = (Vec::new(), 0);
    let Ok(file) = File::open(path(folder)) else { return (points, bytes) };
    let mut lines = BufReader::new(file.take(POINTS_BYTES_MAX));
    let mut text = Vec::new();
    while let Ok(1..) = lines.read_until(b'\n', &mut text) {
        let Some(point) = text.strip_suffix(b"\n").and_then(|text| serde_json::from_slice(text).ok()) else {
            break;
        };
        points.push(point);
        bytes += text.len() as u64;
        text.clear();
    }
    (points, bytes)
}

fn path(folder: &AttemptFolder) -> PathBuf {
    folder.path().join(POINTS_FILE)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use selffer_core::outcome::MetricValue;

    use super::*;

    fn point(sequence: u32) -> MetricPoint {
        MetricPoint { sequence, iteration: 20 * sequence, value: MetricValue::TrainingLoss(0.1) }
    }

    #[test]
    fn points_are_kept_once_though_a_trainer_goes_over_them_again() {
        let folder = tempfile::tempdir().unwrap();
        let folder = AttemptFolder::at(folder.path().to_owned());
        let mut file = PointsFile::open(&folder).unwrap();
        (3..6).for_each(|sequence| file.append(&point(sequence)).unwrap());

        let mut again = PointsFile::open(&folder).unwrap();
        (4..8).for_each(|sequence| again.append(&point(sequence)).unwrap());

        assert_eq!(read(&folder), [3, 4, 5, 6, 7].map(point));
    }

    #[test]
    fn a_line_that_was_cut_short_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let folder = AttemptFolder::at(folder.path().to_owned());
        let text = line(&point(0)) + line(&point(1)).trim_end().split_at(9).0;
        fs::write(path(&folder), text).unwrap();
        assert_eq!(read(&folder), [point(0)]);

        PointsFile::open(&folder).unwrap().append(&point(1)).unwrap();

        assert_eq!(read(&folder), [0, 1].map(point));
    }
}
