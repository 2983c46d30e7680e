//! One server that speaks S3, shared by this program's tests; each has a bucket of its own.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// A server that ends with the test that started it.
pub(crate) struct S3Server {
    child: Child,
    port: u16,
}

impl S3Server {
    /// Starts one on a free port and waits until it serves.
    pub(crate) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The tests' programs lie in `deps` of the folder that the build fills.
        let program = env::current_exe().unwrap();
        let built = program.ancestors().nth(3).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/dev/s3-server");
        let mut command = Command::new(script);
        command.arg(built).arg(port.to_string()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
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

    /// A new bucket's name.
    pub(crate) fn bucket(&self) -> String {
        static BUCKETS: AtomicU32 = AtomicU32::new(0);
        let bucket = format!("selffer-{}", BUCKETS.fetch_add(1, Ordering::Relaxed));
        let answer = self.ask("PUT", &format!("/{bucket}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        bucket
    }

    /// The answer to a request without a body.
    pub(crate) fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n");
        write!(stream, "{request}content-length: 0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// What a program must have in its environment to use it.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
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
