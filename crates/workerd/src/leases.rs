//! Every job that a daemon holds: what its heartbeats list.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use selffer_core::ids::Claim;

use crate::lease::{Lease, Order};

/// Every job that this daemon holds.
#[derive(Debug, Default)]
pub struct Leases(Mutex<Vec<Arc<Lease>>>);

impl Leases {
    /// Takes a lease up; it is in every heartbeat until [`Leases::release`].
    pub fn hold(&self, lease: Arc<Lease>) {
        self.all_mut().push(lease);
    }

    /// Takes a lease up in place of the one with the same token, if there is one; no heartbeat
    /// misses it.
    pub fn replace(&self, lease: Arc<Lease>) {
        let mut all = self.all_mut();
        all.retain(|held| held.claim != lease.claim);
        all.push(lease);
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
