//! A study's interest in its networks, and what is wanted of it.

use selffer_core::interest::{Interest, InterestChange};

use super::ConvertError;
use crate::v1;

/// The interest that this number of [`v1::Interest`] stands for.
///
/// # Errors
/// Not said, or an interest that this program does not know.
pub fn interest(field: &str, number: i32) -> Result<Interest, ConvertError> {
    Ok(match v1::Interest::try_from(number) {
        Ok(v1::Interest::Active) => Interest::Active,
        Ok(v1::Interest::Paused) => Interest::Paused,
        Ok(v1::Interest::Stopped) => Interest::Stopped,
        Ok(v1::Interest::Cancelled) => Interest::Cancelled,
        _ => return Err(ConvertError::new(field, format!("{number} is no interest that is known here"))),
    })
}

impl From<Interest> for v1::Interest {
    fn from(interest: Interest) -> Self {
        match interest {
            Interest::Active => Self::Active,
            Interest::Paused => Self::Paused,
            Interest::Stopped => Self::Stopped,
            Interest::Cancelled => Self::Cancelled,
        }
    }
}

/// The change that this number of [`v1::InterestChange`] stands for.
///
/// # Errors
/// Not said, or a change that this program does not know.
pub fn interest_change(field: &str, number: i32) -> Result<InterestChange, ConvertError> {
    Ok(match v1::InterestChange::try_from(number) {
        Ok(v1::InterestChange::Pause) => InterestChange::Pause,
        Ok(v1::InterestChange::Resume) => InterestChange::Resume,
        Ok(v1::InterestChange::Stop) => InterestChange::Stop,
        Ok(v1::InterestChange::Cancel) => InterestChange::Cancel,
        _ => return Err(ConvertError::new(field, format!("{number} is no change that is known here"))),
    })
}

impl From<InterestChange> for v1::InterestChange {
    fn from(change: InterestChange) -> Self {
        match change {
            InterestChange::Pause => Self::Pause,
            InterestChange::Resume => Self::Resume,
            InterestChange::Stop => Self::Stop,
            InterestChange::Cancel => Self::Cancel,
        }
    }
}

/// What becomes of the networks that copy from one that is cancelled; none if it was not said.
///
/// # Errors
/// Something that this program does not know.
pub fn fate(field: &str, number: i32) -> Result<Option<v1::Fate>, ConvertError> {
    match v1::Fate::try_from(number) {
        Ok(v1::Fate::Unspecified) => Ok(None),
        Ok(fate) => Ok(Some(fate)),
        Err(_) => Err(ConvertError::new(field, format!("{number} is nothing that is known here"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interest_survives_the_wire() {
        for known in Interest::ALL {
            assert_eq!(interest("interest", v1::Interest::from(known).into()), Ok(known));
        }
        let error = interest_change("change", 0).unwrap_err().to_string();
        assert_eq!(error, "change: 0 is no change that is known here");
    }
}
