//! The real binary, in a process of its own.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use crate::token::SIGNING_KEY;
use crate::{Anonymous, TestDb};

/// `demo-app serve`. It is killed when this is dropped.
pub struct Process {
    child: Child,
    anonymous: Anonymous,
}

impl Process {
    /// Starts a server on `db` with some settings in its environment, and waits until it
    /// listens.
    pub fn serve(db: &TestDb, settings: &[(&str, &str)]) -> Self {
        let mut command = command(db, settings);
        command.env("LISTEN", "127.0.0.1:0");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary can be started");
        let stdout = child.stdout.take().expect("the output is piped");
        let said = BufReader::new(stdout).lines().map_while(Result::ok).find_map(|line| {
            line.strip_prefix("Listening on ").map(|address| address.trim().to_owned())
        });
        let Some(base) = said else {
            let _ = child.kill();
            panic!("the server ended instead of listening: {:?}", child.wait());
        };
        Self { child, anonymous: Anonymous::of(base) }
    }

    /// Runs a command of the program to its end.
    pub fn run(db: &TestDb, arguments: &[&str], input: &str) -> Output {
        Self::run_with(db, &[], arguments, input)
    }

    /// The same with some settings in its environment.
    pub fn run_with(
        db: &TestDb,
        settings: &[(&str, &str)],
        arguments: &[&str],
        input: &str,
    ) -> Output {
        let mut child = command(db, settings)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be started");
        // A command that wants no input may end before it has any.
        let _ = child.stdin.take().expect("the input is piped").write_all(input.as_bytes());
        child.wait_with_output().expect("the command ends")
    }

    /// Somebody without any credential.
    pub fn anonymous(&self) -> &Anonymous {
        &self.anonymous
    }

    /// Sends it a signal, by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill can be started").success());
    }

    /// Ends it as a power cut would: SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with nothing in its environment but what it needs.
fn command(db: &TestDb, settings: &[(&str, &str)]) -> Command {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let file = format!("demo-app{}", env::consts::EXE_SUFFIX);
    let binary = BINARY.get_or_init(|| built(&["--bin", "demo-app"], &file));
    let mut command = Command::new(binary);
    command.env_clear().env("DATABASE_URL", db.url());
    if !settings.iter().any(|(name, _)| name.starts_with("SIGNING_KEY")) {
        command.env("SIGNING_KEY", SIGNING_KEY);
    }
    command.envs(settings.iter().copied());
    command
}

/// A program of the workspace, by cargo's name for it and its file below the target directory.
/// `cargo test` builds the libraries of other packages, not their programs.
pub(crate) fn built(which: &[&str], file: &str) -> PathBuf {
    // target/debug/deps/sessions-0123456789abcdef
    let this = env::current_exe().expect("a test knows its file");
    let profile = this.ancestors().nth(2).expect("a test is in target/*/deps").to_owned();
    let target = profile.parent().expect("a profile is in a target directory");

    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The whole workspace is named, so that features are as they are in the tests: what is
    // built already is not built again.
    cargo.args(["build", "--quiet", "--workspace"]).args(which).arg("--target-dir");
    cargo.arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.file_name().is_some_and(|name| name == "release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo can be started").success(), "{file} does not build");
    profile.join(file)
}
