//! Points of an attempt's learning curve that the coordinator does not have yet.
//!
//! Bounded in memory however long the coordinator is away: what is beyond waits on disk, where
//! the trainer put it before it said it ([`crate::points`]), and is read when there is room.

use std::collections::VecDeque;

use selffer_core::{limits::METRIC_POINTS_IN_MEMORY_MAX, outcome::MetricPoint};

use crate::{folder::AttemptFolder, points};

/// Points in order of their sequence, each once.
#[derive(Debug)]
pub(crate) struct UnsentPoints {
    queue: VecDeque<MetricPoint>,
    // What has a smaller sequence was there already.
    next: u32,
    // What the queue had no room for lies here.
    folder: Option<AttemptFolder>,
    // Some lie only there.
    overflowed: bool,
    memory_max: usize,
}

impl Default for UnsentPoints {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            next: 0,
            folder: None,
            overflowed: false,
            memory_max: METRIC_POINTS_IN_MEMORY_MAX,
        }
    }
}

impl UnsentPoints {
    /// What there is no room for is found again in this folder.
    pub(crate) fn keep_in(&mut self, folder: AttemptFolder) {
        self.folder = Some(folder);
    }

    /// Adds a point. One that was there before is the same again: the trainer has gone over
    /// those iterations twice.
    pub(crate) fn add(&mut self, point: MetricPoint) {
        if point.sequence < self.next {
            return;
        }
        self.next = point.sequence + 1;
        self.overflowed |= self.queue.len() >= self.memory_max && self.folder.is_some();
        if !self.overflowed {
            self.queue.push_back(point);
        }
    }

    /// Every point with a smaller sequence is stored.
    pub(crate) fn stored(&mut self, stored: u32) {
        self.queue.retain(|point| point.sequence >= stored);
        if self.overflowed && self.queue.len() <= self.memory_max / 2 {
            self.refill(stored);
        }
    }

    /// How many there are; of those on disk only that there are any.
    pub(crate) fn count(&self) -> usize {
        self.queue.len() + usize::from(self.overflowed)
    }

    /// The oldest.
    pub(crate) fn oldest(&self, count: usize) -> Vec<MetricPoint> {
        self.queue.iter().take(count).copied().collect()
    }

    fn refill(&mut self, stored: u32) {
        let from = self.queue.back().map_or(stored, |point| point.sequence + 1);
        let on_disk = self.folder.as_ref().map(points::read).unwrap_or_default();
        let mut missing = on_disk.into_iter().filter(|point| point.sequence >= from).peekable();
        while self.queue.len() < self.memory_max
            && let Some(point) = missing.next()
        {
            self.queue.push_back(point);
        }
        self.overflowed = missing.peek().is_some();
    }
}

#[cfg(test)]
mod tests {
    use selffer_core::outcome::MetricValue;

    use super::*;
    use crate::points::PointsFile;

    fn point(sequence: u32) -> MetricPoint {
        MetricPoint { sequence, iteration: sequence, value: MetricValue::TrainingLoss(1.0) }
    }

    fn sequences(points: &[MetricPoint]) -> Vec<u32> {
        points.iter().map(|point| point.sequence).collect()
    }

    #[test]
    fn points_that_come_again_or_late_are_not_sent_again() {
        let mut unsent = UnsentPoints::default();
        (5..8).for_each(|sequence| unsent.add(point(sequence)));
        unsent.stored(7);
        [6, 7, 8, 3, 8, 9].into_iter().for_each(|sequence| unsent.add(point(sequence)));
        assert_eq!(sequences(&unsent.oldest(9)), [7, 8, 9]);
    }

    #[test]
    fn what_has_no_room_in_memory_comes_from_the_disk_and_nothing_is_lost_or_doubled() {
        let folder = tempfile::tempdir().unwrap();
        let folder = AttemptFolder::at(folder.path().to_owned());
        let mut unsent = UnsentPoints { memory_max: 10, ..UnsentPoints::default() };
        unsent.keep_in(folder.clone());
        let mut file = PointsFile::open(&folder).unwrap();
        let (mut sent, mut largest) = (Vec::new(), 0);

        for sequence in 0..95 {
            file.append(&point(sequence)).unwrap();
            unsent.add(point(sequence));
            largest = largest.max(unsent.queue.len());
        }
        while unsent.count() > 0 {
            let batch = sequences(&unsent.oldest(4));
            unsent.stored(batch.last().unwrap() + 1);
            largest = largest.max(unsent.queue.len());
            sent.extend(batch);
        }

        assert_eq!(sent, (0..95).collect::<Vec<_>>());
        assert_eq!(largest, 10);
    }

    #[test]
    fn without_a_disk_everything_stays_in_memory() {
        let mut unsent = UnsentPoints { memory_max: 2, ..UnsentPoints::default() };
        (0..5).for_each(|sequence| unsent.add(point(sequence)));
        assert_eq!(sequences(&unsent.oldest(9)), [0, 1, 2, 3, 4]);
    }
}
