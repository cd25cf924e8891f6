//! `demo-app tokens`: personal tokens, beside a server that runs.

use crate::sandbox::{Sandbox, Serving};

fn status(server: &Serving, token: &str) -> u16 {
    server.get_with("/api/v1/users/me", &format!("Token {token}")).status
}

#[test]
fn a_personal_token_is_printed_once_listed_and_revoked() {
    let sandbox = Sandbox::new();
    sandbox.create_user("alice");
    let server = sandbox.serve();
    let create = ["tokens", "create", "alice", "--name", "nightly build", "--expires", "90d"];
    let token = sandbox.run(&create).succeeded();
    let token = token.strip_suffix('\n').unwrap();
    assert!(token.starts_with("pat_") && token.len() == 68, "{token}");
    assert_eq!(status(&server, token), 200);

    let list = sandbox.run(&["tokens", "list", "alice"]).succeeded();
    assert!(list.contains("  nightly build  [everything]  until "), "{list}");
    assert!(!list.contains(&token[4..]), "{list}");
    assert_eq!(sandbox.run(&["sessions", "list", "alice"]).succeeded(), "no sessions\n");

    let id = list.split("  ").next().unwrap();
    sandbox.run(&["tokens", "revoke", "alice", id]).succeeded();
    server.eventually_refuses(token);
    let err = sandbox.run(&["tokens", "revoke", "alice", id]).failed(1);
    assert!(err.contains("no such personal token"), "{err}");
    assert_eq!(sandbox.run(&["tokens", "list", "alice"]).succeeded(), "no personal tokens\n");
}

#[test]
fn a_personal_token_takes_no_scope_that_its_user_lacks() {
    let sandbox = Sandbox::new();
    let user = ["create-user", "alice", "--scope", "orders:read", "--scope", "orders:write"];
    sandbox.run_with_input(&user, crate::sandbox::PASSWORD).succeeded();
    let create = ["tokens", "create", "alice", "--name", "ci", "--scope"];
    sandbox.run(&[&create[..], &["orders:read"]].concat()).succeeded();
    let list = sandbox.run(&["tokens", "list", "alice"]).succeeded();
    assert!(list.contains("  ci  [orders:read]  until "), "{list}");
    assert!(list.contains("never used"), "{list}");
    let err = sandbox.run(&[&create[..], &["admin"]].concat()).failed(1);
    assert!(err.contains("not a scope of this user: admin"), "{err}");

    let said = sandbox.run(&["set-rights", "alice", "--scopes", "admin"]).succeeded();
    assert_eq!(said, "alice: not staff, scopes admin\n");
    let said = sandbox.run(&["set-rights", "alice", "--scopes", ""]).succeeded();
    assert_eq!(said, "alice: not staff\n");
    let err = sandbox.run(&["set-rights", "alice", "--scopes", "a b"]).failed(1);
    assert!(err.contains("a scope has"), "{err}");
}

#[test]
fn what_cannot_be_a_personal_token_is_refused_in_words() {
    let sandbox = Sandbox::new();
    sandbox.create_user("alice");
    for (args, words) in [
        (&["tokens", "create", "bob", "--name", "ci"][..], "no user of this name"),
        (&["tokens", "create", "alice", "--name", " "], "1 to 100 characters"),
        (&["tokens", "create", "alice", "--name", "ci", "--expires", "2y"], "at most 31536000"),
        (&["tokens", "list", "bob"], "no user of this name"),
    ] {
        let err = sandbox.run(args).failed(1);
        assert!(err.contains(words), "{args:?}: {err}");
    }
}
