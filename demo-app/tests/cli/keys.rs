//! Signing keys in a directory: made, rotated and retired while a server runs.

use std::process::Command;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD as BASE64;
use serde_json::Value;

use crate::sandbox::{Sandbox, Serving};

fn sandbox() -> Sandbox {
    Sandbox::new().with("SIGNING_KEY_DIR", "keys").with("ALGORITHM", "EdDSA")
}

/// The names of the keys and what they do, line by line.
fn list(sandbox: &Sandbox) -> Vec<(String, String)> {
    let said = sandbox.run(&["keys", "list"]).succeeded();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines = said.lines().map(words);
    lines.map(|words| (words[0].clone(), words[2..].join(" "))).collect()
}

fn header_of(token: &str) -> Value {
    let header = BASE64.decode_to_vec(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice(&header).unwrap()
}

fn published(server: &Serving) -> Vec<String> {
    let set = server.get("/.well-known/jwks.json", "").body;
    let kids = set["keys"].as_array().unwrap().iter();
    kids.map(|jwk| jwk["kid"].as_str().unwrap().to_owned()).collect()
}

fn eventually(what: &str, happened: impl Fn() -> bool) {
    for _ in 0..100 {
        if happened() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not within five seconds: {what}");
}

#[test]
fn a_key_is_made_at_the_first_start_rotated_and_retired_while_the_server_runs() {
    let sandbox = sandbox();
    sandbox.create_user("alice");
    assert!(!sandbox.files().contains(&"keys".into()), "who signs nothing makes no key");
    let server = sandbox.serve();
    let keys = list(&sandbox);
    assert_eq!(keys.len(), 1);
    let first = keys[0].0.clone();
    assert_eq!(keys[0].1, "active");
    let old = server.token("alice");
    assert_eq!(
        (&header_of(&old)["kid"], &header_of(&old)["alg"]),
        (&first.as_str().into(), &"EdDSA".into())
    );

    // A next one is published, and does not sign.
    let second = sandbox.run(&["keys", "generate", "--algorithm", "ES256"]).succeeded();
    let second = second.trim().to_owned();
    assert_eq!(list(&sandbox)[1], (second.clone(), "next".into()));
    eventually("it is published", || published(&server).contains(&second));
    assert_eq!(header_of(&server.token("alice"))["kid"], *first);

    let said = sandbox.run(&["keys", "rotate", "--in", "1s"]).succeeded();
    assert!(said.starts_with(&format!("{second} signs from ")), "{said}");
    eventually("it signs", || header_of(&server.token("alice"))["kid"] == *second);
    assert!(list(&sandbox)[0].1.starts_with("retired until "));
    server.eventually_me(&old, 200);

    // By default nobody is surprised by a key that they have not seen.
    let said = sandbox.run(&["keys", "rotate"]).succeeded();
    let third = said.split(' ').next().unwrap().to_owned();
    assert_eq!(list(&sandbox)[2].0, third);
    assert!(list(&sandbox)[2].1.starts_with("next from "), "{:?}", list(&sandbox));

    let refused = sandbox.run(&["keys", "retire", &first]).failed(1);
    assert!(refused.contains("in use") && refused.contains("--now"), "{refused}");
    let new = server.token("alice");
    sandbox.run(&["keys", "retire", &first, "--now"]).succeeded();
    server.eventually_me(&old, 401);
    server.eventually_me(&new, 200);
    assert!(!published(&server).contains(&first));
    let refused = sandbox.run(&["keys", "retire", &first]).failed(1);
    assert!(refused.contains("no such key"), "{refused}");
}

#[test]
fn a_signal_has_the_keys_read_at_once_and_a_bad_file_leaves_them_as_they_are() {
    let sandbox = sandbox();
    sandbox.create_user("alice");
    let server = sandbox.serve();
    let token = server.token("alice");
    let bad = sandbox.write("keys/bad.json", "{", 0o600);
    assert!(
        Command::new("kill").args(["-HUP", &server.pid().to_string()]).status().unwrap().success()
    );
    std::thread::sleep(Duration::from_millis(1500));
    server.eventually_me(&token, 200);
    assert_eq!(header_of(&server.token("alice"))["kid"], header_of(&token)["kid"]);
    let error = sandbox.run(&["keys", "list"]).failed(1);
    assert!(error.contains("bad.json"), "{error}");
    let ready = server.get("/readyz", "");
    assert_eq!((ready.status, &ready.body["keys"]), (200, &"stale".into()));

    std::fs::remove_file(bad).unwrap();
    eventually("it is well", || server.get("/readyz", "").body["keys"] == "ok");
    let (_, log) = server.stop();
    assert!(log.contains("bad.json") && log.contains("stay in use"), "{log}");
    assert!(!log.contains("PRIVATE"));
}

#[test]
fn what_cannot_work_with_a_directory_of_keys_is_refused_at_start() {
    let with = |name, value| sandbox().with(name, value).run(&["serve"]).failed(2);
    let secret = "a secret of at least thirty-two bytes";
    let error = with("SIGNING_KEY", secret);
    assert!(error.contains("signing_key_dir are both set"), "{error}");
    assert!(!error.contains(secret));
    assert!(with("SIGNING_KEY_FILE", "x").contains("signing_key_dir are both set"));
    assert!(with("JWK_URL", "https://id.example.org/jwks").contains("jwk_url"));
    let error = Sandbox::new().run(&["keys", "rotate"]).failed(1);
    assert!(error.contains("SIGNING_KEY_DIR is not set"), "{error}");

    let open = sandbox();
    std::fs::create_dir(open.path("keys")).unwrap();
    open.write("keys/a.json", "{}", 0o644);
    let error = open.run(&["serve"]).failed(2);
    assert!(error.contains("signing_key_dir") && error.contains("chmod"), "{error}");
    assert_eq!(open.files(), ["keys"]);
}

#[test]
fn an_algorithm_that_is_not_that_of_the_key_which_signs_is_warned_of() {
    let with = |algorithm, keys: &std::path::Path| {
        let sandbox = Sandbox::new().with("SIGNING_KEY_DIR", keys.to_str().unwrap());
        sandbox.with("ALGORITHM", algorithm).serve().stop().1
    };
    let home = tempfile::tempdir().unwrap();
    let keys = home.path().join("keys");
    assert!(!with("EdDSA", &keys).contains("WARN"));
    let log = with("RS256", &keys);
    assert!(log.contains("algorithm has no effect") && log.contains("EdDSA"), "{log}");
    // Nobody set it.
    assert!(!with("HS256", &keys).contains("WARN"));
}
