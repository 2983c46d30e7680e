//! One leased job as this daemon holds it: its token, how far it is, what is to happen to it.
//!
//! The heartbeat reads the progress and passes on orders; the work on the job writes the
//! progress and obeys. Orders only grow: a job that is to be dropped is never continued.
//! Nothing here talks to anybody.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use selffer_core::{ids::Claim, job::Phase, limits::METRIC_POINTS_PER_HEARTBEAT_MAX, outcome::MetricPoint};
use tokio::sync::watch;

/// What is to happen to a leased job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Train it.
    GoOn,
    /// End after a checkpoint, then give the lease back.
    Stop,
    /// The lease is gone: end the trainer, publish nothing, say nothing.
    Drop,
}

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
    // Not acknowledged yet, in order of their sequence.
    metrics: VecDeque<MetricPoint>,
    // What has a smaller sequence was there already.
    metrics_next: u32,
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
    /// Chunks done in this phase.
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
            metrics: VecDeque::new(),
            metrics_next: 0,
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
        live.progressed_at = now;
    }

    /// It got further in training.
    pub fn advance(&self, iteration: u32, images_per_s: Option<f32>, now: Instant) {
        let mut live = self.live();
        live.iteration = iteration;
        live.images_per_s = images_per_s.unwrap_or(live.images_per_s);
        live.progressed_at = now;
    }

    /// One more chunk is done in this phase.
    pub fn chunk_done(&self, now: Instant) {
        let mut live = self.live();
        live.phase_done += 1;
        live.progressed_at = now;
    }

    /// Keeps a point until the coordinator has it. One that was there before is the same
    /// again: the trainer has gone over those iterations twice.
    pub fn add_metric(&self, point: MetricPoint) {
        let mut live = self.live();
        if point.sequence >= live.metrics_next {
            live.metrics_next = point.sequence + 1;
            live.metrics.push_back(point);
        }
    }

    /// Every point with a smaller sequence is stored.
    pub fn metrics_stored(&self, stored: u32) {
        self.live().metrics.retain(|point| point.sequence >= stored);
    }

    /// How many points are not acknowledged yet.
    #[must_use]
    pub fn owes_metrics(&self) -> usize {
        self.live().metrics.len()
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
            metrics: live.metrics.iter().take(METRIC_POINTS_PER_HEARTBEAT_MAX).copied().collect(),
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        // No code panics while it holds the lock; and half an update harms nobody.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every job that this daemon holds.
#[derive(Debug, Default)]
pub struct Leases(Mutex<Vec<Arc<Lease>>>);

impl Leases {
    /// Takes a lease up; it is in every heartbeat until [`Leases::release`].
    pub fn hold(&self, lease: Arc<Lease>) {
        self.all_mut().push(lease);
    }

    /// Lets a lease go.
    pub fn release(&self, claim: Claim) {
        self.all_mut().retain(|lease| lease.claim != claim);
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Lease>> {
        self.all_mut().clone()
    }

    /// The one with this token.
    #[must_use]
    pub fn get(&self, claim: Claim) -> Option<Arc<Lease>> {
        self.all_mut().iter().find(|lease| lease.claim == claim).cloned()
    }

    /// Orders the same for all.
    pub fn order_all(&self, order: Order) {
        self.all_mut().iter().for_each(|lease| lease.order(order));
    }

    fn all_mut(&self) -> MutexGuard<'_, Vec<Arc<Lease>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn points_that_come_again_are_not_sent_again() {
        let lease = lease(crate::ambient::now());
        let point = |sequence| MetricPoint { sequence, iteration: 0, value: MetricValue::TrainingLoss(1.0) };
        (5..8).for_each(|sequence| lease.add_metric(point(sequence)));
        lease.metrics_stored(7);
        (6..9).for_each(|sequence| lease.add_metric(point(sequence)));
        let report = lease.report(crate::ambient::now());
        assert_eq!(report.metrics.iter().map(|point| point.sequence).collect::<Vec<_>>(), [7, 8]);
    }
}
