//! Ids: UUIDs travel as text, digests and claim ids as bytes.

use selffer_core::ids::{CheckpointId, Claim, ClaimId, Digest, JobId, JobKey, SessionId, StudyId};

use super::ConvertError;
use crate::v1;

macro_rules! parsed {
    ($function:ident, $id:ident) => {
        #[doc = concat!("A [`", stringify!($id), "`] from its text.")]
        ///
        /// # Errors
        /// The text is no UUID; the error names `field`.
        pub fn $function(field: &str, text: &str) -> Result<$id, ConvertError> {
            text.parse().map_err(|_| {
                let given: String = text.chars().take(64).collect();
                ConvertError::new(field, format!("{given:?} is not a UUID"))
            })
        }
    };
}

parsed!(job_id, JobId);
parsed!(study_id, StudyId);
parsed!(session_id, SessionId);
parsed!(checkpoint_id, CheckpointId);

macro_rules! sized {
    ($function:ident, $id:ident, $bytes:literal) => {
        #[doc = concat!("A [`", stringify!($id), "`] from its bytes.")]
        ///
        /// # Errors
        /// Not as many bytes as the id has; the error names `field`.
        pub fn $function(field: &str, bytes: &[u8]) -> Result<$id, ConvertError> {
            bytes.try_into().map($id).map_err(|_| {
                ConvertError::new(
                    field,
                    format!(concat!("has {} bytes, not ", stringify!($bytes)), bytes.len()),
                )
            })
        }
    };
}

sized!(digest, Digest, 32);
sized!(job_key, JobKey, 32);
sized!(claim_id, ClaimId, 16);

impl TryFrom<v1::JobClaim> for Claim {
    type Error = ConvertError;

    fn try_from(claim: v1::JobClaim) -> Result<Self, ConvertError> {
        Ok(Self {
            job_id: job_id("job_id", &claim.job_id)?,
            claim_id: claim_id("claim_id", &claim.claim_id)?,
        })
    }
}

impl From<Claim> for v1::JobClaim {
    fn from(claim: Claim) -> Self {
        Self { job_id: claim.job_id.to_string(), claim_id: claim.claim_id.0.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::required;

    #[test]
    fn a_claim_comes_back_as_it_went() {
        let claim = Claim {
            job_id: "0198a8e2-0000-7000-8000-000000000001".parse().unwrap(),
            claim_id: ClaimId([7; 16]),
        };

        assert_eq!(Claim::try_from(v1::JobClaim::from(claim)), Ok(claim));
    }

    #[test]
    fn a_bad_claim_is_told_by_its_field() {
        let claim = v1::JobClaim { job_id: "0198a8e2-0000-7000-8000-000000000001".into(), claim_id: vec![1] };

        let error = required::<_, Claim>("claim", Some(claim)).unwrap_err();

        assert_eq!(error.to_string(), "claim.claim_id: has 1 bytes, not 16");
        let error = required::<v1::JobClaim, Claim>("claim", None).unwrap_err();
        assert_eq!(error.to_string(), "claim: is missing");
    }
}
