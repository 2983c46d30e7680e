//! How fast the fleet works on a study, and so how long the rest takes.

use selffer_core::job::StateKind;
use selffer_storage::{JobSummary, StudySummary};

/// Floating-point operations a second that a study's running jobs make together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    flops_per_s: f64,
}

impl Pace {
    /// The pace of these jobs of a study. A job that is fetching or testing just now counts
    /// like the mean of those that train; while none trains, the study's pace so far counts.
    pub(crate) fn of(study: &StudySummary, jobs: &[JobSummary]) -> Self {
        let at_work = jobs.iter().filter(|job| job.state == StateKind::Running).count();
        let paces: Vec<f64> = jobs.iter().filter_map(job_pace).collect();
        let flops_per_s = if paces.is_empty() {
            if at_work > 0 && study.elapsed_s > 0.0 { study.work_done / study.elapsed_s } else { 0.0 }
        } else {
            paces.iter().sum::<f64>() / paces.len() as f64 * at_work as f64
        };
        Self { flops_per_s }
    }

    /// Seconds until the study's work is done; none while nothing runs.
    pub(crate) fn eta_s(self, study: &StudySummary) -> Option<f64> {
        let left = (study.work_total - study.work_done).max(0.0);
        if left == 0.0 {
            return Some(0.0);
        }
        (self.flops_per_s > 0.0).then(|| left / self.flops_per_s)
    }
}

/// Seconds until this job is trained, at the pace of its last report.
pub(crate) fn job_eta_s(job: &JobSummary) -> Option<f64> {
    let left = job.flops * (1.0 - share_done(job));
    job_pace(job).map(|flops_per_s| left / flops_per_s)
}

fn job_pace(job: &JobSummary) -> Option<f64> {
    let images = f64::from(job.iterations) * f64::from(job.batch);
    let is_training = job.state == StateKind::Running && job.images_per_s > 0.0 && images > 0.0;
    is_training.then(|| f64::from(job.images_per_s) * job.flops / images)
}

fn share_done(job: &JobSummary) -> f64 {
    if job.iterations == 0 { 0.0 } else { (f64::from(job.iteration) / f64::from(job.iterations)).min(1.0) }
}
