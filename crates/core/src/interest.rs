//! A study's interest in its networks, and what follows for the jobs that it shares.
//!
//! Pause, stop and cancel withdraw a study's interest, step by step; none of them touches a
//! job that another study still wants. The interest in a job is the strongest of its
//! studies'. What a change of interest does to the jobs themselves is decided by
//! [`crate::job::apply`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much a study, or the most eager of a job's studies, wants its networks; strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interest {
    /// Its jobs are handed out.
    Active,
    /// Nothing new is handed out until it is resumed; what runs goes on.
    Paused,
    /// Nothing is handed out any more; what runs may finish.
    Stopped,
    /// What runs ends after a checkpoint.
    Cancelled,
}

/// What a person wants of a study's interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InterestChange {
    /// Hand out nothing new for now.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Hand out nothing ever again; running jobs finish.
    Stop,
    /// End now, after a checkpoint.
    Cancel,
}

/// Why an interest cannot be changed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is {interest}; submitting it again revives it")]
pub struct InterestError {
    /// What it is and stays.
    pub interest: Interest,
}

impl Interest {
    /// All four, strongest first.
    pub const ALL: [Self; 4] = [Self::Active, Self::Paused, Self::Stopped, Self::Cancelled];

    /// The name as stored, sent and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether a job that is not on a worker stays, to be handed out now or later.
    #[must_use]
    pub fn keeps_jobs(self) -> bool {
        self <= Self::Paused
    }

    /// The interest after a change; the same again where there is nothing to change. It only
    /// weakens, but for a pause, which can be ended; a new submission revives it.
    ///
    /// # Errors
    /// A study that was given up can be neither paused nor resumed, nor a cancelled one stopped.
    pub fn after(self, change: InterestChange) -> Result<Self, InterestError> {
        let next = match change {
            InterestChange::Pause => Self::Paused,
            InterestChange::Resume => Self::Active,
            InterestChange::Stop => Self::Stopped,
            InterestChange::Cancel => Self::Cancelled,
        };
        if self.keeps_jobs() || next >= self { Ok(next) } else { Err(InterestError { interest: self }) }
    }
}

impl InterestChange {
    /// The verb, for events and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Cancel => "cancel",
        }
    }
}

impl fmt::Display for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use InterestChange::{Cancel, Pause, Resume, Stop};

    #[test]
    fn interest_only_weakens_but_for_a_pause_and_a_revival() {
        let after = |interest: Interest| {
            [Pause, Resume, Stop, Cancel].map(|change| interest.after(change).ok().map(Interest::as_str))
        };
        let (active, paused) = (Some("active"), Some("paused"));
        let (stopped, cancelled) = (Some("stopped"), Some("cancelled"));
        assert_eq!(after(Interest::Active), [paused, active, stopped, cancelled]);
        assert_eq!(after(Interest::Paused), [paused, active, stopped, cancelled]);
        assert_eq!(after(Interest::Stopped), [None, None, stopped, cancelled]);
        assert_eq!(after(Interest::Cancelled), [None, None, None, cancelled]);
    }

    #[test]
    fn only_an_interest_in_the_result_keeps_a_job() {
        assert_eq!(Interest::ALL.map(Interest::keeps_jobs), [true, true, false, false]);
    }
}
