//! The servers of others, each in a process of its own (`peers/serving.py` says how they are spoken to).

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Anonymous, say};

/// A Python with the packages of `peers/requirements.txt`.
const PYTHON: &str = "TEST_PYTHON";
/// When set, a peer that is not there is a failure.
const REQUIRE: &str = "REQUIRE_PEERS";

/// A running server. It ends when this is dropped.
pub(crate) struct Peer {
    process: Child,
    orders: ChildStdin,
    replies: BufReader<ChildStdout>,
    door: Anonymous,
    versions: Value,
    _folder: TempDir,
}

impl Peer {
    /// Django with SimpleJWT and these settings, by SimpleJWT's names; lifetimes are in seconds.
    /// `None`, said aloud, where the peers are not installed.
    pub(crate) fn django(simple_jwt: Value) -> Option<Self> {
        Self::start("django_peer.py", json!({ "simple_jwt": simple_jwt }))
    }

    /// Flask with Flask-JWT-Extended and with routes that use PyJWT by hand, and this configuration.
    pub(crate) fn flask(config: Value) -> Option<Self> {
        Self::start("flask_peer.py", json!({ "config": config }))
    }

    fn start(script: &str, mut config: Value) -> Option<Self> {
        let python = python()?;
        let folder = TempDir::new().expect("a temporary directory can be made");
        config["folder"] = folder.path().to_str().expect("its name is text").into();
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/side_by_side/peers").join(script);
        let mut process = Command::new(python)
            .args(["-B".as_ref(), script.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Every refusal is a warning there, and what goes wrong is told by the replies.
            .stderr(Stdio::null())
            .spawn()
            .expect("Python can be started");
        let mut orders = process.stdin.take().expect("it is piped");
        let mut replies = BufReader::new(process.stdout.take().expect("it is piped"));
        writeln!(orders, "{config}").expect("the peer listens");
        let reply = read(&mut replies);
        let listening = reply["listening"].as_str().expect("it says where it listens");
        let door = Anonymous::of(listening.to_owned());
        let versions = reply["versions"].clone();
        Some(Self { process, orders, replies, door, versions, _folder: folder })
    }

    /// Somebody without any credential.
    pub(crate) fn anonymous(&self) -> &Anonymous {
        &self.door
    }

    /// The version of one of its packages.
    pub(crate) fn version(&self, package: &str) -> &str {
        self.versions[package].as_str().expect("it told the versions")
    }

    /// Changes something behind the routes.
    pub(crate) fn order(&mut self, order: Value) {
        assert_eq!(self.ask(order), json!({}));
    }

    /// Asks for something that no route tells.
    pub(crate) fn ask(&mut self, order: Value) -> Value {
        writeln!(self.orders, "{order}").expect("the peer listens");
        let reply = read(&mut self.replies);
        assert!(reply.get("broken").is_none(), "{order}: {reply}");
        reply
    }
}

fn read(replies: &mut impl BufRead) -> Value {
    let mut line = String::new();
    replies.read_line(&mut line).expect("the peer answers");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("the peer said {line:?}: {error}"))
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The Python to use. Said once if there is none.
fn python() -> Option<&'static OsString> {
    static PYTHON_OF_TESTS: OnceLock<Option<OsString>> = OnceLock::new();
    const LOOK: &str = "import sys\nfrom importlib.util import find_spec\n\
        names = 'rest_framework_simplejwt', 'flask_jwt_extended', 'waitress'\n\
        sys.exit(not all(map(find_spec, names)))";

    let found = PYTHON_OF_TESTS.get_or_init(|| {
        let problem = match env::var_os(PYTHON) {
            None => format!("{PYTHON} is not set"),
            Some(python) => match Command::new(&python).args(["-c", LOOK]).status() {
                Ok(status) if status.success() => return Some(python),
                Ok(_) => format!("{PYTHON} lacks packages: run .ci/peers"),
                Err(error) => format!("{PYTHON} cannot be started: {error}"),
            },
        };
        let problem = format!("side by side with Django and Flask: {problem}");
        assert!(env::var_os(REQUIRE).is_none(), "{problem}");
        say(&format!("SKIPPED {problem}"));
        None
    });
    found.as_ref()
}
