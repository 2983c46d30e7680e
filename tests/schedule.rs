//! A seeded schedule of deaths: who is killed, when, and how soon it is started again.
//!
//! A pure function of the seed. Every schedule kills every kind of process, and every two
//! kinds at once; the seed decides order, moments and delays. Moments are marks in the
//! fleet's own work, not on a clock, so that a slow machine is hit at the same places.

use std::time::Duration;

/// Somebody who can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The coordinator.
    Coordinator,
    /// The daemon of this worker.
    Worker(usize),
    /// The child of this worker's daemon, while there is one.
    Trainer(usize),
    /// The private PostgreSQL's first process.
    Database,
}

/// When a strike falls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    /// This share of all iterations is done.
    Work(f64),
    /// A trainer has just ended its work: its network is about to be sent, published, completed.
    Completion,
    /// What the strike before has killed is just being started again.
    StartUp,
}

/// One or two deaths at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Strike {
    /// When.
    pub moment: Moment,
    /// How long after that.
    pub after: Duration,
    /// Who.
    pub victims: Vec<Victim>,
    /// For each of them, how long it stays dead, if it is the service manager's to start.
    pub dead_for: Vec<Duration>,
}

use Victim::{Coordinator, Database, Trainer, Worker};

/// Who dies in every schedule: 19 alone, and 10 pairs.
const DEATHS: [&[Victim]; 29] = [
    &[Coordinator],
    &[Coordinator],
    &[Coordinator],
    &[Coordinator],
    &[Coordinator],
    &[Database],
    &[Database],
    &[Database],
    &[Database],
    &[Worker(0)],
    &[Worker(0)],
    &[Worker(0)],
    &[Worker(1)],
    &[Worker(1)],
    &[Worker(1)],
    &[Trainer(0)],
    &[Trainer(0)],
    &[Trainer(1)],
    &[Trainer(1)],
    &[Coordinator, Database],
    &[Coordinator, Worker(0)],
    &[Coordinator, Trainer(1)],
    &[Database, Worker(1)],
    &[Database, Trainer(0)],
    &[Worker(0), Worker(1)],
    &[Worker(1), Trainer(1)],
    &[Worker(0), Trainer(1)],
    &[Trainer(0), Trainer(1)],
    &[Coordinator, Worker(1)],
];

/// The last strike falls before this share of the work is done.
const LAST_SHARE: f64 = 0.9;

/// The schedule of this seed, for two workers.
#[must_use]
pub fn schedule(seed: u64) -> Vec<Strike> {
    let mut random = Random::new(seed);
    let mut deaths = DEATHS;
    random.shuffle(&mut deaths);
    let count = deaths.len() as f64;
    let strikes = deaths.into_iter().enumerate().map(|(index, victims)| {
        let share = LAST_SHARE * (index as f64 + random.unit()) / count;
        let (moment, after_max_ms) = match random.below(100) {
            0..25 => (Moment::Completion, 150),
            25..45 if index > 0 => (Moment::StartUp, 500),
            _ => (Moment::Work(share), 700),
        };
        let after = Duration::from_millis(random.below(after_max_ms));
        let dead_for = victims.iter().map(|_| random.death()).collect();
        Strike { moment, after, victims: victims.to_vec(), dead_for }
    });
    strikes.collect()
}

/// Pseudo-random numbers (SplitMix64, Steele et al. 2014): a schedule needs no better ones.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number in `0..1`.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 * 2f64.powi(-53)
    }

    /// Puts them in any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    // Mostly short; now and then so long that a worker is given up.
    fn death(&mut self) -> Duration {
        let (from_ms, range_ms) = match self.below(8) {
            0 => (5_500, 1_500),
            1..4 => (0, 100),
            _ => (100, 1_400),
        };
        Duration::from_millis(from_ms + self.below(range_ms))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
