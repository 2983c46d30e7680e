//! What takes long: run by `make chaos`, not by `make test`.

mod absences;
mod failover;
mod partitions;
mod rollback;
