//! Packs and weights from the outside: imported from IDX files, opened, damaged, selected from.
//!
//! The sets are tiny and made here; the real one is imported by the demo.

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod idx;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod selection;
#[cfg(test)]
mod tiny;
#[cfg(test)]
mod weights;
#[cfg(test)]
mod weights_folder;
