//! How `jobctl` ends: its exit codes, and the one form in which a failure is told.
//!
//! The codes and the JSON form are promised to scripts; a change is a new version.
//! Commands return `anyhow` errors; a [`Failure`] in their chain decides code and hint,
//! an error without one is a runtime error.

use std::{io, process::ExitCode};

use serde::Serialize;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done; a watched study succeeded.
    Ok = 0,
    /// Something went wrong while running.
    Runtime = 1,
    /// Wrong usage or an invalid grid.
    Usage = 2,
    /// No such study, job, pack or file.
    NotFound = 3,
    /// The token is missing, wrong, or does not allow it.
    NotPermitted = 4,
    /// No coordinator answers.
    Unreachable = 5,
    /// What was asked for contradicts what is there.
    Conflict = 6,
    /// A watched study ended with failed or held jobs.
    FailedJobs = 100,
    /// A watched study had not ended in time.
    NotFinished = 101,
    /// A watched study was cancelled.
    Cancelled = 103,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// The word for it in JSON errors.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Runtime => "runtime",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::NotPermitted => "not_permitted",
            Self::Unreachable => "unreachable",
            Self::Conflict => "conflict",
            Self::FailedJobs => "failed_jobs",
            Self::NotFinished => "not_finished",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure whose exit code is known, with what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// How the program ends.
    pub(crate) exit: Exit,
    /// The word for it in JSON; finer than the exit code where a script may care.
    pub(crate) code: &'static str,
    /// What was wrong.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// Shown to people in place of the message: a grid's lines with the places marked.
    pub(crate) rendered: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, code: exit.word(), message: message.into(), hint: None, rendered: None }
    }

    /// The same with what to do next.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

#[derive(Serialize)]
struct ErrorDocument<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
}

/// `{"error":{"code","message","hint"}}`, on one line.
pub(crate) fn error_json(code: &str, message: &str, hint: Option<&str>) -> String {
    let document = ErrorDocument { error: ErrorBody { code, message, hint } };
    serde_json::to_string(&document).expect("texts only")
}

/// How this error ends the program: none if our reader went away, which is no error of ours.
pub(crate) fn exit_of(error: &anyhow::Error) -> Option<Exit> {
    if error.chain().any(is_broken_pipe) {
        return None;
    }
    Some(failure_in(error).map_or(Exit::Runtime, |failure| failure.exit))
}

/// The error as text for stderr, for people or for scripts.
pub(crate) fn tell(error: &anyhow::Error, as_json: bool) -> String {
    let failure = failure_in(error);
    let hint = failure.and_then(|failure| failure.hint.as_deref());
    let message = format!("{error:#}");
    if as_json {
        let code = failure.map_or(Exit::Runtime.word(), |failure| failure.code);
        return error_json(code, &message, hint);
    }
    let bold_red = "\u{1b}[1;31m";
    let mut text = match failure.and_then(|failure| failure.rendered.as_deref()) {
        Some(rendered) => rendered.trim_end().to_owned(),
        None => format!("{bold_red}error\u{1b}[0m: {message}"),
    };
    if let Some(hint) = hint {
        text.push_str(&format!("\n\u{1b}[1mhint\u{1b}[0m: {hint}"));
    }
    text
}

fn failure_in(error: &anyhow::Error) -> Option<&Failure> {
    error.chain().find_map(|cause| cause.downcast_ref::<Failure>())
}

fn is_broken_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn an_error_in_json_mode_has_code_message_and_hint() {
        let failure = Failure::new(Exit::NotFound, "no study is called \"x\"").hint("`jobctl list studies`");
        let error = anyhow::Error::new(failure);
        insta::assert_snapshot!(tell(&error, true), @r#"{"error":{"code":"not_found","message":"no study is called \"x\"","hint":"`jobctl list studies`"}}"#);
        assert_eq!(exit_of(&error), Some(Exit::NotFound));
    }

    #[test]
    fn an_error_without_a_failure_is_a_runtime_error_told_with_its_causes() {
        let cause = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = Err::<(), _>(cause).context("cannot read grid.yaml").unwrap_err();
        assert_eq!(exit_of(&error), Some(Exit::Runtime));
        insta::assert_snapshot!(tell(&error, true), @r#"{"error":{"code":"runtime","message":"cannot read grid.yaml: permission denied","hint":null}}"#);
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let error = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(exit_of(&error), None);
    }
}
