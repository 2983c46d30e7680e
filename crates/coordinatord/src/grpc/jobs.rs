//! Pages of jobs: as many rows as were asked for and one message holds.

use std::collections::HashMap;

use selffer_core::limits::{CONTROL_MESSAGE_BYTES_MAX, PAGE_ROWS_MAX};
use selffer_proto::v1;
use tonic::Status;

use super::{Service, status::of_store, summaries};

/// Room for jobs in one message, with some left for the rest of it.
pub(super) const PAGE_BYTES_MAX: usize = CONTROL_MESSAGE_BYTES_MAX / 4 * 3;
/// Rows with results are larger; their pages are read in smaller pieces.
const ROWS_WITH_RESULTS_MAX: usize = 2_000;

impl Service {
    /// One page of a study's jobs, in grid order.
    pub(super) async fn page_of_jobs(
        &self,
        request: v1::ListJobsRequest,
    ) -> Result<v1::ListJobsResponse, Status> {
        let after = position(&request.page_token)?;
        let most = if request.with_results { ROWS_WITH_RESULTS_MAX } else { PAGE_ROWS_MAX };
        let rows = match request.page_rows as usize {
            0 => most,
            rows => rows.min(most),
        };
        let store = &self.coordinator.store;
        // The name first: "last" must not become another study between two reads.
        let study = store.study(&request.study).await.map_err(|error| of_store(&error))?;
        let name = study.name.as_str();
        let mut summaries =
            store.study_jobs(name, after, rows as u32).await.map_err(|error| of_store(&error))?;
        let explained = self.coordinator.pack_rooms.explain(store, &mut summaries).await;
        explained.map_err(|error| of_store(&error))?;
        let results = if request.with_results {
            let ids: Vec<_> = summaries.iter().map(|summary| summary.job_id).collect();
            store.results(&ids).await.map_err(|error| of_store(&error))?
        } else {
            HashMap::new()
        };
        let jobs = summaries::jobs(&summaries, &results);
        let fitting = fitting(&jobs);
        let is_last = fitting == jobs.len() && summaries.len() < rows;
        let next_page_token = match summaries[..fitting].last() {
            Some(last) if !is_last => last.position.to_string(),
            _ => String::new(),
        };
        Ok(v1::ListJobsResponse { jobs: jobs.into_iter().take(fitting).collect(), next_page_token })
    }
}

/// How many of these jobs, from the first, one message holds; at least one.
pub(super) fn fitting(jobs: &[v1::JobSummary]) -> usize {
    let mut bytes = 0_usize;
    let over = jobs.iter().position(|job| {
        // Tag and length of an embedded message take at most 8 bytes here.
        bytes += prost::Message::encoded_len(job) + 8;
        bytes > PAGE_BYTES_MAX
    });
    over.map_or(jobs.len(), |index| index.max(1))
}

fn position(page_token: &str) -> Result<Option<u32>, Status> {
    if page_token.is_empty() {
        return Ok(None);
    }
    let parsed = page_token.parse().map(Some);
    parsed.map_err(|_| Status::invalid_argument("page_token: is none that an answer gave"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_what_one_message_holds_and_never_nothing() {
        let job =
            |reason_bytes: usize| v1::JobSummary { reason: "x".repeat(reason_bytes), ..Default::default() };

        assert_eq!(fitting(&[]), 0);
        assert_eq!(fitting(&vec![job(10); 100]), 100);
        assert_eq!(fitting(&vec![job(1 << 20); 8]), 2);
        assert_eq!(fitting(&[job(5 << 20)]), 1);
    }
}
