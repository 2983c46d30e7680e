//! Proofs: what is stored of a job's layers and of those they were copied from.
//!
//! Comparing them is `core::proof`'s business.

use selffer_core::{
    artifact::Manifest,
    ids::{CheckpointId, Digest, JobId},
    outcome::JobResult,
    proof::{self, LayerProof, ProofError, Source},
    spec::JobSpec,
};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Completion, Store, StoreError, convert};

/// A result that cannot be true.
#[derive(Clone, Debug, PartialEq)]
pub struct Untrue {
    /// What of it.
    pub why: ProofError,
    /// Updates done.
    pub iteration: u32,
}

/// What is stored of the network that a job's layers are copied from.
#[derive(Clone, Debug, Default, PartialEq)]
struct Origin {
    layer_digests: Vec<(String, Digest)>,
    manifest: Option<Manifest>,
}

impl Origin {
    fn as_source(&self) -> Source<'_> {
        Source { layer_digests: &self.layer_digests, manifest: self.manifest.as_ref() }
    }
}

impl Store {
    /// Checks results, under their final checkpoints, against what their layers were copied from;
    /// of each, in their order, what cannot be true. A checkpoint or job that is not there is for
    /// the completion to refuse.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn check_results(&self, completions: &[Completion]) -> Result<Vec<Option<Untrue>>, StoreError> {
        let job_ids: Vec<Uuid> = completions.iter().map(|one| one.holder.claim.job_id.0).collect();
        let checkpoint_ids: Vec<Uuid> = completions.iter().map(|one| one.checkpoint_id.0).collect();
        let rows = sqlx::query!(
            r#"SELECT given.place AS "place!", j.spec, c.iteration,
                   c.manifest AS "manifest: Json<Manifest>"
               FROM UNNEST($1::uuid[], $2::uuid[]) WITH ORDINALITY AS given (job_id, checkpoint_id, place)
               JOIN jobs j ON j.job_id = given.job_id
               JOIN checkpoints c ON c.checkpoint_id = given.checkpoint_id"#,
            &job_ids,
            &checkpoint_ids,
        );
        let mut untrue: Vec<Option<Untrue>> = completions.iter().map(|_| None).collect();
        for row in rows.fetch_all(&self.main).await? {
            let place = row.place as usize - 1;
            let (job_id, result) = (completions[place].holder.claim.job_id, &completions[place].result);
            let spec = convert::spec(&row.spec)?;
            let origin = self.origin_of(job_id, &spec).await?;
            let checked = proof::check(&spec, result, &row.manifest, &origin.as_source());
            let iteration = convert::from_i32(row.iteration);
            untrue[place] = checked.err().map(|why| Untrue { why, iteration });
        }
        Ok(untrue)
    }

    /// Every layer of a succeeded job's result beside the layer it was copied from.
    ///
    /// # Errors
    /// There is no such job or checkpoint, or the database does not answer.
    pub(crate) async fn proofs_of(
        &self,
        job_id: JobId,
        spec: &JobSpec,
        result: &JobResult,
        checkpoint_id: CheckpointId,
    ) -> Result<Vec<LayerProof>, StoreError> {
        let manifest = self.checkpoint(checkpoint_id).await?.manifest;
        let origin = self.origin_of(job_id, spec).await?;
        Ok(proof::layers(spec, result, &manifest, &origin.as_source()))
    }

    // The newest result, also of a source that is trained again meanwhile: it was the one
    // copied from, and its successor has the same bits.
    async fn origin_of(&self, job_id: JobId, spec: &JobSpec) -> Result<Origin, StoreError> {
        if spec.treatment.layers_copied == 0 {
            return Ok(Origin::default());
        }
        if let Some(imported) = spec.imported {
            return self.imported(imported.weights).await;
        }
        let source = sqlx::query!(
            r#"SELECT r.layer_digests AS "layer_digests: Json<Vec<(String, Digest)>>",
                   c.manifest AS "manifest: Json<Manifest>"
               FROM jobs j
               JOIN results r ON r.job_id = j.source_job_id
               JOIN checkpoints c USING (checkpoint_id)
               WHERE j.job_id = $1
               ORDER BY r.attempt DESC
               LIMIT 1"#,
            job_id.0,
        );
        let source = source.fetch_optional(&self.main).await?;
        Ok(source.map_or_else(Origin::default, |row| Origin {
            layer_digests: row.layer_digests.0,
            manifest: Some(row.manifest.0),
        }))
    }

    async fn imported(&self, weights: Digest) -> Result<Origin, StoreError> {
        let Some(row) = self.weights(&weights.to_string()).await? else { return Ok(Origin::default()) };
        let layers = row.manifest.layers.into_iter();
        Ok(Origin {
            layer_digests: layers.map(|layer| (layer.name, layer.values)).collect(),
            manifest: Some(row.objects),
        })
    }
}
