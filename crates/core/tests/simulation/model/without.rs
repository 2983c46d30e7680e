//! Rules that are left out on purpose, one at a time: each must be seen to be missed.

/// What is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Without {
    Nothing,
    /// Messages count for whatever claim is current.
    Fence,
    /// The sweeper goes on at once after an outage.
    Brake,
    /// A claim overwrites whatever became of the job since it was read.
    ClaimGuard,
    /// A claim whose reply was lost gets another job when it is repeated.
    Replay,
    /// Dependants are released in a transaction of their own.
    ReleaseTogether,
    /// A late outcome is written over the state that ended the job.
    Terminal,
    /// A heartbeat that still lists a finished job sets it running.
    UnknownLease,
    /// A worker that cannot renew trains on for ever.
    GivingUp,
    /// Points are stored as they come.
    Sequence,
    /// The newest checkpoint makes room for the next one before that is there.
    KeepNewest,
    /// A node's second session leaves the first alone.
    Supersede,
    /// Those that are ready do not hear that their source is lost.
    Withholding,
    /// Those that come back do not hear what became of their source meanwhile.
    News,
    /// A job that gets nowhere is tried on.
    Fruitless,
    /// What a study's pause or end means for a claim is not looked at.
    InterestGuard,
    /// A lost worker is charged to the job.
    OwnBudget,
    /// A sweep that was interrupted goes on with what it had found before.
    LookAgain,
    /// A submission that is repeated is done again.
    RequestId,
}

impl Without {
    /// The names by which the program knows them, and the promise that each breaks.
    pub(crate) const BROKEN: [(Self, &'static str); 18] = [
        (Self::Fence, "I3: an older attempt was heard"),
        (Self::Brake, "I9: a living worker lost its job"),
        (Self::ClaimGuard, "I3: claimed twice"),
        (Self::Replay, "I3: one claim got two jobs"),
        (Self::ReleaseTogether, "I4: waits for a source that is trained"),
        (Self::Terminal, "I2: a terminal state changed"),
        (Self::UnknownLease, "I2: a terminal state changed"),
        (Self::GivingUp, "I10: trains on although its lease is lost"),
        (Self::Sequence, "I7: "),
        (Self::KeepNewest, "I6: the newest checkpoint is gone"),
        (Self::Supersede, "I3: two sessions of one node live"),
        (Self::Withholding, "I4: ready without its source"),
        (Self::News, "I4: ready without its source"),
        (Self::Fruitless, "I5: tried on although it gets nowhere"),
        (Self::InterestGuard, "I8: started although nobody may start it"),
        (Self::OwnBudget, "I9: our fault used up the job's own budget"),
        (Self::LookAgain, "I9: taken away before its time"),
        (Self::RequestId, "I1: one request was carried out twice"),
    ];
}
