//! Errors for people: one line, whoever reads it, a terminal or a client.

use std::error::Error;

/// An error with its causes, in one line; a cause that the text has already said is left out.
pub(crate) fn sentence(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some libraries repeat their cause in their own text.
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn each_cause_is_said_once() {
        let error = anyhow!("disk full").context("cannot write x: disk full").context("cannot start");

        assert_eq!(sentence(error.as_ref()), "cannot start: cannot write x: disk full");
    }
}
