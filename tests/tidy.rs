//! The rules of the tree that neither the compiler nor clippy knows: which crate may use
//! which (the table in ARCHITECTURE.md is what is checked), headers, sizes, and words that
//! must not stand in a finished tree. A failure lists every place at once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests' folder lies in the tree").to_owned()
}

/// Files of ours below the root with this ending, relative paths, sorted.
fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            let hidden_or_built = name.to_string_lossy().starts_with('.')
                || ["target", "selffer-data"].contains(&name.to_string_lossy().as_ref());
            if entry.file_type().unwrap().is_dir() {
                if !hidden_or_built {
                    folders.push(entry.path());
                }
            } else if name.to_string_lossy().ends_with(ending) {
                found.push(entry.path().strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn read(relative: &Path) -> String {
    fs::read_to_string(root().join(relative)).unwrap()
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// A row of the crates' table in ARCHITECTURE.md: what a crate may use and what never.
struct Rule {
    may_use: BTreeSet<String>,
    never: BTreeSet<String>,
}

fn dependency_table() -> BTreeMap<String, Rule> {
    let page = read(Path::new("ARCHITECTURE.md"));
    let words = |cell: &str| -> BTreeSet<String> {
        cell.split(',').map(|word| word.trim().to_lowercase()).filter(|word| word != "–").collect()
    };
    page.lines()
        .skip_while(|line| !line.starts_with("| crate |"))
        .skip(2)
        .take_while(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let rule = Rule { may_use: words(cells[2]), never: words(cells[3]) };
            (cells[0].trim_matches('`').to_owned(), rule)
        })
        .collect()
}

/// Names of everything that a crate's manifest brings in, in whatever section.
fn dependencies(manifest: &Path) -> BTreeSet<String> {
    fn collect(table: &toml::Table, found: &mut BTreeSet<String>) {
        for (key, value) in table {
            let Some(value) = value.as_table() else { continue };
            if key.ends_with("dependencies") {
                found.extend(value.keys().cloned());
            } else {
                collect(value, found);
            }
        }
    }
    let manifest: toml::Table = read(manifest).parse().unwrap();
    let mut found = BTreeSet::new();
    collect(&manifest, &mut found);
    found
}

/// The external crates that a word of the table's last column stands for.
fn crates_meant_by(word: &str) -> &'static [&'static str] {
    match word {
        "tokio" => &["tokio", "tokio-stream", "tokio-util"],
        "sqlx" => &["sqlx"],
        "tonic" => &["tonic", "tonic-prost"],
        "candle" => &["candle-core", "candle-nn"],
        "http" => &["axum", "hyper", "tower-http"],
        "files" => &["tempfile", "memmap2", "object_store"],
        "network" | "environment" => &["nix"],
        "clock" | "ambient randomness" => &["rand"],
        other => panic!("ARCHITECTURE.md forbids {other:?}, which this test does not know"),
    }
}

#[test]
fn crates_depend_only_on_what_the_architecture_page_allows() {
    let table = dependency_table();
    assert_eq!(table.len(), 10, "ten crates and no others: {:?}", table.keys());
    let mut problems = Vec::new();
    for (name, rule) in &table {
        let manifest = PathBuf::from(format!("crates/{name}/Cargo.toml"));
        for dependency in dependencies(&manifest) {
            let own = dependency.strip_prefix("selffer-").map(str::to_owned);
            if own.as_ref().is_some_and(|own| !rule.may_use.contains(own)) {
                problems.push(format!("{}: {name} may not use {dependency}", manifest.display()));
            }
            let forbidden =
                rule.never.iter().any(|word| crates_meant_by(word).contains(&dependency.as_str()));
            if forbidden {
                problems.push(format!("{}: {name} never uses {dependency}", manifest.display()));
            }
        }
    }
    report(&problems);
}

#[test]
fn every_place_that_the_architecture_page_names_exists() {
    let page = read(Path::new("ARCHITECTURE.md"));
    let tree = page.split("## The tree").nth(1).and_then(|rest| rest.split("```").nth(1)).unwrap();
    let mut problems = Vec::new();
    for line in tree.lines().filter(|line| !line.trim().is_empty()) {
        let (folder, contents) = line.split_once(' ').unwrap();
        let contents = contents.trim().split(" (").next().unwrap();
        let (names, ending) =
            contents.strip_prefix('{').and_then(|rest| rest.split_once('}')).unwrap_or((contents, ""));
        for name in names.split(',') {
            let path = format!("{folder}{name}{ending}");
            if !root().join(&path).exists() {
                problems.push(format!("ARCHITECTURE.md names {path}, which is not there"));
            }
        }
    }
    report(&problems);
}

#[test]
fn every_crate_stands_in_the_table() {
    let table = dependency_table();
    let mut crates: Vec<_> =
        fs::read_dir(root().join("crates")).unwrap().map(|e| e.unwrap().file_name()).collect();
    crates.sort();
    let crates: Vec<_> = crates.iter().map(|name| name.to_str().unwrap()).collect();
    assert_eq!(crates, table.keys().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_crate_has_at_most_one_integration_test_binary() {
    let mut problems = Vec::new();
    for name in dependency_table().keys() {
        let tests = format!("crates/{name}/tests/");
        let binaries = files(".rs").into_iter().filter(|file| {
            file.to_str().unwrap().strip_prefix(&tests).is_some_and(|rest| !rest.contains('/'))
        });
        let binaries: Vec<_> = binaries.collect();
        if binaries.len() > 1 {
            problems.push(format!("{tests} has {} test binaries: {binaries:?}", binaries.len()));
        }
    }
    report(&problems);
}

#[test]
fn every_file_says_what_it_is_for_and_is_one_concept_long() {
    let mut problems = Vec::new();
    for file in files(".rs") {
        let text = read(&file);
        if !text.starts_with("//! ") {
            problems.push(format!("{}: no //! header", file.display()));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            problems.push(format!("{}: {lines} lines, over {FILE_LINES_MAX}", file.display()));
        }
    }
    report(&problems);
}

/// (line, name, length) of each function, found by the indentation that rustfmt guarantees.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some(position) = code.find("fn ") else { continue };
        let qualifiers = code[..position].split_whitespace();
        let is_function = qualifiers
            .clone()
            .all(|word| ["pub", "const", "async", "unsafe"].contains(&word) || word.starts_with("pub("));
        if !is_function || code.ends_with(';') {
            continue;
        }
        let indent = &line[..line.len() - code.len()];
        let end = lines[start..].iter().position(|line| {
            line.strip_prefix(indent)
                .is_some_and(|rest| rest == "}" || (rest.starts_with("fn ") && rest.ends_with('}')))
        });
        let name = code[position + 3..].split(['(', '<']).next().unwrap_or_default().to_owned();
        found.push((start + 1, name, end.map_or(1, |end| end + 1)));
    }
    found
}

#[test]
fn a_function_fits_a_screen() {
    let mut problems = Vec::new();
    for file in files(".rs") {
        for (line, name, length) in functions(&read(&file)) {
            if length > FUNCTION_LINES_MAX {
                problems.push(format!("{}:{line}: fn {name} has {length} lines", file.display()));
            }
        }
    }
    report(&problems);
}

/// What may not stand in a Rust file, and where it may all the same.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    ("#[ignore", &[], "a test that does not run is none"),
    ("todo!(", &[], "no stubs"),
    ("unimplemented!(", &[], "no stubs"),
    ("dbg!(", &[], "left over"),
    ("\nuse super::super::super", &[], "too deep"),
    (
        "unsafe {",
        &["crates/training/src/ops/", "crates/training/src/cuda/", "crates/data/src/"],
        "rule 14 of ARCHITECTURE.md",
    ),
    ("sqlx::", &["crates/storage/"], "SQL stays in storage"),
    (
        "Instant::now",
        &[
            "crates/workerd/",
            "crates/coordinatord/",
            "crates/jobctl/",
            "crates/training/",
            "crates/data/",
            "crates/artifacts/",
            "crates/proto/",
            "tests/",
            "bench/",
            "crates/storage/tests/",
        ],
        "time is a parameter here",
    ),
];

#[test]
fn nothing_forbidden_stands_in_the_code() {
    let mut problems = Vec::new();
    for file in files(".rs") {
        let path = file.to_str().unwrap();
        if path == "tests/tidy.rs" {
            continue;
        }
        let text = read(&file);
        for (number, line) in text.lines().enumerate() {
            for (word, allowed_in, reason) in FORBIDDEN {
                if line.contains(word) && !allowed_in.iter().any(|folder| path.starts_with(folder)) {
                    problems.push(format!("{path}:{}: {word} ({reason})", number + 1));
                }
            }
            if line.contains("TODO") && !line.contains("TODO(#") {
                problems.push(format!("{path}:{}: a TODO names its issue", number + 1));
            }
        }
    }
    report(&problems);
}

#[test]
fn tests_wait_for_conditions_and_never_sleep_for_luck() {
    let mut problems = Vec::new();
    for file in files(".rs") {
        let path = file.to_str().unwrap();
        // The one place that polls: everybody else calls it with a condition and a deadline.
        let polls = path.ends_with("/wait.rs") || path == "tests/tidy.rs";
        let is_test = path.starts_with("tests/") || path.contains("/tests/");
        for (number, line) in read(&file).lines().enumerate() {
            if is_test && !polls && line.contains("sleep(") {
                problems.push(format!("{path}:{}: sleeps", number + 1));
            }
        }
    }
    report(&problems);
}

/// Faults of docs/reliability.md.
const FAULTS: usize = 66;

#[test]
fn every_fault_of_the_reliability_page_names_tests_that_exist() {
    let page = read(Path::new("docs/reliability.md"));
    let code: Vec<String> = files(".rs").iter().map(|file| read(file)).collect();
    let exists = |test: &str| code.iter().any(|text| text.contains(&format!("fn {test}(")));
    let rows: Vec<Vec<&str>> = page
        .lines()
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
        .filter(|cells| cells.len() > 4 && cells[1].parse::<usize>().is_ok())
        .collect();
    let numbers: Vec<usize> = rows.iter().map(|cells| cells[1].parse().unwrap()).collect();
    assert_eq!(numbers, (1..=FAULTS).collect::<Vec<_>>(), "each fault has one row, in order");
    let mut problems = Vec::new();
    for cells in rows {
        let (number, shown_by, result) = (cells[1], cells[4], cells[5]);
        let named: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
        let says = if named.is_empty() { "due" } else { "holds" };
        if !result.starts_with(says) || (named.is_empty() && !shown_by.starts_with("due with ")) {
            problems.push(format!("fault {number}: {result:?} by {shown_by:?}"));
        }
        let missing = named.into_iter().filter(|test| !exists(test));
        problems.extend(missing.map(|test| format!("fault {number}: there is no test {test}")));
    }
    report(&problems);
}

#[test]
fn unsafe_blocks_say_why_they_are_sound() {
    let mut problems = Vec::new();
    for file in files(".rs") {
        let text = read(&file);
        let lines: Vec<_> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let opens = line.contains("unsafe {") && file.to_str().unwrap() != "tests/tidy.rs";
            let explained =
                lines[index.saturating_sub(6)..index].iter().any(|above| above.contains("SAFETY:"));
            if opens && !explained {
                problems.push(format!("{}:{}: unsafe without SAFETY:", file.display(), index + 1));
            }
        }
    }
    report(&problems);
}

#[test]
fn no_lock_or_config_file_names_a_private_registry() {
    for file in files("Cargo.toml") {
        let text = read(&file);
        assert!(!text.contains("registry = "), "{}: names a registry", file.display());
        assert!(!text.contains("git = "), "{}: depends on a git repository", file.display());
    }
}
