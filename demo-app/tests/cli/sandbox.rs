//! A directory of its own for the program, and a client for what it serves.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use diesel::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const PASSWORD: &str = "correct horse";

/// An empty directory to run in. Nothing of the caller's environment gets in.
pub(crate) struct Sandbox {
    dir: TempDir,
    env: Vec<(String, String)>,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), env: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    }

    /// The names of the files in it.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo-app"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        self.command(args).output().unwrap().into()
    }

    pub(crate) fn run_with_input(&self, args: &[&str], input: &str) -> Finished {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        // A program that fails early does not read it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap().into()
    }

    pub(crate) fn create_user(&self, name: &str) {
        let args = ["create-user", name, "--email", &format!("{name}@example.org")];
        self.run_with_input(&args, &format!("{PASSWORD}\n")).succeeded();
    }

    /// Serves on a free port and waits until it listens.
    pub(crate) fn serve(&self) -> Serving {
        let mut child = self.command(&["--listen", "127.0.0.1:0"]).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        let Some(addr) = first.trim().strip_prefix("Listening on http://") else {
            let _ = child.kill();
            let said = Finished::from(child.wait_with_output().unwrap());
            panic!("it does not listen: {first:?} {}", said.err);
        };
        Serving { addr: addr.parse().unwrap(), child, _out: out }
    }

    /// Runs SQL on the SQLite file, as an administrator at a prompt does.
    pub(crate) fn sql(&self, statement: &str) {
        let path = self.path("demo.db");
        let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        diesel::sql_query("PRAGMA busy_timeout = 5000").execute(&mut conn).unwrap();
        diesel::sql_query(statement).execute(&mut conn).unwrap();
    }
}

/// What a run of the program said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            status: output.status,
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Finished {
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        assert!(self.status.success(), "{self:?}");
        self.out
    }

    /// It failed with this exit code; answers its last words.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        assert_eq!(self.out, "");
        self.err
    }
}

/// A server that ends with the test.
pub(crate) struct Serving {
    pub(crate) addr: SocketAddr,
    child: Child,
    _out: BufReader<std::process::ChildStdout>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    /// Ends it as a service manager does; answers its log.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap(), log)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn get(&self, path: &str, bearer: &str) -> Answer {
        self.get_with(path, &format!("Bearer {bearer}"))
    }

    /// With this in the header `Authorization`.
    pub(crate) fn get_with(&self, path: &str, authorization: &str) -> Answer {
        self.send("GET", path, &format!("Authorization: {authorization}\r\n"), "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, "Content-Type: application/json\r\n", &body.to_string())
    }

    pub(crate) fn login(&self, name: &str, password: &str) -> Answer {
        self.post("/api/token/", &json!({ "username": name, "password": password }))
    }

    /// An access token.
    pub(crate) fn token(&self, name: &str) -> String {
        self.login(name, PASSWORD).body["access"].as_str().unwrap().to_owned()
    }

    /// The status of `me` within two seconds: what other processes did is heard of a little
    /// later.
    pub(crate) fn eventually_me(&self, bearer: &str, status: u16) -> Answer {
        self.eventually_me_with(&format!("Bearer {bearer}"), status)
    }

    /// The same for a personal token that is refused.
    pub(crate) fn eventually_refuses(&self, personal: &str) -> Answer {
        self.eventually_me_with(&format!("Token {personal}"), 401)
    }

    fn eventually_me_with(&self, authorization: &str, status: u16) -> Answer {
        let mut answer = self.get_with("/api/v1/users/me", authorization);
        for _ in 0..40 {
            if answer.status == status {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
            answer = self.get_with("/api/v1/users/me", authorization);
        }
        assert_eq!(answer.status, status, "{answer:?}");
        answer
    }

    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{headers}\r\n{body}",
            self.addr
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = serde_json::from_str(body).unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body }
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
    }
}
