//! Where the threads of a process are: evidence about a trainer that hangs.
//!
//! What the kernel tells of it, as far as we may read it: the state of the process, and for
//! each thread its state, what it waits for in the kernel, and its stack there. Bounded.

use std::{fmt::Write, fs, path::Path};

/// Threads that are told of.
const THREADS_MAX: usize = 64;
/// Lines of one kernel stack.
const STACK_LINES_MAX: usize = 24;
/// What is told of the process, by the names of proc_pid_status(5).
const FACTS: [&str; 8] =
    ["Name:", "State:", "VmPeak:", "VmRSS:", "VmSwap:", "Threads:", "SigPnd:", "ShdPnd:"];

/// What the kernel tells of this process and its threads, a line each.
#[must_use]
pub fn told_of(process_id: u32) -> String {
    let folder = Path::new("/proc").join(process_id.to_string());
    let mut told = String::new();
    let status = read(&folder.join("status"));
    for line in status.lines().filter(|line| FACTS.iter().any(|fact| line.starts_with(fact))) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let _ = writeln!(told, "{}", words.join(" "));
    }
    let threads = fs::read_dir(folder.join("task")).into_iter().flatten().flatten();
    for thread in threads.take(THREADS_MAX) {
        let folder = thread.path();
        let (name, waits_for) = (read(&folder.join("comm")), read(&folder.join("wchan")));
        let state = read(&folder.join("stat"))
            .rsplit_once(") ")
            .map_or(String::new(), |(_, rest)| rest.chars().take(1).collect());
        let id = thread.file_name().to_string_lossy().into_owned();
        let (name, call) = (name.trim(), read(&folder.join("syscall")));
        let call = call.split_whitespace().next().unwrap_or("unknown");
        let _ = writeln!(told, "thread {id} {name}: state {state}, in {waits_for}, system call {call}");
        for line in read(&folder.join("stack")).lines().take(STACK_LINES_MAX) {
            let _ = writeln!(told, "    {line}");
        }
    }
    told
}

// What may not be read is left out: the rest is worth telling.
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_sleeps_is_told_of_with_its_threads() {
        let told = told_of(std::process::id());
        assert!(told.contains("State: ") && told.contains("Threads: "), "{told}");
        assert!(told.lines().any(|line| line.starts_with("thread ") && line.contains("state ")), "{told}");
        assert_eq!(told_of(u32::MAX), "", "one that is gone");
    }
}
