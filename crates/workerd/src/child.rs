//! The trainer as a child process: started, listened to, told to stop, ended, judged.
//!
//! It is this same executable in a process group of its own. Whatever happens to it (a panic,
//! an out-of-memory kill, a broken device) ends it and not the daemon; what it left behind
//! tells which class of failure that was. Whatever it started ends with it.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use nix::sys::signal::Signal;
use selffer_core::job::{Failure, FailureClass};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    ambient, evidence,
    group::Group,
    logs::AttemptLog,
    memory,
    protocol::{Control, Event, Request, line},
};

/// How long a trainer may take to end after its last line.
const END_WITHIN: Duration = Duration::from_secs(20);
/// How long what was killed may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// Signals by which people and service managers end a process.
const SENT_FROM_OUTSIDE: [Signal; 5] =
    [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];
/// How much of the log's end is searched for evidence, in bytes.
const EVIDENCE_BYTES: usize = 16 << 10;

/// A running trainer; ended with everything it started when dropped.
#[derive(Debug)]
pub struct Trainer {
    child: Child,
    control: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
    log: Arc<AttemptLog>,
    log_pump: JoinHandle<()>,
    memory_kills_before: u64,
}

impl Trainer {
    /// Starts a trainer on this request; its standard error goes to the log.
    ///
    /// # Errors
    /// The process cannot be started.
    pub async fn start(executable: &Path, request: &Request, log: Arc<AttemptLog>) -> io::Result<Self> {
        let memory_kills_before = ambient::out_of_memory_kills();
        let mut child = Command::new(executable)
            .arg0("workerd")
            .arg("trainer")
            .envs(memory::settings())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(mut control), Some(events), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::other("a pipe to the trainer is missing"));
        };
        let pump_log = log.clone();
        let log_pump = tokio::spawn(async move { pump_log.add_all_from(errors).await });
        // A child that is gone already shows by its exit status, which tells more than this.
        let _ = control.write_all(line(request).as_bytes()).await;
        let events = BufReader::new(events).lines();
        Ok(Self { child, control, events, log, log_pump, memory_kills_before })
    }

    /// The next thing it says; none when it says no more. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<Event> {
        let text = self.events.next_line().await.ok()??;
        match serde_json::from_str(&text) {
            Ok(event) => Some(event),
            Err(error) => {
                self.log.remark(format_args!("the trainer wrote {text:?}, which is no event: {error}"));
                None
            }
        }
    }

    /// Its process id; none once it has ended.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Tells it to write a checkpoint and end.
    pub async fn stop(&mut self) {
        let _ = self.control.write_all(line(&Control::Stop).as_bytes()).await;
    }

    /// Ends it and everything it started, at once; what of that cannot be ended, if anything.
    pub async fn kill(mut self) -> Option<Group> {
        let stays = self.end_group().await;
        let _ = self.child.wait().await;
        self.log_pump.abort();
        stays
    }

    /// Waits for its end, and says what its exit and log are evidence of; none if it ended in order.
    pub async fn verdict(self) -> Option<Failure> {
        self.ended().await.0
    }

    /// As [`Trainer::verdict`], and what of all that it started cannot be ended, if anything.
    pub async fn ended(mut self) -> (Option<Failure>, Option<Group>) {
        let leader_ended = async {
            if let Some(group) = self.group() {
                group.leader_ended().await;
            }
        };
        let hung = timeout(END_WITHIN, leader_ended).await.is_err();
        if hung {
            self.log.remark("the trainer did not end after its last line and was killed");
        }
        // Before it is waited for: afterwards nobody can say whose the group's number is.
        let stays = self.end_group().await;
        let status = self.child.wait().await.ok().filter(|_| !hung);
        let _ = timeout(END_WITHIN, &mut self.log_pump).await;
        let kernel_killed = ambient::out_of_memory_kills() > self.memory_kills_before;
        (failure_of(status, &self.log.tail(EVIDENCE_BYTES), kernel_killed), stays)
    }

    // Without an id it was waited for, and its number may be somebody else's by now.
    fn group(&self) -> Option<Group> {
        self.process_id().and_then(Group::of)
    }

    async fn end_group(&self) -> Option<Group> {
        let group = self.group()?;
        group.kill();
        (!group.emptied(GONE_WITHIN).await).then_some(group)
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        if let Some(group) = self.group() {
            group.kill();
        }
        self.log_pump.abort();
    }
}

/// What an exit status and the end of the log are evidence of; none if it ended in order.
///
/// `kernel_killed` says whether the kernel ended some process for want of memory meanwhile:
/// a kill signal alone is no evidence of that.
fn failure_of(status: Option<ExitStatus>, log_tail: &str, kernel_killed: bool) -> Option<Failure> {
    let Some(status) = status else {
        return Some(failure(
            FailureClass::TrainerError,
            "the trainer hung at its end and was killed".into(),
        ));
    };
    if status.success() {
        return None;
    }
    let signal = status.signal();
    if signal == Some(Signal::SIGABRT as i32) && log_tail.contains("memory allocation of ") {
        let message = "the trainer could not allocate memory".into();
        return Some(failure(FailureClass::OutOfMemory, message));
    }
    if signal == Some(Signal::SIGKILL as i32) && kernel_killed {
        let message = "the kernel killed the trainer for want of memory".into();
        return Some(failure(FailureClass::OutOfMemory, message));
    }
    // A process does not send itself these, and this daemon sends them only to trainers whose
    // verdict it does not ask for.
    if let Some(signal) = signal.and_then(|signal| Signal::try_from(signal).ok())
        && SENT_FROM_OUTSIDE.contains(&signal)
    {
        let message = format!("the trainer was killed from outside by {signal}, and not for want of memory");
        return Some(failure(FailureClass::Infrastructure, message));
    }
    let message = match panic_message(log_tail) {
        Some(panic) => format!("the trainer {panic}"),
        None => format!("the trainer ended with {status}"),
    };
    Some(evidence::judged(failure(FailureClass::TrainerError, message)))
}

fn failure(class: FailureClass, message: String) -> Failure {
    Failure { class, message }
}

/// `panicked at FILE:LINE:COLUMN: WORDS`, of the last panic in the log.
fn panic_message(log_tail: &str) -> Option<String> {
    let (_, panic) = log_tail.rsplit_once("panicked at ")?;
    let end = ["note: ", "stack backtrace:"].iter().filter_map(|mark| panic.find(mark)).min();
    let words: Vec<&str> = panic[..end.unwrap_or(panic.len())].split_whitespace().collect();
    Some(format!("panicked at {}", words.join(" ").chars().take(1_000).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(raw_status: i32, log: &str, kernel_killed: bool) -> Option<(FailureClass, String)> {
        failure_of(Some(ExitStatus::from_raw(raw_status)), log, kernel_killed)
            .map(|failure| (failure.class, failure.message))
    }

    #[test]
    fn a_panic_is_told_in_its_own_words() {
        let log =
            "\nthread 'main' (7) panicked at src/a.rs:1:2:\nindex is 3\nnote: run with `RUST_BACKTRACE=1`\n";
        let (class, message) = class(101 << 8, log, false).unwrap();
        assert_eq!(class, FailureClass::TrainerError);
        assert_eq!(message, "the trainer panicked at src/a.rs:1:2: index is 3");
    }

    #[test]
    fn a_kill_is_a_lack_of_memory_only_if_the_kernel_says_so() {
        assert_eq!(class(9, "", false).unwrap().0, FailureClass::Infrastructure);
        assert_eq!(class(9, "", true).unwrap().0, FailureClass::OutOfMemory);
        let log = "memory allocation of 99 bytes failed";
        assert_eq!(class(6, log, false).unwrap().0, FailureClass::OutOfMemory);
        assert_eq!(class(0, log, true), None);
    }

    #[test]
    fn a_panic_about_the_device_is_the_devices() {
        let panic = |words: &str| class(101 << 8, &format!("panicked at src/a.rs:1:2:\n{words}\n"), false);
        let memory = r#"DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")"#;
        assert_eq!(panic(memory).unwrap().0, FailureClass::OutOfMemory);
        assert_eq!(panic("uncorrectable ECC error encountered").unwrap().0, FailureClass::Hardware);
        assert_eq!(panic("index is 3").unwrap().0, FailureClass::TrainerError);
        // What was noted before, and was got over, is no evidence of what came later.
        let log = "no checkpoint: No space left on device (os error 28)\npanicked at src/a.rs:1:2:\nindex";
        assert_eq!(class(101 << 8, log, false).unwrap().0, FailureClass::TrainerError);
    }

    #[test]
    fn a_trainer_that_somebody_killed_is_not_at_fault_and_one_that_crashed_is() {
        let (outside, message) = class(Signal::SIGTERM as i32, "", false).unwrap();
        assert_eq!(outside, FailureClass::Infrastructure);
        assert_eq!(message, "the trainer was killed from outside by SIGTERM, and not for want of memory");
        for crash in [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGILL, Signal::SIGABRT] {
            assert_eq!(class(crash as i32, "", false).unwrap().0, FailureClass::TrainerError, "{crash}");
        }
    }
}
