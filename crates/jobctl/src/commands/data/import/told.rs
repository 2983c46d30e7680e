//! What people hear of an import: how far it is, what was left out, what is there twice.

use selffer_data::import::{
    Progress as Done,
    pictures::PicturesError,
    report::{Imported, RefusedPicture, Repeats},
};

use crate::{
    exit::{Exit, Failure},
    output::{
        Screen, human,
        progress::{Progress, Unit},
    },
};

/// As many undecodable pictures are listed.
const REFUSED_SHOWN_MAX: usize = 20;

/// One bar after the other: training images, then validation images.
pub(super) struct Shown<'a> {
    screen: &'a Screen,
    now: Option<(&'static str, Progress)>,
}

impl<'a> Shown<'a> {
    /// Nothing yet.
    pub(super) fn new(screen: &'a Screen) -> Self {
        Self { screen, now: None }
    }

    /// Shows how far it is.
    pub(super) fn tell(&mut self, done: Done) {
        if self.now.as_ref().is_none_or(|(subset, _)| *subset != done.subset) {
            self.finish();
            let what = format!("importing {} images", done.subset);
            let progress = Progress::start(self.screen, &what, Unit::Images, done.images_total);
            self.now = Some((done.subset, progress));
        }
        if let Some((_, progress)) = &mut self.now {
            let bytes = (done.bytes_done, done.bytes_total);
            progress.set_with_bytes(done.images_done, bytes, done.images_resumed);
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&mut self) {
        if let Some((_, before)) = self.now.take() {
            before.finish();
        }
    }
}

/// What was imported, and what a person should know of it.
pub(super) fn summary(imported: &Imported) -> String {
    let (manifest, report) = (&imported.manifest, &imported.report);
    let mut lines = vec![format!(
        "{} + {} images of {} classes, {}×{} pixels",
        human::count(manifest.train.images()),
        human::count(manifest.validation.images()),
        manifest.classes.len(),
        manifest.image.height,
        manifest.image.width
    )];
    let refused: Vec<_> = report.train.refused.iter().chain(&report.validation.refused).collect();
    if !refused.is_empty() {
        lines.push(format!(
            "left out, because they cannot be decoded: {}",
            human::counted(refused.len() as u64, "picture")
        ));
        lines.extend(refused_lines(refused.into_iter()));
    }
    lines.extend(repeats(&report.train.repeats, "training images are there before"));
    lines.extend(repeats(&report.validation.repeats, "validation images are there before"));
    lines.extend(repeats(&report.validation_in_train, "validation images are also among those to train on"));
    lines.join("\n")
}

/// The failure of an import, with the pictures that it failed for.
pub(super) fn failure(error: anyhow::Error) -> anyhow::Error {
    let Some(PicturesError::TooManyRefused { refused, .. }) = error.downcast_ref() else { return error };
    let lines: Vec<_> = refused_lines(refused.iter()).collect();
    let message = format!("{error}\n{}", lines.join("\n"));
    Failure::new(Exit::Runtime, message)
        .hint("mend or remove them, or allow more with --undecodable-max; what is done is kept")
        .into()
}

fn refused_lines<'a>(
    refused: impl ExactSizeIterator<Item = &'a RefusedPicture>,
) -> impl Iterator<Item = String> {
    let more = refused.len().saturating_sub(REFUSED_SHOWN_MAX);
    let shown =
        refused.take(REFUSED_SHOWN_MAX).map(|picture| format!("  {}: {}", picture.name, picture.reason));
    shown.chain((more > 0).then(|| format!("  and {more} more")))
}

fn repeats(repeats: &Repeats, what: &str) -> Option<String> {
    let (image, earlier) = repeats.first.first()?;
    let (count, others) = (human::count(repeats.count), human::count(repeats.of_another_class));
    let of_another = if repeats.of_another_class > 0 {
        format!(", {others} of them under another class")
    } else {
        String::new()
    };
    Some(format!("{count} {what}{of_another}: {image} is {earlier}"))
}
