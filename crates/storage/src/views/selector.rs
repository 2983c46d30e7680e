//! How people name a job: `[STUDY:]NAME`, or at least 8 hex digits of its key.

use selffer_core::ids::{JobId, JobKey, StudyId};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    convert::{from_i32, job_key},
};

const KEY_DIGITS_MIN: usize = 8;
const KEY_DIGITS: usize = 64;
/// How many jobs an ambiguous selector lists.
const CANDIDATES_MAX: i64 = 5;

/// A job, found, and a study that wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRef {
    /// The study it was looked up in, else the newest that wants it.
    pub study: String,
    /// The study's row.
    pub study_id: StudyId,
    /// Its name within that study.
    pub name: String,
    /// Its place there.
    pub position: u32,
    /// Its row.
    pub job_id: JobId,
    /// Its key.
    pub key: JobKey,
}

struct RefRow {
    study: String,
    study_id: Uuid,
    name: String,
    position: i32,
    job_id: Uuid,
    key: Vec<u8>,
}

impl RefRow {
    fn read(self) -> Result<JobRef, StoreError> {
        Ok(JobRef {
            study: self.study,
            study_id: StudyId(self.study_id),
            name: self.name,
            position: from_i32(self.position),
            job_id: JobId(self.job_id),
            key: job_key(&self.key)?,
        })
    }
}

impl Store {
    /// Finds a job: `[STUDY:]NAME`, in the newest study if none is said, or by its key.
    ///
    /// # Errors
    /// There is no such study or job, or several jobs have such keys.
    pub async fn find_job(&self, selector: &str) -> Result<JobRef, StoreError> {
        let (study, name) = selector.split_once(':').unwrap_or(("last", selector));
        if let (true, Some((low, high))) = (!selector.contains(':'), key_range(name)) {
            return self.find_by_key(selector, &low, &high).await;
        }
        let study_id = self.study_id(study).await?;
        let row = sqlx::query_as!(
            RefRow,
            r#"SELECT s.name AS study, s.study_id, sj.name, sj.position, j.job_id, j.key
               FROM study_jobs sj JOIN studies s USING (study_id) JOIN jobs j USING (job_id)
               WHERE sj.study_id = $1
                 AND sj.name = $2"#,
            study_id.0,
            name,
        );
        let row = row.fetch_optional(&self.main).await?;
        row.ok_or_else(|| StoreError::NotFound { what: "job", name: selector.to_owned() })?.read()
    }

    async fn find_by_key(&self, selector: &str, low: &[u8], high: &[u8]) -> Result<JobRef, StoreError> {
        let rows = sqlx::query_as!(
            RefRow,
            r#"SELECT s.name AS "study!", s.study_id AS "study_id!", s.cell AS "name!",
                   s.position AS "position!", j.job_id, j.key
               FROM jobs j
               CROSS JOIN LATERAL (
                   SELECT s.name, s.study_id, sj.name AS cell, sj.position
                   FROM study_jobs sj JOIN studies s USING (study_id)
                   WHERE sj.job_id = j.job_id
                   ORDER BY s.created_at DESC
                   LIMIT 1) AS s
               WHERE j.key BETWEEN $1 AND $2
               LIMIT $3"#,
            low,
            high,
            CANDIDATES_MAX,
        );
        let mut found = rows.fetch_all(&self.main).await?;
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(StoreError::NotFound { what: "job with the key", name: selector.to_owned() }),
            (Some(only), true) => only.read(),
            (Some(last), false) => {
                found.push(last);
                let candidates = found.iter().map(|row| format!("{}:{}", row.study, row.name)).collect();
                Err(StoreError::Ambiguous { selector: selector.to_owned(), candidates })
            }
        }
    }
}

/// The smallest and the largest key that begin with these digits; `None` if they are none.
fn key_range(digits: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    if !(KEY_DIGITS_MIN..=KEY_DIGITS).contains(&digits.len()) {
        return None;
    }
    let fill = |with: &str| {
        let text = format!("{}{}", digits.to_ascii_lowercase(), with.repeat(KEY_DIGITS - digits.len()));
        text.parse::<JobKey>().ok().map(|key| key.0.to_vec())
    };
    Some((fill("0")?, fill("f")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_a_key_are_a_range_of_keys() {
        let (low, high) = key_range("00ff00ff0").unwrap();
        assert_eq!((&low[..5], &high[..5]), (&[0, 255, 0, 255, 0][..], &[0, 255, 0, 255, 15][..]));
        assert!(key_range("00ff00f").is_none(), "seven digits");
        assert!(key_range("random-0/A3B").is_none(), "a name");
    }
}
