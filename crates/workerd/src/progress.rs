//! Noticing that a job gets no further though its daemon is well.
//!
//! What is too long, [`selffer_core::stall`] says. A daemon that was paused itself has not been
//! looking; a coordinator that is away holds up what is fetched and sent, and is nobody's fault
//! here; a job whose pack another one is fetching waits for that one's chunks.

use std::time::Duration;

use selffer_core::{
    job::Phase,
    stall::{Place, Stall, StallRule, Watch},
};
use tokio::time::sleep;

use crate::{ambient, lease::Lease, session::Session};

/// Looks in one grace.
const LOOKS_PER_GRACE: u32 = 20;
const LOOK_EVERY_MIN: Duration = Duration::from_millis(20);
const LOOK_EVERY_MAX: Duration = Duration::from_secs(5);

/// Waits until this job is stalled.
pub(crate) async fn until_stalled(session: &Session, lease: &Lease, rule: StallRule) -> Stall {
    let every = (rule.grace / LOOKS_PER_GRACE).clamp(LOOK_EVERY_MIN, LOOK_EVERY_MAX);
    let mut watch = Watch::new(rule);
    let mut looked_at = ambient::now();
    loop {
        sleep(every).await;
        let now = ambient::now();
        let awake = now.saturating_duration_since(looked_at).min(2 * every);
        looked_at = now;
        let (place, iteration) = lease.place();
        let (place, awake) = match place.phase {
            Phase::Training | Phase::Testing => (place, awake),
            Phase::Fetching | Phase::Uploading if session.is_silent(now) => (place, Duration::ZERO),
            Phase::Fetching => (Place { steps: steps_of_fetching(session), ..place }, awake),
            Phase::Uploading => (place, awake),
        };
        if let Some(stall) = watch.look(place, iteration, awake) {
            return stall;
        }
    }
}

/// What all jobs that fetch have done together.
fn steps_of_fetching(session: &Session) -> u64 {
    let places = session.leases.all().into_iter().map(|lease| lease.place().0);
    places.filter(|place| place.phase == Phase::Fetching).map(|place| place.steps).sum()
}
