//! What takes long: run by `make chaos`, not by `make test`.

mod absences;
mod clocks;
mod cut_uploads;
mod failover;
mod full_disks;
mod memory;
mod partitions;
mod rollback;
mod soak;
