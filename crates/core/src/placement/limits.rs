//! Limits of studies: how many of a study's jobs may be at work at once.
//!
//! A job counts for every study that wants it, and may start if one active study that wants it
//! is below its limit. Only those are looked at that would all be handed out together; how many
//! are at work already is what the room was counted from.

use super::{Candidate, StudyRoom};

/// Those of the candidates, best first, that may all start together.
#[must_use]
pub fn below_limits(candidates: Vec<Candidate>, mut room: StudyRoom) -> Vec<Candidate> {
    let starts = |candidate: &Candidate| {
        let studies = &candidate.limited_by;
        if studies.is_empty() {
            return true;
        }
        // A study that is not listed has lost its limit since the candidates were read.
        if !studies.iter().any(|study| room.get(study).is_none_or(|left| *left > 0)) {
            return false;
        }
        for study in studies {
            room.entry(*study).and_modify(|left| *left = left.saturating_sub(1));
        }
        true
    };
    candidates.into_iter().filter(starts).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::{
        ids::{Digest, JobId, JobKey, StudyId},
        placement::NeededPack,
    };

    fn study(number: u8) -> StudyId {
        StudyId(Uuid::from_bytes([number; 16]))
    }

    fn job(number: u8, studies: &[u8]) -> Candidate {
        Candidate {
            job_id: JobId(Uuid::from_bytes([number; 16])),
            key: JobKey([number; 32]),
            priority: 0,
            flops: 1.0,
            unlocks_flops: 0.0,
            not_before: DateTime::UNIX_EPOCH,
            source_weights: None,
            avoid_worker: None,
            kept_from: BTreeSet::new(),
            limited_by: studies.iter().map(|number| study(*number)).collect(),
            pack: NeededPack { digest: Digest([99; 32]), bytes: 10 },
        }
    }

    // Which of the jobs start, with so much room in study 1 and study 2.
    fn starts(jobs: &[Candidate], room: [u32; 2]) -> Vec<u8> {
        let room = [(study(1), room[0]), (study(2), room[1])].into();
        below_limits(jobs.to_vec(), room).iter().map(|job| job.key.0[0]).collect()
    }

    #[test]
    fn as_many_start_as_there_is_room_for_and_others_pass_them() {
        let jobs = [job(1, &[1]), job(2, &[1]), job(3, &[1]), job(4, &[2]), job(5, &[])];
        assert_eq!(starts(&jobs, [2, 1]), [1, 2, 4, 5]);
        assert_eq!(starts(&jobs, [0, 0]), [5]);
    }

    #[test]
    fn a_shared_job_may_start_for_any_of_its_studies_and_counts_for_all() {
        let jobs = [job(1, &[1, 2]), job(2, &[1, 2]), job(3, &[1]), job(4, &[2])];
        assert_eq!(starts(&jobs, [1, 0]), [1], "one is enough, and then study 1 is full");
        assert_eq!(starts(&jobs, [1, 3]), [1, 2, 4]);
    }

    #[test]
    fn a_limit_that_was_lifted_meanwhile_holds_nobody_up() {
        assert_eq!(below_limits(vec![job(1, &[3]), job(2, &[3])], StudyRoom::new()).len(), 2);
    }
}
