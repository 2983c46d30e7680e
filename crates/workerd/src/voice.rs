//! The trainer's two voices: events for the daemon, lines of the attempt's log for people.
//!
//! A daemon that is gone cannot hear either; the training still ends with a checkpoint.

use std::{
    fmt::Display,
    io::{self, Write},
};

use crate::protocol::{Event, line};

/// A line of the attempt's log.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Tells the daemon.
pub fn say(event: &Event) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(line(event).as_bytes()).and_then(|()| out.flush());
}
