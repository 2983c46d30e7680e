//! What takes long: run by `make chaos`, not by `make test`.

mod away;
mod crowds;
mod deadlines;
mod full_disks;
mod hang_ups;
