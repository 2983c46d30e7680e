//! Packs and weights from the outside: imported from IDX files and from a package of PNGs,
//! opened, damaged, selected from.
//!
//! The sets are tiny and made here; Fashion-MNIST itself is imported by the demo.

#[cfg(test)]
mod archives;
#[cfg(test)]
mod cifar10;
#[cfg(test)]
mod cifar10_refused;
#[cfg(test)]
mod cifar_binary;
#[cfg(test)]
mod coded;
#[cfg(test)]
mod folders;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod idx;
#[cfg(test)]
mod ilsvrc2012;
#[cfg(test)]
mod odd_pictures;
#[cfg(test)]
mod pictures;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod selection;
#[cfg(test)]
mod tiny;
#[cfg(test)]
mod tiny_cifar10;
#[cfg(test)]
mod weights;
#[cfg(test)]
mod weights_folder;
