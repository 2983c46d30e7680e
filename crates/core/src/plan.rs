//! What a study would do, before it is submitted.
