//! How treatments look: the paper's colours, a shape each, solid when frozen.
//!
//! Dark and light differ in lightness and blue and red in hue, so that neither a
//! colour-blind reader nor a grey print loses a treatment; shapes and dashes repeat it.

use crate::results::TreatmentName;

/// Text, axes and lines that are not data.
pub(super) const TEXT: &str = "#1a1a1a";
/// Secondary text.
pub(super) const MUTED: &str = "#5c5c5c";
/// Grid lines.
pub(super) const GRID: &str = "#e4e4e4";
/// Axes and reference lines.
pub(super) const AXIS: &str = "#8a8a8a";
/// Behind everything.
pub(super) const BACKGROUND: &str = "#ffffff";
/// Fonts to try; the first is the one that PNGs are drawn with.
pub(super) const FONTS: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";

/// The look of one treatment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Style {
    /// Inside of markers.
    pub(super) fill: &'static str,
    /// Outline of markers, lines and labels.
    pub(super) stroke: &'static str,
    /// Of markers.
    pub(super) shape: Shape,
    /// Pattern of lines, as SVG writes it; empty is solid.
    pub(super) dashes: &'static str,
    /// Shift to the right, in pixels, so that treatments of one n stand side by side.
    pub(super) shift: f64,
    /// What the treatment is, in words.
    pub(super) words: &'static str,
}

/// The shape of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Circle,
    Square,
    Diamond,
    Triangle,
    Cross,
}

impl Style {
    /// The look of a treatment; none for mixtures that the paper has no name for.
    pub(super) fn of(treatment: &TreatmentName) -> Option<Self> {
        let style = |fill, stroke, shape, dashes, shift, words| {
            Some(Self { fill, stroke, shape, dashes, shift, words })
        };
        match treatment {
            TreatmentName::Base => {
                style(BACKGROUND, "#333333", Shape::Circle, "", 0.0, "trained from scratch")
            }
            TreatmentName::BnB => style("#1f3f8f", "#1f3f8f", Shape::Circle, "", -20.0, "selffer, frozen"),
            TreatmentName::BnBPlus => {
                style("#8ec5ef", "#3d7fb5", Shape::Square, "6 3", -10.0, "selffer, fine-tuned")
            }
            TreatmentName::AnB => style("#9c1c28", "#9c1c28", Shape::Diamond, "", 0.0, "transfer, frozen"),
            TreatmentName::AnBPlus => {
                style("#f6a58d", "#cf5a3c", Shape::Triangle, "6 3", 10.0, "transfer, fine-tuned")
            }
            TreatmentName::RnB => style("#808080", "#6b6b6b", Shape::Cross, "2 3", 20.0, "random, frozen"),
            TreatmentName::Custom(_) => None,
        }
    }
}
