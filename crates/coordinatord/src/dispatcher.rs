//! The dispatcher: one task that matches all waiting claims with the best ready jobs.
//!
//! It registers who waits, then looks for jobs, then waits to be woken: a job that becomes
//! ready in between is not overlooked, and a scan each second makes a lost wake-up harmless.
//! Which job goes to whom is [`assign`]'s decision; each claim is a guarded statement of
//! the store, so that another coordinator may have been faster.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use selffer_core::{
    ids::{Claim, ClaimId, Digest, JobId, SessionId},
    limits::DISPATCH_SCAN_MS,
    placement::{Candidate, PackRoom, WaitingWorker, assign},
};
use selffer_storage::{Granted, NewClaim, Store, StoreError};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{gathering::Gathering, outage, reserve::Reserve};

/// Claims that one transaction makes.
const CLAIMS_IN_ONE: usize = 64;
/// Such transactions at a time.
const TRANSACTIONS_AT_A_TIME: usize = 4;
/// Claims that may queue before the dispatcher looks at them.
const QUEUE_MAX: usize = 1_024;
/// Rounds of one dispatch, when others take the candidates away.
const ROUNDS_MAX: usize = 8;

/// A worker's wish for a job.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) session_id: SessionId,
    pub(crate) worker: String,
    pub(crate) claim_id: ClaimId,
    /// Weights that the worker has at hand.
    pub(crate) cached: BTreeSet<Digest>,
    /// Packs that it has or could take in.
    pub(crate) room: PackRoom,
    /// How long it waits.
    pub(crate) wait: Duration,
}

/// Reaches the dispatcher. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct DispatcherHandle {
    queue: mpsc::Sender<Waiting>,
    wake: Arc<Notify>,
    woken: Arc<Notify>,
    /// What was read of the ready jobs may be out of date.
    changed: Arc<AtomicBool>,
}

/// The dispatcher's own end, to be given to [`run`].
#[derive(Debug)]
pub(crate) struct DispatcherQueue {
    queue: mpsc::Receiver<Waiting>,
    wake: Arc<Notify>,
    changed: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Waiting {
    wish: Wish,
    until: Instant,
    answer: oneshot::Sender<Granted>,
    /// Whether it was looked up if it is a repeat.
    is_new: bool,
}

/// A handle, and the end that belongs to it.
pub(crate) fn channel() -> (DispatcherHandle, DispatcherQueue) {
    let (sender, queue) = mpsc::channel(QUEUE_MAX);
    let (wake, changed) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(true)));
    let handle = DispatcherHandle {
        queue: sender,
        wake: Arc::clone(&wake),
        woken: Arc::default(),
        changed: Arc::clone(&changed),
    };
    (handle, DispatcherQueue { queue, wake, changed })
}

impl DispatcherHandle {
    /// Some job may have become ready, by something that was done here.
    pub(crate) fn wake(&self) {
        self.wake_as_told();
        self.woken.notify_one();
    }

    /// Some job may have become ready, as another coordinator says.
    pub(crate) fn wake_as_told(&self) {
        self.changed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// No job has become ready, but a study may have room for another one.
    pub(crate) fn wake_for_room(&self) {
        self.wake.notify_one();
        self.woken.notify_one();
    }

    /// Waits until [`Self::wake`] was called since the last time.
    pub(crate) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Waits for a job. None when there was none in time, or the program ends.
    ///
    /// Dropping the future leaves a job that was just claimed for it leased: the worker gets it
    /// by repeating the claim, or it returns to ready when nobody confirms it.
    pub(crate) async fn claim(&self, wish: Wish) -> Granted {
        let (answer, granted) = oneshot::channel();
        let until = Instant::now() + wish.wait;
        if self.queue.send(Waiting { wish, until, answer, is_new: true }).await.is_err() {
            return Ok(None);
        }
        granted.await.unwrap_or(Ok(None))
    }
}

/// Matches claims with jobs until `stopping`.
pub(crate) async fn run(store: Store, mut ends: DispatcherQueue, stopping: CancellationToken) {
    let mut waiting: Vec<Waiting> = Vec::new();
    let mut reserve = Reserve::default();
    let mut gathering = Gathering::default();
    loop {
        let scan_at = Instant::now() + Duration::from_millis(DISPATCH_SCAN_MS);
        let waited = waiting.len();
        let next_end = waiting.iter().map(|waiting| waiting.until).min().unwrap_or(scan_at);
        tokio::select! {
            () = stopping.cancelled() => return,
            () = ends.wake.notified() => {}
            () = tokio::time::sleep_until(scan_at.min(next_end)), if !waiting.is_empty() => {}
            arrived = ends.queue.recv() => match arrived {
                Some(arrived) => register(&mut waiting, arrived),
                None => return,
            },
        }
        let (expected, until) = gathering.expected(Instant::now());
        loop {
            let is_worth_waiting = waiting.len() < waited + expected;
            match next_wish(&mut ends.queue, is_worth_waiting.then_some(until)).await {
                Some(arrived) => register(&mut waiting, arrived),
                None => break,
            }
        }
        waiting.retain(|waiting| !waiting.answer.is_closed());
        if ends.changed.swap(false, Ordering::AcqRel) {
            reserve = Reserve::default();
        }
        let asked = waiting.len();
        if let Err(error) = dispatch(&store, &mut waiting, &mut reserve).await {
            reserve = Reserve::default();
            outage::note(&error, "no jobs could be handed out; trying again");
        }
        gathering.expect(asked.saturating_sub(waiting.len()) + ends.queue.len(), Instant::now());
        release_those_who_waited_enough(&mut waiting);
    }
}

/// The next wish that is there, or that comes until then.
async fn next_wish(queue: &mut mpsc::Receiver<Waiting>, until: Option<Instant>) -> Option<Waiting> {
    match (queue.try_recv(), until) {
        (Err(_), Some(until)) => timeout_at(until, queue.recv()).await.ok().flatten(),
        (arrived, _) => arrived.ok(),
    }
}

/// A worker has one wish at a time: the newer one is the one that it still listens for.
fn register(waiting: &mut Vec<Waiting>, arrived: Waiting) {
    waiting.retain(|other| {
        other.wish.worker != arrived.wish.worker || other.wish.session_id != arrived.wish.session_id
    });
    waiting.push(arrived);
}

fn release_those_who_waited_enough(waiting: &mut Vec<Waiting>) {
    let now = Instant::now();
    let (over, still): (Vec<_>, Vec<_>) = waiting.drain(..).partition(|waiting| waiting.until <= now);
    *waiting = still;
    for waiting in over {
        // The client may be gone; nothing was claimed for it.
        let _ = waiting.answer.send(Ok(None));
    }
}

/// Hands out what is ready, best first, until nobody waits or nothing is left.
async fn dispatch(
    store: &Store,
    waiting: &mut Vec<Waiting>,
    reserve: &mut Reserve,
) -> Result<(), StoreError> {
    for _ in 0..ROUNDS_MAX {
        if waiting.is_empty() {
            return Ok(());
        }
        // What only those who have a job by now may take must not fill the list for those who
        // still wait.
        let room = PackRoom::of_any(waiting.iter().map(|waiting| &waiting.wish.room));
        let is_fresh = reserve.fill(store, room).await?;
        let candidates = reserve.below_limits(store).await?;
        match hand_out(store, waiting, &candidates, reserve.now()).await? {
            Some(gone) => reserve.candidates.retain(|candidate| !gone.contains(&candidate.job_id)),
            None if is_fresh => break,
            // There may be others by now.
            None => *reserve = Reserve::default(),
        }
    }
    answer_repeats(store, waiting).await
}

/// Wishes whose answer was lost get the lease that they have, also if there is no other job to
/// try it with.
async fn answer_repeats(store: &Store, waiting: &mut Vec<Waiting>) -> Result<(), StoreError> {
    let new: Vec<_> = waiting
        .iter()
        .filter(|waiting| waiting.is_new)
        .map(|waiting| (waiting.wish.claim_id, waiting.wish.session_id))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let mut known = store.assignments(&new).await?;
    for mut one in std::mem::take(waiting) {
        one.is_new = false;
        match known.remove(&one.wish.claim_id) {
            // Nobody listens any more: it is repeated once more.
            Some(assignment) => drop(one.answer.send(assignment.map(Some))),
            None => waiting.push(one),
        }
    }
    Ok(())
}

/// Whether a job that was tried has been handed out, or cannot be: another coordinator was faster,
/// or it was paused. Else whom it was meant for is refused, or had a job already.
fn is_gone(job_id: JobId, granted: &Granted) -> bool {
    match granted {
        Ok(Some(assignment)) => assignment.claim.job_id == job_id,
        Ok(None) => true,
        Err(_) => false,
    }
}

/// One round; which jobs are not there for others any more, or none if nothing could be tried.
async fn hand_out(
    store: &Store,
    waiting: &mut Vec<Waiting>,
    candidates: &[Candidate],
    now: DateTime<Utc>,
) -> Result<Option<HashSet<JobId>>, StoreError> {
    let workers: Vec<_> = waiting.iter().map(|waiting| waiting_worker(waiting, now)).collect();
    let assigned = assign(&workers, candidates, now);
    let claims: Vec<_> = assigned
        .iter()
        .map(|pair| (pair.worker, new_claim(&waiting[pair.worker].wish, &candidates[pair.candidate])))
        .collect();
    let claimed: Vec<_> = stream::iter(claims.chunks(CLAIMS_IN_ONE).map(<[_]>::to_vec))
        .map(|some| async move {
            let (workers, claims): (Vec<usize>, Vec<NewClaim>) = some.into_iter().unzip();
            let granted = store.claim_each(&claims).await?;
            let of_each = workers.into_iter().zip(claims).zip(granted);
            Ok(of_each.map(|((worker, new), granted)| (worker, new.claim.job_id, granted)).collect())
        })
        .buffer_unordered(TRANSACTIONS_AT_A_TIME)
        .collect::<Vec<Result<Vec<_>, StoreError>>>()
        .await;
    let (mut results, mut trouble) = (Vec::new(), None);
    for some in claimed {
        match some {
            Ok(some) => results.extend(some),
            Err(error) => trouble = Some(error),
        }
    }
    let tried_something = !results.is_empty();
    let gone = results.iter().filter(|(_, job_id, granted)| is_gone(*job_id, granted));
    let gone = gone.map(|(_, job_id, _)| *job_id).collect();
    // What was granted is told, whatever became of the others.
    answer(waiting, results);
    match trouble {
        Some(error) => Err(error),
        None => Ok(tried_something.then_some(gone)),
    }
}

fn new_claim(wish: &Wish, candidate: &Candidate) -> NewClaim {
    NewClaim {
        claim: Claim { job_id: candidate.job_id, claim_id: wish.claim_id },
        session_id: wish.session_id,
        worker: wish.worker.clone(),
    }
}

fn answer(waiting: &mut Vec<Waiting>, mut results: Vec<(usize, JobId, Granted)>) {
    // From the back, so that the indices of those before stay right.
    results.sort_by_key(|(index, ..)| std::cmp::Reverse(*index));
    for (index, _, granted) in results {
        // None: another coordinator was faster; this worker takes the next.
        if !matches!(granted, Ok(None)) {
            // Nobody listens any more: the lease waits for a repeat of the claim.
            let _ = waiting.remove(index).answer.send(granted);
        }
    }
}

fn waiting_worker(waiting: &Waiting, now: DateTime<Utc>) -> WaitingWorker {
    let left = waiting.until.saturating_duration_since(Instant::now());
    let waited = chrono::TimeDelta::from_std(waiting.wish.wait.saturating_sub(left)).unwrap_or_default();
    WaitingWorker {
        worker: waiting.wish.worker.clone(),
        session_id: waiting.wish.session_id,
        waiting_since: now - waited,
        cached: waiting.wish.cached.clone(),
        room: waiting.wish.room.clone(),
    }
}
