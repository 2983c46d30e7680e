//! Who wants a job: what is kept with it must be what its studies say.

use sqlx::PgConnection;

use super::{Violation, look_for};
use crate::StoreError;

/// I5, I8: nobody works for a study that was given up, and nothing is left of it.
pub(super) async fn interest(
    connection: &mut PgConnection,
    found: &mut Vec<Violation>,
) -> Result<(), StoreError> {
    look_for!(
        found,
        connection,
        "I5",
        "has another interest or priority than its studies:",
        r#"SELECT j.job_id AS "job_id?", j.interest || ' ' || j.priority AS "detail!"
           FROM jobs j
           JOIN (
               SELECT sj.job_id,
                   MIN(array_position(ARRAY['active', 'paused', 'stopped', 'cancelled'], s.interest)) AS rank,
                   COALESCE(MAX(s.priority) FILTER (WHERE s.interest IN ('active', 'paused')), 0) AS priority
               FROM study_jobs sj JOIN studies s USING (study_id)
               GROUP BY sj.job_id) AS wanted USING (job_id)
           WHERE array_position(ARRAY['active', 'paused', 'stopped', 'cancelled'], j.interest) <> wanted.rank
              OR j.priority <> wanted.priority
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I5",
        "has other limits than its studies:",
        r#"SELECT j.job_id AS "job_id?", COALESCE(j.limited_by::text, 'none') AS "detail!"
           FROM jobs j
           JOIN (
               SELECT sj.job_id,
                   CASE
                       WHEN NOT COALESCE(BOOL_OR(s.interest = 'active' AND s.parallel_max IS NULL), false)
                           THEN ARRAY_AGG(s.study_id ORDER BY s.study_id) FILTER (WHERE s.interest = 'active')
                   END AS limited_by
               FROM study_jobs sj JOIN studies s USING (study_id)
               GROUP BY sj.job_id) AS wanted USING (job_id)
           WHERE j.limited_by IS DISTINCT FROM wanted.limited_by
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I8",
        "is wanted by no study, but is",
        r#"SELECT job_id AS "job_id?", state AS "detail!"
           FROM jobs
           WHERE (interest IN ('stopped', 'cancelled') AND state IN ('waiting', 'ready', 'held'))
              OR (interest = 'cancelled' AND state = 'leased')
           LIMIT $1"#
    );
    Ok(())
}
