//! A server that speaks S3 (moto, which `deploy/dev/s3-server` brings), for as long as a test.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use crate::fleet::{free_port, tree};

/// A server that ends with the test that started it.
#[derive(Debug)]
pub struct S3Server {
    child: Child,
    port: u16,
}

impl S3Server {
    /// Starts one on a free port and waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn start() -> Self {
        let port = free_port();
        // The tests' programs lie in `deps` of the folder that the build fills.
        let program = env::current_exe().expect("a running program has a path");
        let built = program.ancestors().nth(3).expect("it lies in the build's folder");
        let script = tree().join("deploy/dev/s3-server");
        let mut command = Command::new(script);
        command.arg(built).arg(port.to_string()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a script of ours");
        let mut said =
            BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
        let mut all = Vec::new();
        let serves = said.by_ref().any(|line| {
            let serves = line.contains("Running on http");
            all.push(line);
            serves
        });
        assert!(serves, "the S3 server did not start:\n{}", all.join("\n"));
        // It logs every request: whoever does not read that stops it.
        std::thread::spawn(move || said.for_each(drop));
        Self { child, port }
    }

    /// It answers nobody, as on a broken network.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pause(&self) {
        signal::kill(self.id(), Signal::SIGSTOP).expect("our own child");
    }

    /// It answers again.
    ///
    /// # Panics
    /// When it has ended.
    pub fn go_on(&self) {
        signal::kill(self.id(), Signal::SIGCONT).expect("our own child");
    }

    fn id(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("process ids are small"))
    }

    /// A new bucket's name.
    ///
    /// # Panics
    /// When the server does not make one.
    #[must_use]
    pub fn bucket(&self) -> String {
        static BUCKETS: AtomicU32 = AtomicU32::new(0);
        let bucket = format!("selffer-{}", BUCKETS.fetch_add(1, Ordering::Relaxed));
        let answer = self.ask("PUT", &format!("/{bucket}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        bucket
    }

    /// The answer to a request without a body.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a server that answers");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        let request = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n");
        write!(stream, "{request}content-length: 0\r\n\r\n").expect("a server that reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("a server that answers");
        answer
    }

    /// What a program must have in its environment to use it.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        let variables = [
            ("AWS_ACCESS_KEY_ID", "selffer-tests"),
            ("AWS_SECRET_ACCESS_KEY", "this-is-a-secret"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
