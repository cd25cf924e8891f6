//! The other libraries. All are asked in the same words; two of them live in processes of their own,
//! which read a request a line and write a reply a line (`peers/`).

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use auth_core::Algorithm;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tests::say;

use crate::jsonwebtoken_peer;
use crate::keys::KeyText;

/// A Python with PyJWT.
const PYTHON: &str = "TEST_PYTHON";
/// The folder whose `node_modules` has jose.
const NODE_MODULES: &str = "TEST_NODE_MODULES";
/// When set, a peer that is not there is a failure.
const REQUIRE: &str = "REQUIRE_PEERS";

#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    PyJwt,
    Jose,
    JsonWebToken,
}

#[derive(Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Request<'a> {
    Sign {
        alg: Algorithm,
        key: &'a KeyText,
        /// Members besides the library's own.
        header: &'a Value,
        claims: &'a Value,
    },
    Verify {
        alg: Algorithm,
        key: &'a KeyText,
        token: &'a str,
        issuer: Option<&'a str>,
        audience: Option<&'a str>,
    },
    /// As Verify, for a token whose claims may be no JSON that others read.
    Accepts { alg: Algorithm, key: &'a KeyText, token: &'a str },
    /// The JWKs of a secret or a private key.
    Describe { alg: Algorithm, key: &'a KeyText },
    /// A new key pair.
    Generate { alg: Algorithm },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Token(String),
    Claims(Value),
    Accepted(bool),
    Keys(Jwks),
    Pair(PemPair),
    /// The token is not accepted, and why.
    Refused(String),
    /// Something else went wrong, and what.
    Broken(String),
}

/// A key as the peer writes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Jwks {
    /// Null where the library has no private JWKs.
    pub(crate) private: Value,
    /// Null for a secret.
    pub(crate) public: Value,
    /// RFC 7638, SHA-256. A secret has none that could be told.
    pub(crate) thumbprint: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PemPair {
    /// PKCS#8.
    pub(crate) private: String,
    /// SPKI.
    pub(crate) public: String,
}

/// Runs a test with a peer, or says that it is not there.
pub(crate) fn run<F: Future<Output = ()>>(
    peer: Peer,
    algorithm: Algorithm,
    test: impl FnOnce(Peer, Algorithm) -> F,
) {
    if peer.is_here() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be built").block_on(test(peer, algorithm));
    }
}

impl Peer {
    fn is_here(self) -> bool {
        match self {
            Self::JsonWebToken => true,
            Self::PyJwt | Self::Jose => self.helper().is_some(),
        }
    }

    /// A token with these claims, under the header that the library writes, with `header` added.
    #[track_caller]
    pub(crate) fn sign(
        self,
        alg: Algorithm,
        key: &KeyText,
        header: &Value,
        claims: &Value,
    ) -> String {
        match self.ask(&Request::Sign { alg, key, header, claims }) {
            Ok(Reply::Token(token)) => token,
            other => panic!("{self:?} does not sign with {alg:?}: {other:?}"),
        }
    }

    /// The claims of a token that the peer accepts, or why it does not.
    pub(crate) fn verify(
        self,
        alg: Algorithm,
        key: &KeyText,
        token: &str,
    ) -> Result<Value, String> {
        self.verify_for(alg, key, token, None, None)
    }

    /// The same, where an issuer or an audience is expected.
    #[track_caller]
    pub(crate) fn verify_for(
        self,
        alg: Algorithm,
        key: &KeyText,
        token: &str,
        issuer: Option<&str>,
        audience: Option<&str>,
    ) -> Result<Value, String> {
        match self.ask(&Request::Verify { alg, key, token, issuer, audience }) {
            Ok(Reply::Claims(claims)) => Ok(claims),
            Ok(Reply::Refused(why)) => Err(why),
            other => panic!("{self:?} does not judge {token}: {other:?}"),
        }
    }

    /// Whether the peer accepts a token, which may be odd enough to break something.
    pub(crate) fn accepts(self, alg: Algorithm, key: &KeyText, token: &str) -> bool {
        match self.ask(&Request::Accepts { alg, key, token }) {
            Ok(Reply::Accepted(accepted)) => accepted,
            Err(_) => false,
            other => panic!("{self:?} does not judge {token}: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn describe(self, alg: Algorithm, key: &KeyText) -> Jwks {
        match self.ask(&Request::Describe { alg, key }) {
            Ok(Reply::Keys(jwks)) => jwks,
            other => panic!("{self:?} does not describe a key for {alg:?}: {other:?}"),
        }
    }

    /// A new key pair; `None` of a library that makes none.
    #[track_caller]
    pub(crate) fn generate(self, alg: Algorithm) -> Option<PemPair> {
        match self.ask(&Request::Generate { alg }) {
            Ok(Reply::Pair(pair)) => Some(pair),
            Err(_) if matches!(self, Self::JsonWebToken) => None,
            other => panic!("{self:?} makes no key for {alg:?}: {other:?}"),
        }
    }

    /// What it says, or what else went wrong.
    fn ask(self, request: &Request<'_>) -> Result<Reply, String> {
        let reply = match self {
            Self::JsonWebToken => jsonwebtoken_peer::answer(request),
            Self::PyJwt | Self::Jose => {
                let helper = self.helper().as_ref().expect("checked before the test began");
                helper.lock().unwrap_or_else(PoisonError::into_inner).ask(request)
            }
        };
        match reply {
            Reply::Broken(why) => Err(why),
            other => Ok(other),
        }
    }

    /// One process for all tests. Said once if it cannot be.
    fn helper(self) -> &'static Option<Mutex<Helper>> {
        static PYJWT: OnceLock<Option<Mutex<Helper>>> = OnceLock::new();
        static JOSE: OnceLock<Option<Mutex<Helper>>> = OnceLock::new();

        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/peers");
        let (place, variable) = match self {
            Self::PyJwt => (&PYJWT, PYTHON),
            Self::Jose => (&JOSE, NODE_MODULES),
            Self::JsonWebToken => unreachable!("it has no process of its own"),
        };
        place.get_or_init(|| {
            let Some(found) = env::var_os(variable) else {
                let problem = format!("interop with {self:?}: {variable} is not set");
                assert!(env::var_os(REQUIRE).is_none(), "{problem}");
                say(&format!("SKIPPED {problem}"));
                return None;
            };
            let helper = match self {
                Self::PyJwt => Helper::start(&found, [peers.join("pyjwt_peer.py").as_os_str()]),
                _ => Helper::start("node", [peers.join("jose_peer.mjs").as_os_str(), &found]),
            };
            Some(Mutex::new(helper))
        })
    }
}

/// A process that ends when its standard input does, with ours at the latest.
struct Helper {
    _process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Helper {
    fn start<'a>(
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = &'a OsStr>,
    ) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let started = command.spawn();
        let mut process = started.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let input = process.stdin.take().expect("it is piped");
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        Self { _process: process, input, output }
    }

    fn ask(&mut self, request: &Request<'_>) -> Reply {
        let mut line = serde_json::to_string(request).expect("a request is JSON");
        line.push('\n');
        self.input.write_all(line.as_bytes()).expect("the peer listens");
        line.clear();
        self.output.read_line(&mut line).expect("the peer answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    }
}
