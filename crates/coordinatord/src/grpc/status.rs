//! Errors as gRPC statuses: one code for each kind, one sentence for people.

use std::error::Error;

use selffer_artifacts::ArtifactError;
use selffer_core::artifact::ManifestError;
use selffer_proto::convert::ConvertError;
use selffer_storage::StoreError;
use tonic::{Code, Status};
use tracing::error;

use crate::{chunk_health, outage, sentence::sentence};

/// A message that does not convert.
pub(super) fn unconvertible(error: &ConvertError) -> Status {
    Status::invalid_argument(error.to_string())
}

/// A manifest that does not add up.
pub(super) fn bad_manifest(error: &ManifestError) -> Status {
    Status::invalid_argument(format!("manifest: {error}"))
}

/// What the store says.
pub(super) fn of_store(failure: &StoreError) -> Status {
    let code = match failure {
        StoreError::StaleClaim { .. } => Code::Aborted,
        StoreError::SessionSilent { .. }
        | StoreError::ClaimUnknown { .. }
        | StoreError::Raced { .. }
        | StoreError::ImportChanged { .. } => Code::Unavailable,
        StoreError::NotFound { .. } => Code::NotFound,
        StoreError::Ambiguous { .. } | StoreError::TooLarge { .. } => Code::InvalidArgument,
        StoreError::StudyConflict { .. }
        | StoreError::RequestReused { .. }
        | StoreError::ImportNameTaken { .. } => Code::AlreadyExists,
        StoreError::SessionEnded { .. }
        | StoreError::SetAside { .. }
        | StoreError::HasDependants { .. }
        | StoreError::NotPublished { .. }
        | StoreError::InterestGone { .. }
        | StoreError::Unwanted { .. }
        | StoreError::StillNeeded { .. }
        | StoreError::NotPossible { .. } => Code::FailedPrecondition,
        StoreError::QuotaReached { .. } => Code::ResourceExhausted,
        _ if failure.is_transient() => Code::Unavailable,
        _ => Code::Internal,
    };
    match code {
        Code::Internal => error!(error = failure as &dyn Error, "the store answered with an error"),
        Code::Unavailable => outage::note(failure, "the store is not available"),
        _ => {}
    }
    Status::new(code, sentence(failure))
}

/// What the chunk store says.
pub(crate) fn of_artifact(failure: &ArtifactError) -> Status {
    let code = match failure {
        ArtifactError::NoSpace { .. } => Code::ResourceExhausted,
        ArtifactError::WrongLength { .. }
        | ArtifactError::WrongDigest { .. }
        | ArtifactError::Complete { .. } => Code::InvalidArgument,
        ArtifactError::Damaged { .. } | ArtifactError::Missing { .. } => Code::DataLoss,
        ArtifactError::Incomplete { .. } => Code::FailedPrecondition,
        // Its disk or server may come back, and workers keep what they have until then.
        ArtifactError::Away { .. } | ArtifactError::File { .. } | ArtifactError::Store { .. } => {
            Code::Unavailable
        }
        ArtifactError::Bucket { .. } => Code::Internal,
    };
    if matches!(code, Code::ResourceExhausted | Code::DataLoss | Code::Internal | Code::Unavailable) {
        chunk_health::note(failure);
    }
    let advice = match code {
        Code::ResourceExhausted => ": make room on the coordinator's disk, uploads go on by themselves",
        _ => "",
    };
    Status::new(code, format!("{}{advice}", sentence(failure)))
}

#[cfg(test)]
mod tests {
    use std::io;

    use selffer_artifacts::Place;

    use super::*;

    #[test]
    fn a_full_disk_is_one_sentence_that_says_what_to_do() {
        let place = Place::Folder("/data/store".into());
        let source = io::Error::from(io::ErrorKind::StorageFull);

        let status = of_artifact(&ArtifactError::NoSpace { place, source });

        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(
            status.message(),
            "no space left in /data/store: no storage space: \
             make room on the coordinator's disk, uploads go on by themselves"
        );
    }
}
