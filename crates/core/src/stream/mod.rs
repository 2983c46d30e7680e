//! Counter-based random streams: all randomness of a training.
//!
//! A stream is keyed with the BLAKE3 digest of a canonical text that says what its numbers
//! are for: seed, split, half, role and so on. How they are used is `training`'s business.

mod philox;
mod share;

use serde::Serialize;

pub use philox::Stream;
pub use share::validation_rank;

use crate::spec::{Half, JobSpec, Origin};

/// Whether a network is a base or grafted from one. A base network shares nothing with
/// the networks grafted from it, or a selffer's upper layers would restart at the base's
/// own initial values and it would be no control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Base,
    Grafted,
}

/// The streams of one job.
///
/// Order, crops and mirrors depend on seed, split, target half and role: all networks
/// grafted onto one half see the same images in the same order. Initial weights and
/// dropout depend on n as well: BnB, AnB, their + and RnB at one n are paired, different
/// n share nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streams {
    seed: u64,
    split: String,
    half: Half,
    role: Role,
    layers_copied: u8,
}

/// What a stream is for; its canonical JSON is the key.
#[derive(Serialize)]
struct Purpose<'a> {
    version: &'static str,
    purpose: &'static str,
    seed: u64,
    split: &'a str,
    half: Half,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iteration: Option<u32>,
}

impl Streams {
    /// The streams of this job.
    #[must_use]
    pub fn of(spec: &JobSpec) -> Self {
        Self {
            seed: spec.seed,
            split: spec.split.clone(),
            half: spec.target.half,
            role: if spec.treatment.origin == Origin::None { Role::Base } else { Role::Grafted },
            layers_copied: spec.treatment.layers_copied,
        }
    }

    /// The order of the training images in this epoch (from 0).
    #[must_use]
    pub fn order(&self, epoch: u64) -> Stream {
        Stream::keyed_by(&Purpose { epoch: Some(epoch), ..self.of_images("order") })
    }

    /// Where crops begin. The image at `position` of an iteration's batch has elements
    /// `2·(iteration·batch + position)` for the row and the one after for the column.
    #[must_use]
    pub fn crops(&self) -> Stream {
        Stream::keyed_by(&self.of_images("crops"))
    }

    /// Which images are mirrored; element `iteration·batch + position`.
    #[must_use]
    pub fn mirrors(&self) -> Stream {
        Stream::keyed_by(&self.of_images("mirrors"))
    }

    /// Initial weights of a layer that is not copied, elements in the tensor's order.
    #[must_use]
    pub fn weights(&self, layer: &str) -> Stream {
        Stream::keyed_by(&self.of_layer("weights", layer))
    }

    /// Weights of one of RnB's random layers: the first n layers of one draw for each
    /// seed, split and target half, so that R3B's are among R5B's.
    #[must_use]
    pub fn random_layer(&self, layer: &str) -> Stream {
        let all_n = Purpose { role: None, n: None, ..self.of_layer("random-layer", layer) };
        Stream::keyed_by(&all_n)
    }

    /// Which units dropout keeps after this layer in this iteration (from 0); elements
    /// over `[N, units]`.
    #[must_use]
    pub fn dropout(&self, layer: &str, iteration: u32) -> Stream {
        Stream::keyed_by(&Purpose { iteration: Some(iteration), ..self.of_layer("dropout", layer) })
    }

    fn of_images(&self, purpose: &'static str) -> Purpose<'_> {
        Purpose {
            version: "selffer.stream/v1",
            purpose,
            seed: self.seed,
            split: &self.split,
            half: self.half,
            role: Some(self.role),
            n: None,
            layer: None,
            epoch: None,
            iteration: None,
        }
    }

    fn of_layer<'a>(&'a self, purpose: &'static str, layer: &'a str) -> Purpose<'a> {
        Purpose { n: Some(self.layers_copied), layer: Some(layer), ..self.of_images(purpose) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(role: Role, layers_copied: u8) -> Streams {
        Streams { seed: 0, split: "random-0".into(), half: Half::B, role, layers_copied }
    }

    // Written out with Python's blake3 and whole-number arithmetic; a change here changes
    // every network, and with it TRAINER_SEMANTICS_VERSION.
    #[test]
    fn the_streams_of_a_job_never_change() {
        let grafted = streams(Role::Grafted, 3);
        assert_eq!(grafted.order(2).block(0), [0xe7c1_7972, 0x44cb_2f67, 0x362b_6932, 0x6a98_63b5]);
        assert_eq!(
            grafted.weights("fc6").block(1 << 40),
            [0xb453_1efb, 0x8151_d43e, 0x4d83_aa72, 0x4098_dfd9]
        );
        assert_eq!(
            grafted.random_layer("conv1").block(7),
            [0xebcf_0602, 0x8cb0_ec4f, 0x0247_5a67, 0x3535_0d06]
        );
        assert_eq!(grafted.dropout("fc7", 799).uniform_u32(6), 0x1a77_6fb1);
        assert_eq!(grafted.weights("fc6").normal(3).to_bits(), 0x3f04_5fd3);
    }

    #[test]
    fn images_come_alike_for_all_n_but_not_for_base_and_grafted() {
        let (base, one, four) =
            (streams(Role::Base, 0), streams(Role::Grafted, 1), streams(Role::Grafted, 4));
        assert_eq!(one.order(0), four.order(0));
        assert_eq!(one.crops(), four.crops());
        assert_eq!(one.mirrors(), four.mirrors());
        assert_ne!(one.order(0), one.order(1));
        assert_ne!(base.order(0), one.order(0));
    }

    #[test]
    fn different_n_share_no_weights_but_the_random_layers() {
        let (one, four) = (streams(Role::Grafted, 1), streams(Role::Grafted, 4));
        assert_ne!(one.weights("fc6"), four.weights("fc6"));
        assert_ne!(one.dropout("fc6", 0), four.dropout("fc6", 0));
        assert_ne!(one.weights("fc6"), one.weights("fc7"));
        assert_ne!(one.weights("conv1"), one.random_layer("conv1"));
        assert_eq!(one.random_layer("conv1"), four.random_layer("conv1"));
    }
}
