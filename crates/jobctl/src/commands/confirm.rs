//! Asking before something is done that cannot be undone, or costs much.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::exit::{Exit, Failure};

/// Whether a person said `-y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// Do not ask.
    Given,
    /// Ask.
    Asked,
}

impl Consent {
    /// From the flag.
    pub(super) fn of(yes: bool) -> Self {
        if yes { Self::Given } else { Self::Asked }
    }

    /// Whether we may do it, or there is somebody to ask.
    pub(super) fn can_be_had(self) -> bool {
        self == Self::Given || io::stdin().is_terminal()
    }

    /// Fails if we would have to ask and nobody is there; `doing` is a word such as
    /// `cancelling`.
    pub(super) fn check(self, doing: &str, hint: impl Into<String>) -> Result<(), Failure> {
        if self.can_be_had() {
            return Ok(());
        }
        let message = format!("{doing} asks first, and there is no terminal to ask on");
        Err(Failure::new(Exit::Usage, message).hint(hint))
    }

    /// Asks on the terminal, if it must; anything but yes is no.
    pub(super) fn get(self, question: &str) -> anyhow::Result<bool> {
        if self == Self::Given {
            return Ok(true);
        }
        let mut stderr = anstream::stderr().lock();
        write!(stderr, "{question} [y/N] ")?;
        stderr.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

/// Asks which of these words is meant; none if it is none of them. A word's first letter will do.
pub(super) fn choose(question: &str, words: &[&str]) -> anyhow::Result<Option<usize>> {
    let mut stderr = anstream::stderr().lock();
    write!(stderr, "{question} [{}] ", words.join("/"))?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let answer = answer.trim().to_lowercase();
    let is_meant =
        |word: &&str| !answer.is_empty() && (*word == answer || word.get(..1) == Some(answer.as_str()));
    Ok(words.iter().position(is_meant))
}
