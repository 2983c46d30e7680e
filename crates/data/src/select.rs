//! Which images of a subset a network sees, and under which labels.
//!
//! Labels are renumbered in the order of the classes given, so that the classes of a half
//! become `0..K`. The order of images is the pack's; shuffling them is the trainer's
//! business.

use selffer_core::spec::ImagesPerClass;

use crate::Images;

/// Images of one subset with their new labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Indices into the [`Images`] they were selected from, increasing.
    pub indices: Vec<u32>,
    /// The new label of each, in the same order: the position of its class among the
    /// classes selected.
    pub labels: Vec<u32>,
}

impl Selection {
    /// How many images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

/// Selects the images of `classes`, at most `limit` of each.
///
/// - `classes`: original class indices, each once; a class's new label is its position.
///   A class that the pack lacks has no images.
/// - `limit`: all, or the first so many of each class in the pack's order.
#[must_use]
pub fn select(images: &Images, classes: &[u32], limit: ImagesPerClass) -> Selection {
    let limit = match limit {
        ImagesPerClass::All => u32::MAX,
        ImagesPerClass::First(limit) => limit,
    };
    let width = classes.iter().map(|&class| class as usize + 1).max().unwrap_or(0);
    let mut new_labels = vec![None; width];
    for (position, &class) in classes.iter().enumerate() {
        new_labels[class as usize] = Some(position as u32);
    }
    let mut taken = vec![0_u32; classes.len()];
    let mut selection = Selection::default();
    for index in 0..images.len() {
        let Some(Some(label)) = new_labels.get(images.label(index) as usize) else { continue };
        let taken = &mut taken[*label as usize];
        if *taken < limit {
            *taken += 1;
            selection.indices.push(index as u32);
            selection.labels.push(*label);
        }
    }
    selection
}
