//! States, phases, failures and reasons of a job.

use selffer_core::{
    job::{Failure, FailureClass, GiveBackReason, Phase, StateKind},
    limits::REASON_BYTES_MAX,
};

use super::ConvertError;
use crate::v1;

/// The state that this number of [`v1::JobState`] stands for.
///
/// # Errors
/// Not said, or a state that this program does not know.
pub fn state(field: &str, number: i32) -> Result<StateKind, ConvertError> {
    let unknown = || ConvertError::new(field, format!("{number} is no state that is known here"));
    let state = v1::JobState::try_from(number).map_err(|_| unknown())?;
    Ok(match state {
        v1::JobState::Unspecified => return Err(unknown()),
        v1::JobState::Waiting => StateKind::Waiting,
        v1::JobState::Ready => StateKind::Ready,
        v1::JobState::Leased => StateKind::Leased,
        v1::JobState::Running => StateKind::Running,
        v1::JobState::Suspect => StateKind::Suspect,
        v1::JobState::Held => StateKind::Held,
        v1::JobState::Succeeded => StateKind::Succeeded,
        v1::JobState::Failed => StateKind::Failed,
        v1::JobState::Cancelled => StateKind::Cancelled,
    })
}

impl From<StateKind> for v1::JobState {
    fn from(state: StateKind) -> Self {
        match state {
            StateKind::Waiting => Self::Waiting,
            StateKind::Ready => Self::Ready,
            StateKind::Leased => Self::Leased,
            StateKind::Running => Self::Running,
            StateKind::Suspect => Self::Suspect,
            StateKind::Held => Self::Held,
            StateKind::Succeeded => Self::Succeeded,
            StateKind::Failed => Self::Failed,
            StateKind::Cancelled => Self::Cancelled,
        }
    }
}

/// The phase that this number of [`v1::Phase`] stands for; none if it was not said or is
/// one of a newer program's: phases are only shown.
#[must_use]
pub fn phase(number: i32) -> Option<Phase> {
    match v1::Phase::try_from(number).ok()? {
        v1::Phase::Unspecified => None,
        v1::Phase::Fetching => Some(Phase::Fetching),
        v1::Phase::Training => Some(Phase::Training),
        v1::Phase::Testing => Some(Phase::Testing),
        v1::Phase::Uploading => Some(Phase::Uploading),
    }
}

/// The number that stands for this phase on the wire; 0 for none.
#[must_use]
pub fn phase_number(phase: Option<Phase>) -> i32 {
    phase.map_or(v1::Phase::Unspecified, v1::Phase::from).into()
}

impl From<Phase> for v1::Phase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Fetching => Self::Fetching,
            Phase::Training => Self::Training,
            Phase::Testing => Self::Testing,
            Phase::Uploading => Self::Uploading,
        }
    }
}

impl From<FailureClass> for v1::FailureClass {
    fn from(class: FailureClass) -> Self {
        match class {
            FailureClass::Invalid => Self::Invalid,
            FailureClass::TrainerError => Self::TrainerError,
            FailureClass::Diverged => Self::Diverged,
            FailureClass::OutOfMemory => Self::OutOfMemory,
            FailureClass::WorkerLost => Self::WorkerLost,
            FailureClass::Hardware => Self::Hardware,
            FailureClass::Stalled => Self::Stalled,
            FailureClass::Infrastructure => Self::Infrastructure,
        }
    }
}

// One of a newer program's is the trainer's: an attempt that ended badly must be told of, and that
// class is tried again the least often.
fn failure_class(number: i32) -> Result<FailureClass, ConvertError> {
    let unspecified = || ConvertError::new("class", "it is not said");
    Ok(match v1::FailureClass::try_from(number).unwrap_or(v1::FailureClass::TrainerError) {
        v1::FailureClass::Unspecified => return Err(unspecified()),
        v1::FailureClass::Invalid => FailureClass::Invalid,
        v1::FailureClass::TrainerError => FailureClass::TrainerError,
        v1::FailureClass::Diverged => FailureClass::Diverged,
        v1::FailureClass::OutOfMemory => FailureClass::OutOfMemory,
        v1::FailureClass::WorkerLost => FailureClass::WorkerLost,
        v1::FailureClass::Hardware => FailureClass::Hardware,
        v1::FailureClass::Stalled => FailureClass::Stalled,
        v1::FailureClass::Infrastructure => FailureClass::Infrastructure,
    })
}

/// Cuts a message that is longer than people will read, at a character's border.
impl TryFrom<v1::Failure> for Failure {
    type Error = ConvertError;

    fn try_from(failure: v1::Failure) -> Result<Self, ConvertError> {
        let mut message = failure.message;
        message.truncate(message.floor_char_boundary(REASON_BYTES_MAX));
        Ok(Self { class: failure_class(failure.class)?, message })
    }
}

impl From<&Failure> for v1::Failure {
    fn from(failure: &Failure) -> Self {
        Self { class: v1::FailureClass::from(failure.class).into(), message: failure.message.clone() }
    }
}

/// Why a lease is given back; a reason of a newer program is none that this one must know.
///
/// # Errors
/// Not said.
pub fn give_back_reason(field: &str, number: i32) -> Result<GiveBackReason, ConvertError> {
    match v1::GiveBackReason::try_from(number) {
        Ok(v1::GiveBackReason::NotStarted) => Ok(GiveBackReason::NotStarted),
        Ok(v1::GiveBackReason::Unspecified) => Err(ConvertError::new(field, "it is not said")),
        Ok(v1::GiveBackReason::WorkerStopping) | Err(_) => Ok(GiveBackReason::WorkerStopping),
    }
}

impl From<GiveBackReason> for v1::GiveBackReason {
    fn from(reason: GiveBackReason) -> Self {
        match reason {
            GiveBackReason::WorkerStopping => Self::WorkerStopping,
            GiveBackReason::NotStarted => Self::NotStarted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_comes_back_as_it_went() {
        for kind in StateKind::ALL {
            assert_eq!(state("state", v1::JobState::from(kind).into()), Ok(kind));
        }
        assert!(state("state", 0).is_err());
        assert!(state("state", 99).is_err());
    }

    #[test]
    fn an_unknown_phase_is_none_not_an_error() {
        assert_eq!(phase(phase_number(Some(Phase::Testing))), Some(Phase::Testing));
        assert_eq!(phase(phase_number(None)), None);
        assert_eq!(phase(99), None);
    }

    #[test]
    fn how_an_attempt_ended_is_taken_in_words_of_a_newer_program_too() {
        let class = |class| Failure::try_from(v1::Failure { class, message: "new".into() });
        assert_eq!(class(99).unwrap().class, FailureClass::TrainerError);
        assert!(class(0).is_err());
        assert_eq!(give_back_reason("reason", 99), Ok(GiveBackReason::WorkerStopping));
        assert!(give_back_reason("reason", 0).is_err());
    }

    #[test]
    fn a_long_failure_message_is_cut_at_a_character() {
        let wire = v1::Failure { class: 3, message: "ü".repeat(REASON_BYTES_MAX) };

        let failure = Failure::try_from(wire).unwrap();

        assert_eq!(failure.class, FailureClass::Diverged);
        assert_eq!(failure.message.len(), REASON_BYTES_MAX);
    }
}
