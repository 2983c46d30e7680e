//! The chunk store: trained networks that are deleted, and what is freed.

use selffer_proto::v1::{self, delete_networks_request::What};
use serde::Serialize;

use super::{
    Client,
    studies::{JOB_HINT, STUDY_HINT},
};

/// How much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Amount {
    pub(crate) chunks: u64,
    pub(crate) bytes: u64,
}

/// What is kept in the store for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct KeptView {
    pub(crate) what: String,
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

/// What was freed, and what is kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct GarbageView {
    pub(crate) place: String,
    pub(crate) freed: Amount,
    pub(crate) waiting: Amount,
    pub(crate) unknown: Amount,
    pub(crate) stored: Amount,
    pub(crate) kept: Vec<KeptView>,
    pub(crate) keep_dropped_s: f64,
    pub(crate) free_bytes: Option<u64>,
    pub(crate) keep_free_bytes: u64,
    pub(crate) intermediates_bytes_max: Option<u64>,
}

/// What is to be deleted.
#[derive(Clone, Debug)]
pub(crate) enum Deletion {
    /// A study's networks that no other wants.
    Study(String),
    /// One job's network.
    Job(String),
}

impl Client {
    /// Deletes trained networks.
    pub(crate) async fn delete_networks(
        &self,
        what: &Deletion,
        reason: &str,
    ) -> anyhow::Result<v1::DeleteNetworksResponse> {
        self.ask_to_delete(
            what,
            v1::DeleteNetworksRequest { reason: reason.to_owned(), ..Default::default() },
        )
        .await
    }

    /// What would be deleted.
    pub(crate) async fn would_delete(&self, what: &Deletion) -> anyhow::Result<v1::DeleteNetworksResponse> {
        self.ask_to_delete(what, v1::DeleteNetworksRequest { dry_run: true, ..Default::default() }).await
    }

    async fn ask_to_delete(
        &self,
        what: &Deletion,
        mut request: v1::DeleteNetworksRequest,
    ) -> anyhow::Result<v1::DeleteNetworksResponse> {
        let (what, hint) = match what {
            Deletion::Study(study) => (What::Study(study.clone()), STUDY_HINT),
            Deletion::Job(job) => (What::Job(job.clone()), JOB_HINT),
        };
        request.what = Some(what);
        let answer = self.connection.store().delete_networks(self.request(request)).await;
        self.answer_or(answer, hint)
    }

    /// Frees what nothing refers to.
    pub(crate) async fn collect_garbage(&self) -> anyhow::Result<GarbageView> {
        self.ask_for_garbage(v1::CollectGarbageRequest { dry_run: false }).await
    }

    /// What would be freed.
    pub(crate) async fn look_for_garbage(&self) -> anyhow::Result<GarbageView> {
        self.ask_for_garbage(v1::CollectGarbageRequest { dry_run: true }).await
    }

    async fn ask_for_garbage(&self, request: v1::CollectGarbageRequest) -> anyhow::Result<GarbageView> {
        // A large store takes long to list: no bound but the connection's own.
        let answer = self.connection.store().collect_garbage(request).await;
        let answer = self.answer(answer)?;
        let amount = |chunks: Option<v1::Chunks>| {
            let chunks = chunks.unwrap_or_default();
            Amount { chunks: chunks.chunks, bytes: chunks.bytes }
        };
        let kept = answer.kept.into_iter();
        Ok(GarbageView {
            place: answer.place,
            freed: amount(answer.freed),
            waiting: amount(answer.waiting),
            unknown: amount(answer.unknown),
            stored: amount(answer.stored),
            kept: kept
                .map(|kept| KeptView { what: kept.what, count: kept.count, bytes: kept.bytes })
                .collect(),
            keep_dropped_s: answer.keep_dropped_s,
            free_bytes: answer.free_bytes,
            keep_free_bytes: answer.keep_free_bytes,
            intermediates_bytes_max: answer.intermediates_bytes_max,
        })
    }
}
