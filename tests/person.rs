//! A person at the keyboard of one fleet: runs `jobctl` and reads what it prints.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::process::{Printed, program};

/// Somebody who uses a fleet. Cheap to clone, for threads.
#[derive(Clone, Debug)]
pub struct Person {
    folder: PathBuf,
    coordinator: String,
}

impl Person {
    /// A person in this folder who uses the coordinator at this address.
    #[must_use]
    pub fn new(folder: &Path, coordinator: String) -> Self {
        Self { folder: folder.to_owned(), coordinator }
    }

    /// A program of ours as this person starts it.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command
            .current_dir(&self.folder)
            .env("SELFFER_COORDINATOR", &self.coordinator)
            .env("SELFFER_DATA_DIR", self.folder.join("data"))
            // The person who runs the tests may have a coordinator and its token.
            .env("XDG_STATE_HOME", self.folder.join("state"))
            .env("NO_COLOR", "1");
        command
    }

    /// Runs `jobctl` with these arguments to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn jobctl(&self, arguments: &[&str]) -> Printed {
        self.command("jobctl").args(arguments).output().expect("jobctl was built").into()
    }

    /// Runs `jobctl`, which must succeed, and returns what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn jobctl_ok(&self, arguments: &[&str]) -> String {
        let printed = self.jobctl(arguments);
        assert_eq!(printed.code, 0, "jobctl {arguments:?}\n{}{}", printed.out, printed.err);
        printed.out
    }

    /// Runs `jobctl … -o json`, which must succeed, and parses its output.
    ///
    /// # Panics
    /// When it fails or prints no JSON.
    #[must_use]
    pub fn jobctl_json(&self, arguments: &[&str]) -> Value {
        let text = self.jobctl_ok(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Writes a grid into this person's folder and returns its path.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn write_grid(&self, study: &str, text: &str) -> String {
        let path = self.folder.join(format!("{study}.yaml"));
        std::fs::write(&path, text).expect("the fleet's folder is ours");
        path.to_str().expect("temporary paths are text").to_owned()
    }

    /// The jobs of a study; none while nobody answers.
    #[must_use]
    pub fn jobs_if_answered(&self, study: &str) -> Option<Vec<Value>> {
        let printed = self.jobctl(&["list", "jobs", study, "-o", "json"]);
        let list: Value = serde_json::from_str(&printed.out).ok()?;
        list["jobs"].as_array().cloned().filter(|_| printed.code == 0)
    }

    /// States of a study's jobs by network name.
    ///
    /// # Panics
    /// When nobody answers.
    #[must_use]
    pub fn states(&self, study: &str) -> Vec<(String, String)> {
        let list = self.jobctl_json(&["list", "jobs", study]);
        let jobs = list["jobs"].as_array().cloned().unwrap_or_default();
        jobs.iter().map(|job| (text(&job["name"]), text(&job["state"]))).collect()
    }

    /// Everything about one network of a study.
    ///
    /// # Panics
    /// When nobody answers, or there is no such network.
    #[must_use]
    pub fn show(&self, study: &str, network: &str) -> Value {
        self.jobctl_json(&["show", &format!("{study}:{network}")])
    }

    /// What came of a study: by network, the digest of its weights and its learning curve.
    ///
    /// # Panics
    /// When nobody answers.
    #[must_use]
    pub fn outcomes(&self, study: &str) -> BTreeMap<String, Outcome> {
        let outcome = |network: &str| {
            let shown = self.show(study, network);
            Outcome { weights: text(&shown["result"]["weights_digest"]), curve: shown["metrics"].clone() }
        };
        self.states(study).into_iter().map(|(network, _)| (network.clone(), outcome(&network))).collect()
    }
}

/// What training one network came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Digest of the weights; empty if it has not succeeded.
    pub weights: String,
    /// Every point of its learning curve.
    pub curve: Value,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
