//! What daemons say and coordinators answer, and what the network makes of it: lost, doubled,
//! late and overtaken.

use selffer_core::{
    ids::{ClaimId, SessionId},
    job::FailureClass,
};

use super::{Happening, SECOND, World};
use crate::model::{Assignment, Item, Judged, Kind, Refusal};

/// A call and who makes it.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) daemon: usize,
    pub(super) node: usize,
    pub(super) session: SessionId,
    pub(super) call: u32,
    pub(super) request: Request,
}

/// What a daemon wants.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Open,
    Close,
    Beat(Vec<Item>),
    Claim(ClaimId),
    /// About a job that it holds.
    About(usize, ClaimId, Says),
}

/// What a daemon says of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Confirmed,
    Begun { kind: Kind, iteration: u32 },
    Published { id: u32 },
    Failed(FailureClass),
    GivenBack,
    Completed { checkpoint: u32 },
}

/// What comes back.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Done,
    Judged(Vec<Judged>),
    Assigned(Assignment),
    /// No job for now.
    Nothing,
    Begun(u32),
    Refused(Refusal),
    /// What became of it is not known.
    None,
}

impl World {
    /// Sends a call on its way; whether anything arrives, and how often, is chance.
    pub(super) fn send(&mut self, letter: &Letter) {
        let daemon = &self.daemons[letter.daemon];
        let coordinator = daemon.coordinator;
        if self.now < daemon.mute_until || self.trouble() {
            return;
        }
        for _ in 0..1 + usize::from(self.trouble()) {
            let delay = self.travel();
            self.after(delay, Happening::Arrives { coordinator, letter: letter.clone() });
        }
    }

    fn travel(&mut self) -> i64 {
        if self.fault(8 * self.trouble_one_in) {
            self.random.between(SECOND, 400 * SECOND)
        } else {
            self.random.between(1, 150)
        }
    }

    /// Sends an answer back.
    pub(super) fn reply(&mut self, letter: &Letter, answer: Answer) {
        if self.now < self.daemons[letter.daemon].deaf_until || self.trouble() {
            return;
        }
        let delay = self.travel();
        self.after(delay, Happening::Answered { daemon: letter.daemon, call: letter.call, answer });
    }
}
