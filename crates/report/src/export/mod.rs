//! Results for other programs.

pub mod csv;
