//! Loaders: threads that make batches before the trainer needs them.
//!
//! Of `L` loaders, loader `l` makes the batches `l`, `l + L`, … of the plan and hands each
//! over by itself, so the trainer gets them in order, whoever is fast, and a batch's content
//! depends on its place in the plan alone. A loader is at most two batches ahead: one lies
//! ready, one is in the making. Batches that were used come back and are filled again.
//! An image that cannot be read is an error where its batch would have come; a loader that
//! panics is one too. Loaders end with [`Loaders`], in the middle of a batch if need be.

#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread::{Builder, Scope, ScopedJoinHandle},
    time::{Duration, Instant},
};

use super::{Batch, Plan, Stock};
use crate::error::TrainError;

/// Batches of one loader that lie ready, at most; the next one it makes meanwhile.
const READY_MAX: usize = 1;

/// The loaders of one training.
pub(crate) struct Loaders<'scope> {
    loaders: Vec<Loader<'scope>>,
    /// Whose batch is next.
    next: usize,
    /// The batch that is in use, and who made it.
    current: Option<(usize, Batch)>,
    ended: Arc<AtomicBool>,
    waited: Duration,
}

/// One loader as the trainer sees it.
struct Loader<'scope> {
    ready: Receiver<Result<Batch, TrainError>>,
    used: Sender<Batch>,
    thread: ScopedJoinHandle<'scope, ()>,
}

impl<'scope> Loaders<'scope> {
    /// Starts so many loaders, at least 1; they begin at once.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        stock: &'env Stock<'_>,
        plan: &Plan,
        count: usize,
    ) -> Result<Self, TrainError> {
        let count = count.max(1);
        let ended = Arc::new(AtomicBool::new(false));
        let mut all = Self { loaders: Vec::new(), next: 0, current: None, ended, waited: Duration::ZERO };
        for index in 0..count {
            let (ready, from_loader) = sync_channel(READY_MAX);
            let (to_loader, used) = channel();
            let hands = Hands { ready, used, ended: all.ended.clone() };
            let own = plan.clone().skip(index).step_by(count);
            let thread = Builder::new()
                .name(format!("loader-{index}"))
                .spawn_scoped(scope, move || hands.work(stock, own))
                .map_err(|source| TrainError::StartLoader { source })?;
            all.loaders.push(Loader { ready: from_loader, used: to_loader, thread });
        }
        Ok(all)
    }

    /// The next batch of the plan; the one before goes back. Waits where it is not ready.
    ///
    /// # Errors
    /// An image of it cannot be read, there is no memory, or its loader has ended.
    pub(crate) fn next(&mut self) -> Result<&Batch, TrainError> {
        if let Some((loader, used)) = self.current.take() {
            // A loader that has ended needs it no more.
            let _ = self.loaders[loader].used.send(used);
        }
        let loader = self.next;
        let started = Instant::now();
        let batch = self.loaders[loader].ready.recv();
        self.waited += started.elapsed();
        let batch = batch.map_err(|_| TrainError::LoaderEnded { loader })??;
        self.next = (loader + 1) % self.loaders.len();
        Ok(&self.current.insert((loader, batch)).1)
    }

    /// How long the trainer waited for batches so far.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for Loaders<'_> {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Nobody waits for a channel whose other end is gone.
        let threads: Vec<_> = self.loaders.drain(..).map(|loader| loader.thread).collect();
        for thread in threads {
            // Its panic was told where its batch was missed; unjoined, it would be the scope's.
            let _ = thread.join();
        }
    }
}

/// One loader's own ends.
struct Hands {
    ready: SyncSender<Result<Batch, TrainError>>,
    used: Receiver<Batch>,
    ended: Arc<AtomicBool>,
}

impl Hands {
    fn work(self, stock: &Stock<'_>, plan: impl Iterator<Item = super::plan::Wanted>) {
        let mut desk = stock.desk();
        for wanted in plan {
            let batch = stock.make(&wanted, &mut desk, self.used.try_recv().ok(), &self.ended);
            let Some(batch) = batch.transpose() else { return };
            let is_last = batch.is_err();
            if self.ready.send(batch).is_err() || is_last {
                return;
            }
        }
    }
}
