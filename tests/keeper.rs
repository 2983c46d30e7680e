//! A service manager for a fleet: starts again what died, after the time it was told.
//!
//! Coordinator and workers are its own; trainers are their daemon's business, and the private
//! PostgreSQL is the coordinator's. A program that ends though nobody killed it is started
//! again too, and remembered: that should not happen.

use std::time::{Duration, Instant};

use crate::{fleet::Fleet, schedule::Victim};

/// How long a program that ended by itself stays away.
const AFTER_SURPRISE: Duration = Duration::from_millis(300);
/// How much of its log is told.
const LAST_WORDS_BYTES: usize = 1_500;

/// Restarts that are due.
#[derive(Debug, Default)]
pub struct Keeper {
    due: Vec<(Victim, Instant)>,
    /// What ended though nobody killed it, with its last words.
    pub surprises: Vec<String>,
}

impl Keeper {
    /// Starts this one again once it has been dead for so long; trainers and the database
    /// are left to others.
    pub fn plan(&mut self, dead: Victim, dead_for: Duration) {
        if matches!(dead, Victim::Coordinator | Victim::Worker(_)) {
            self.due.push((dead, Instant::now() + dead_for));
        }
    }

    /// Whether everything that died was started again.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.due.is_empty()
    }

    /// Starts what is due, and notices what ended by itself.
    pub fn tend(&mut self, fleet: &mut Fleet) {
        let now = Instant::now();
        let started: Vec<Victim> =
            self.due.iter().filter(|(_, at)| *at <= now).map(|(dead, _)| *dead).collect();
        self.due.retain(|(_, at)| *at > now);
        started.into_iter().for_each(|dead| fleet.start_again(dead));
        for alive in fleet.services() {
            let expected = self.due.iter().any(|(dead, _)| *dead == alive);
            if !expected && !fleet.is_running(alive) {
                self.surprises.push(format!("{alive:?} ended by itself: {}", last_words(fleet, alive)));
                self.plan(alive, AFTER_SURPRISE);
            }
        }
    }
}

fn last_words(fleet: &Fleet, victim: Victim) -> String {
    let printed = fleet.printed(victim);
    let start = printed.len().saturating_sub(LAST_WORDS_BYTES);
    let start = (start..printed.len()).find(|at| printed.is_char_boundary(*at)).unwrap_or(printed.len());
    printed[start..].to_owned()
}
