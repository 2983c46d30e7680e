//! One leased job as this daemon holds it: its token, how far it is, what is to happen to it.
//!
//! The heartbeat reads the progress and passes on orders; the work on the job writes the
//! progress and obeys. Orders only grow: a job that is to be dropped is never continued.
//! Nothing here talks to anybody.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub use selffer_core::lease::Order;
use selffer_core::{
    ids::Claim,
    job::Phase,
    limits::METRIC_POINTS_PER_HEARTBEAT_MAX,
    outcome::MetricPoint,
    stall::{Pace, Place},
};
use tokio::sync::watch;

use crate::{folder::AttemptFolder, unsent::UnsentPoints};

/// A leased job.
#[derive(Debug)]
pub struct Lease {
    /// Its token.
    pub claim: Claim,
    order: watch::Sender<Order>,
    // Whether the coordinator has said to this daemon that the claim is current.
    affirmed: watch::Sender<bool>,
    live: Mutex<Live>,
}

#[derive(Debug)]
struct Live {
    phase: Phase,
    iteration: u32,
    images_per_s: f32,
    phase_done: u64,
    progressed_at: Instant,
    // Everything that was ever done: iterations, chunks, test batches, changes of phase.
    steps: u64,
    pace: Pace,
    // The last report of this phase: iteration and time.
    paced_at: Option<(u32, Instant)>,
    metrics: UnsentPoints,
}

/// What a heartbeat says about a leased job.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Whose it is.
    pub claim: Claim,
    /// What it is doing.
    pub phase: Phase,
    /// Updates done.
    pub iteration: u32,
    /// Training images a second; 0 when not training.
    pub images_per_s: f32,
    /// Seconds since it last got further.
    pub age_s: f32,
    /// Chunks or test batches done in this phase.
    pub phase_done: u64,
    /// The oldest points that are not acknowledged.
    pub metrics: Vec<MetricPoint>,
}

impl Lease {
    /// A job that was just claimed and has done nothing.
    #[must_use]
    pub fn new(claim: Claim, now: Instant) -> Self {
        let live = Live {
            phase: Phase::Fetching,
            iteration: 0,
            images_per_s: 0.0,
            phase_done: 0,
            progressed_at: now,
            steps: 0,
            pace: Pace::default(),
            paced_at: None,
            metrics: UnsentPoints::default(),
        };
        Self {
            claim,
            order: watch::Sender::new(Order::GoOn),
            affirmed: watch::Sender::new(true),
            live: Mutex::new(live),
        }
    }

    /// A job that an earlier daemon left; whether it is still ours, the coordinator must say.
    #[must_use]
    pub fn left(claim: Claim, now: Instant) -> Self {
        let lease = Self::new(claim, now);
        lease.affirmed.send_replace(false);
        lease
    }

    /// The coordinator says that the claim is current.
    pub fn affirm(&self) {
        self.affirmed.send_replace(true);
    }

    /// Whether the coordinator has said that the claim is current.
    #[must_use]
    pub fn is_affirmed(&self) -> bool {
        *self.affirmed.borrow()
    }

    /// Waits until the coordinator has said that the claim is current.
    pub async fn until_affirmed(&self) {
        // The sender lives in self, so this cannot end early.
        let _ = self.affirmed.subscribe().wait_for(|affirmed| *affirmed).await;
    }

    /// Orders at least this.
    pub fn order(&self, order: Order) {
        self.order.send_if_modified(|current| {
            let grows = order > *current;
            *current = order.max(*current);
            grows
        });
    }

    /// What is to happen to it.
    #[must_use]
    pub fn ordered(&self) -> Order {
        *self.order.borrow()
    }

    /// Waits until at least this is ordered.
    pub async fn until(&self, order: Order) {
        // The sender lives in self, so this cannot end early.
        let _ = self.order.subscribe().wait_for(|current| *current >= order).await;
    }

    /// It entered a phase.
    pub fn enter(&self, phase: Phase, now: Instant) {
        let mut live = self.live();
        live.phase = phase;
        live.phase_done = 0;
        live.images_per_s = 0.0;
        live.paced_at = None;
        live.step(1, now);
    }

    /// It got further in training.
    pub fn advance(&self, iteration: u32, images_per_s: Option<f32>, now: Instant) {
        let mut live = self.live();
        let further = iteration.abs_diff(live.iteration);
        if further > 0 {
            live.step(further.into(), now);
        }
        if let Some((from, at)) = live.paced_at.replace((iteration, now)) {
            live.pace.note(iteration.saturating_sub(from), now.saturating_duration_since(at));
        }
        live.iteration = iteration;
        live.images_per_s = images_per_s.unwrap_or(live.images_per_s);
    }

    /// One more chunk is done in this phase.
    pub fn chunk_done(&self, now: Instant) {
        let mut live = self.live();
        live.phase_done += 1;
        live.step(1, now);
    }

    /// A step of this phase is done that is no chunk.
    pub fn step_done(&self, now: Instant) {
        self.live().step(1, now);
    }

    /// So many batches of this test are done.
    pub fn tested(&self, batches: u64, now: Instant) {
        let mut live = self.live();
        live.phase_done = batches;
        live.step(1, now);
    }

    /// Whether its trainer is at work.
    #[must_use]
    pub fn is_training(&self) -> bool {
        matches!(self.live().phase, Phase::Training | Phase::Testing)
    }

    /// Where it is, and how long its median iteration takes.
    #[must_use]
    pub fn place(&self) -> (Place, Option<Duration>) {
        let live = self.live();
        (Place { phase: live.phase, steps: live.steps }, live.pace.median())
    }

    /// What there is no room for in memory of its learning curve is found in this folder.
    pub fn keep_metrics_in(&self, folder: AttemptFolder) {
        self.live().metrics.keep_in(folder);
    }

    /// Keeps a point until the coordinator has it.
    pub fn add_metric(&self, point: MetricPoint) {
        self.live().metrics.add(point);
    }

    /// Every point with a smaller sequence is stored.
    pub fn metrics_stored(&self, stored: u32) {
        self.live().metrics.stored(stored);
    }

    /// How many points are not acknowledged yet, about.
    #[must_use]
    pub fn owes_metrics(&self) -> usize {
        self.live().metrics.count()
    }

    /// Updates done.
    #[must_use]
    pub fn iteration(&self) -> u32 {
        self.live().iteration
    }

    /// What the next heartbeat says.
    #[must_use]
    pub fn report(&self, now: Instant) -> Report {
        let live = self.live();
        Report {
            claim: self.claim,
            phase: live.phase,
            iteration: live.iteration,
            images_per_s: live.images_per_s,
            age_s: now.saturating_duration_since(live.progressed_at).as_secs_f32(),
            phase_done: live.phase_done,
            metrics: live.metrics.oldest(METRIC_POINTS_PER_HEARTBEAT_MAX),
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        // No code panics while it holds the lock; and half an update harms nobody.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn step(&mut self, steps: u64, now: Instant) {
        self.steps += steps;
        self.progressed_at = now;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use selffer_core::{
        ids::{ClaimId, JobId},
        outcome::MetricValue,
    };

    use super::*;

    fn lease(now: Instant) -> Lease {
        Lease::new(Claim { job_id: JobId(uuid::Uuid::nil()), claim_id: ClaimId([7; 16]) }, now)
    }

    #[tokio::test]
    async fn orders_only_grow_and_wake_who_waits_for_them() {
        let lease = lease(crate::ambient::now());
        lease.order(Order::Drop);
        lease.order(Order::Stop);
        assert_eq!(lease.ordered(), Order::Drop);
        lease.until(Order::Stop).await;
    }

    #[test]
    fn points_stay_until_they_are_acknowledged() {
        let now = crate::ambient::now();
        let lease = lease(now);
        for sequence in 0..3 {
            lease.add_metric(MetricPoint {
                sequence,
                iteration: sequence,
                value: MetricValue::TrainingLoss(1.0),
            });
        }
        lease.metrics_stored(2);
        let report = lease.report(now + Duration::from_secs(4));
        assert_eq!(report.metrics.iter().map(|point| point.sequence).collect::<Vec<_>>(), [2]);
        assert_eq!(report.age_s, 4.0);
        lease.metrics_stored(3);
        assert_eq!(lease.owes_metrics(), 0);
    }

    #[test]
    fn iterations_batches_and_chunks_are_progress_and_saying_the_same_again_is_not() {
        let now = crate::ambient::now();
        let lease = lease(now);
        let at = |seconds| now + Duration::from_secs(seconds);
        let age = |seconds| lease.report(at(seconds)).age_s;
        lease.enter(Phase::Training, at(1));
        lease.advance(0, None, at(1));
        lease.advance(10, Some(5.0), at(21));
        lease.advance(10, Some(5.0), at(30));
        assert_eq!(age(31), 10.0);
        assert_eq!(lease.place().1, Some(Duration::from_secs(2)));
        lease.enter(Phase::Testing, at(40));
        lease.tested(3, at(41));
        let report = lease.report(at(42));
        assert_eq!((report.phase_done, report.age_s), (3, 1.0));
    }
}
