//! An example of the library, in a process of its own, as somebody who tries it runs it.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::process::built;
use crate::token::SIGNING_KEY;
use crate::{Anonymous, Browser};

/// A running example. It is killed when this is dropped.
pub struct Example {
    child: Child,
    anonymous: Anonymous,
    said: Receiver<String>,
}

impl Example {
    /// Starts `actix-jwt/examples/{name}.rs` with some settings in its environment, and waits until it
    /// listens.
    pub fn run(name: &'static str, settings: &[(&str, &str)]) -> Self {
        let file = format!("examples/{name}{}", env::consts::EXE_SUFFIX);
        let mut child = Command::new(built(&["--example", name], &file))
            .env_clear()
            .envs([("LISTEN", "127.0.0.1:0"), ("SIGNING_KEY", SIGNING_KEY)])
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the example can be started");
        let stdout = child.stdout.take().expect("the output is piped");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let base = lines.find_map(|line| Some(line.strip_prefix("listening on ")?.to_owned()));
        let Some(base) = base else {
            panic!("the example ended instead of listening: {:?}", child.wait());
        };
        let (sender, said) = channel();
        std::thread::spawn(move || lines.try_for_each(|line| sender.send(line)));
        Self { child, anonymous: Anonymous::of(base), said }
    }

    /// Somebody without any credential.
    pub fn anonymous(&self) -> &Anonymous {
        &self.anonymous
    }

    /// Somebody in front of a browser without cookies.
    pub fn browser(&self) -> Browser {
        Browser::of(self.anonymous.clone())
    }

    /// What follows `prefix` in the next line that it prints: what a person would be sent.
    #[track_caller]
    pub fn says(&self, prefix: &str) -> String {
        loop {
            let line = self.said.recv_timeout(Duration::from_secs(10)).expect("it says something");
            if let Some(rest) = line.strip_prefix(prefix) {
                return rest.trim().to_owned();
            }
        }
    }

    /// Whether it says nothing more for a moment.
    pub fn is_silent(&self) -> bool {
        self.said.recv_timeout(Duration::from_millis(300)).is_err()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
