//! The command line as a person or a script meets it, without a coordinator.

#[cfg(test)]
mod acts;
#[cfg(test)]
mod checkpoints;
#[cfg(test)]
mod grids;
#[cfg(test)]
mod help;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod networks;
#[cfg(test)]
mod pictures;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod program;
#[cfg(test)]
mod splits;
#[cfg(test)]
mod unreachable;
