//! What goes wrong, and how it is repaired.

use selffer_core::job::StateKind;

use super::{Checked, FAULTS_UNTIL, Happening, SECOND, World};
use crate::model::{Kind, Stage};

const SNAPSHOT_EVERY: i64 = 60 * SECOND;
const SNAPSHOTS: usize = 4;

/// Kinds of faults.
#[derive(Clone, Copy, Debug)]
enum Fault {
    KilledWithItsWork,
    KilledLeavingItsWork,
    HostOff,
    SecondOfTheName,
    Stopped,
    CutOff,
    Deaf,
    Mute,
    Preempted,
    CoordinatorKilled,
    CoordinatorStopped,
    DatabaseAway,
    ClockJumps,
    RolledBack,
    CheckpointDamaged,
    NetworkLost,
}

const FAULTS: [Fault; 16] = [
    Fault::KilledWithItsWork,
    Fault::KilledLeavingItsWork,
    Fault::HostOff,
    Fault::SecondOfTheName,
    Fault::Stopped,
    Fault::CutOff,
    Fault::Deaf,
    Fault::Mute,
    Fault::Preempted,
    Fault::CoordinatorKilled,
    Fault::CoordinatorStopped,
    Fault::DatabaseAway,
    Fault::ClockJumps,
    Fault::RolledBack,
    Fault::CheckpointDamaged,
    Fault::NetworkLost,
];

impl World {
    /// One fault, and the time of the next.
    pub(super) fn fault_happens(&mut self) -> Checked<()> {
        if self.now >= FAULTS_UNTIL {
            return Ok(());
        }
        let pause = self.random.between(SECOND, self.fault_every);
        self.after(pause, Happening::FaultDue);
        let fault = FAULTS[self.random.below(FAULTS.len())];
        let lasting = self.random.between(SECOND, 400 * SECOND);
        let coordinator = self.random.below(self.coordinators.len());
        match fault {
            Fault::CoordinatorKilled => {
                self.coordinators[coordinator].is_killed();
                self.after(lasting, Happening::CoordinatorStarted { coordinator });
            }
            Fault::CoordinatorStopped => self.coordinators[coordinator].is_stopped(self.now + lasting),
            Fault::DatabaseAway => self.goes_away(lasting),
            Fault::ClockJumps => self.clock_jumps(),
            Fault::RolledBack if self.rolls_back && !self.database.snapshots.is_empty() => {
                let to = self.random.below(self.database.snapshots.len());
                let lasting = self.random.between(30 * SECOND, 90 * SECOND);
                self.goes_away(lasting);
                self.at(self.database.away_until, Happening::RolledBack { to });
            }
            Fault::RolledBack => {}
            Fault::CheckpointDamaged => self.damage(Kind::Intermediate)?,
            Fault::NetworkLost => self.damage(Kind::Final)?,
            _ => self.daemon_fault(fault, lasting),
        }
        Ok(())
    }

    fn daemon_fault(&mut self, fault: Fault, lasting: i64) {
        let alive: Vec<usize> =
            (0..self.daemons.len()).filter(|index| self.daemons[*index].is_alive).collect();
        if alive.is_empty() {
            return;
        }
        let index = alive[self.random.below(alive.len())];
        let until = self.now + lasting;
        let soon = self.random.between(SECOND, 30 * SECOND);
        let left = self.left_behind(index);
        let daemon = &mut self.daemons[index];
        let node = daemon.node;
        let restart = match fault {
            Fault::KilledWithItsWork => Some((soon, None)),
            Fault::KilledLeavingItsWork => Some((if lasting % 2 == 0 { soon } else { lasting }, left)),
            Fault::HostOff => Some((lasting, None)),
            Fault::SecondOfTheName => return self.after(1, Happening::Started { node, left: None }),
            Fault::Stopped => return daemon.stopped_until = daemon.stopped_until.max(until),
            Fault::Deaf => return daemon.deaf_until = until,
            Fault::Mute => return daemon.mute_until = until,
            Fault::Preempted => {
                self.daemon_stops(index);
                return self.after(lasting, Happening::Started { node, left: None });
            }
            _ => {
                daemon.deaf_until = until;
                return daemon.mute_until = until;
            }
        };
        if let Some((after, left)) = restart {
            self.daemon_ends(index);
            self.after(after, Happening::Started { node, left });
        }
    }

    fn goes_away(&mut self, lasting: i64) {
        let until = self.now + lasting;
        if until > self.database.away_until {
            self.database.away_until = until;
            self.shadow_of_outage(lasting, until);
        }
    }

    fn clock_jumps(&mut self) {
        let far = 600 * SECOND * self.random.between(-1, 2);
        let near = 5 * SECOND * self.random.between(-1, 2);
        if (far + near - self.database.skew).abs() > 100 * SECOND {
            self.ever.jumped_at = self.now;
        }
        self.database.skew = far + near;
    }

    // Somebody reads a checkpoint and finds it damaged.
    fn damage(&mut self, kind: Kind) -> Checked<()> {
        let now = self.database_now();
        let model = &mut self.database.model;
        let fitting =
            |row: &&crate::model::CheckpointRow| row.kind == kind && matches!(row.stage, Stage::Published(_));
        let found: Vec<u32> = model.checkpoints.iter().filter(fitting).map(|row| row.id).collect();
        if found.is_empty() || self.is_away() {
            return Ok(());
        }
        let id = found[self.random.below(found.len())];
        let damaged = self.database.model.quarantine_checkpoint(id, now);
        damaged.map(drop).map_err(|refusal| format!("a checkpoint could not be quarantined: {refusal:?}"))
    }

    pub(super) fn snapshot(&mut self) {
        if self.now >= FAULTS_UNTIL || !self.rolls_back {
            return;
        }
        self.after(SNAPSHOT_EVERY, Happening::SnapshotDue);
        if self.database.snapshots.len() == SNAPSHOTS {
            self.database.snapshots.remove(0);
        }
        self.database.snapshots.push((self.database.model.clone(), self.shadow.clone()));
    }

    /// The database is as it was; nobody is told.
    pub(super) fn roll_back(&mut self, to: usize) {
        // One that was to come after an outage that was repaired does not.
        if to >= self.database.snapshots.len() || self.now > FAULTS_UNTIL {
            return;
        }
        self.database.snapshots.truncate(to + 1);
        let (model, shadow) = self.database.snapshots[to].clone();
        self.database.model = model;
        self.shadow = shadow;
        self.ever.jumped_at = self.now;
        self.ever.rolled_back_at = self.now;
    }

    /// The end of all faults: everything runs and reaches everything, or will when it goes on.
    pub(super) fn repair(&mut self) {
        self.database.away_until = self.database.away_until.min(self.now);
        // One that is cut short may have been too short to be noticed.
        if self.ever.outage_ended_at > self.now {
            self.ever.outage_ended_at = 0;
        }
        for daemon in &mut self.daemons {
            daemon.deaf_until = daemon.deaf_until.min(self.now);
            daemon.mute_until = daemon.mute_until.min(self.now);
        }
        for coordinator in 0..self.coordinators.len() {
            self.coordinator_starts(coordinator);
        }
        self.nobody_is_missing();
        self.at(super::SETTLES_FROM, Happening::ActDue);
    }

    /// A node on which no daemon runs gets one.
    pub(super) fn nobody_is_missing(&mut self) {
        for node in 0..self.nodes {
            if !self.daemons.iter().any(|daemon| daemon.is_alive && daemon.node == node) {
                self.at(self.now, Happening::Started { node, left: None });
            }
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        (0..self.database.model.jobs.len()).all(|job| self.database.model.is_succeeded(job))
    }

    pub(super) fn unfinished(&self) -> String {
        let rows = self.database.model.jobs.iter().enumerate();
        let left = rows.filter(|(_, row)| row.job.state.kind() != StateKind::Succeeded);
        left.map(|(job, row)| format!("{job}: {:?}", row.job.state)).collect::<Vec<_>>().join("; ")
    }
}
