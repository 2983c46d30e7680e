//! Which worker gets which job.
