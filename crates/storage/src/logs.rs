//! Attempts' logs: appended by offset, so that a lost answer never doubles a line; of a long
//! one the end is kept.

use selffer_core::{
    ids::{AttemptNumber, JobId},
    limits::LOG_BYTES_MAX,
};

use crate::{
    Holder, Store, StoreError,
    convert::{from_i32, from_i64, to_i32, to_i64},
};

/// A piece of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPart {
    /// Whose log it is.
    pub attempt: AttemptNumber,
    /// From the offset asked for, or from the oldest byte that is kept, after a line that says
    /// so.
    pub text: String,
    /// Where the next piece begins.
    pub next_offset: u64,
    /// Whether the attempt has ended, so that nothing more comes.
    pub ended: bool,
}

impl Store {
    /// Appends to the log of the job's newest attempt, also after it ended. Returns how many
    /// bytes there are now: go on from there. Text before that is not stored again, text
    /// beyond it not at all.
    ///
    /// # Errors
    /// The claim is not the job's newest, or is another session's.
    pub async fn append_log(&self, holder: &Holder, offset: u64, text: &str) -> Result<u64, StoreError> {
        let claim_id = &holder.claim.claim_id.0[..];
        let mut tx = self.main.begin().await?;
        // Locked, so that two appends at once do not both take the same place.
        let attempt = sqlx::query!(
            r#"SELECT a.session_id, j.session_id AS current_session_id
               FROM attempts a JOIN jobs j USING (job_id, attempt)
               WHERE a.claim_id = $1
                 AND a.job_id = $2
               FOR NO KEY UPDATE OF a"#,
            claim_id,
            holder.claim.job_id.0,
        );
        let Some(attempt) = attempt.fetch_optional(&mut *tx).await? else {
            return Err(crate::claim::over_or_unknown(&mut tx, holder.claim).await?);
        };
        let session = holder.session_id.0;
        if attempt.session_id != session && attempt.current_session_id != Some(session) {
            return Err(StoreError::SessionEnded { session_id: holder.session_id });
        }
        let stored = sqlx::query_scalar!(
            r#"SELECT COALESCE(MAX(start_bytes + octet_length(text)), 0) AS "stored!"
               FROM log_parts
               WHERE claim_id = $1"#,
            claim_id,
        );
        let stored = from_i64(stored.fetch_one(&mut *tx).await?);
        let Some(new) = stored.checked_sub(offset).and_then(|known| text.as_bytes().get(known as usize..))
        else {
            return Ok(stored);
        };
        if new.is_empty() {
            return Ok(stored);
        }
        let end = stored + new.len() as u64;
        sqlx::query!(
            "INSERT INTO log_parts (claim_id, start_bytes, text) VALUES ($1, $2, $3)",
            claim_id,
            to_i64("log", stored)?,
            new,
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            r#"DELETE FROM log_parts
               WHERE claim_id = $1
                 AND start_bytes + octet_length(text) <= $2"#,
            claim_id,
            to_i64("log", end.saturating_sub(LOG_BYTES_MAX as u64))?,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(end)
    }

    /// The log of one of a job's attempts, else of its newest, from this offset.
    ///
    /// # Errors
    /// The job has had no such attempt.
    pub async fn log(
        &self,
        job_id: JobId,
        attempt: Option<AttemptNumber>,
        offset: u64,
    ) -> Result<LogPart, StoreError> {
        let wanted = attempt.map(|attempt| to_i32("attempt", attempt.0)).transpose()?;
        let found = sqlx::query!(
            r#"SELECT a.claim_id, a.attempt, a.ended_at IS NOT NULL AS "ended!"
               FROM attempts a JOIN jobs j USING (job_id)
               WHERE a.job_id = $1
                 AND a.attempt = COALESCE($2, j.attempt)"#,
            job_id.0,
            wanted,
        );
        let attempt = found.fetch_optional(&self.main).await?.ok_or_else(|| match wanted {
            Some(wanted) => StoreError::NotFound { what: "attempt", name: wanted.to_string() },
            None => StoreError::NotFound { what: "attempt of job", name: job_id.to_string() },
        })?;
        let parts = sqlx::query!(
            r#"SELECT start_bytes, text
               FROM log_parts
               WHERE claim_id = $1
                 AND start_bytes + octet_length(text) > $2
               ORDER BY start_bytes"#,
            &attempt.claim_id,
            to_i64("offset", offset)?,
        );
        let parts = parts.fetch_all(&self.main).await?;
        let start = parts.first().map_or(offset, |part| from_i64(part.start_bytes));
        let bytes: Vec<u8> = parts.into_iter().flat_map(|part| part.text).collect();
        let known = offset.saturating_sub(start) as usize;
        let text = String::from_utf8_lossy(bytes.get(known..).unwrap_or_default());
        Ok(LogPart {
            attempt: AttemptNumber(from_i32(attempt.attempt)),
            text: match start.saturating_sub(offset) {
                0 => text.into_owned(),
                cut => format!("[{cut} bytes before this are not kept]\n{text}"),
            },
            next_offset: start.max(offset).max(start + bytes.len() as u64),
            ended: attempt.ended,
        })
    }
}
