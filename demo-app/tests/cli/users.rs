//! The commands that keep users and sessions, beside a server that runs.

use crate::sandbox::{PASSWORD, Sandbox};

#[test]
fn a_user_is_created_with_the_password_from_a_pipe_and_can_log_in() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();
    let args = ["create-user", "alice", "--email", "alice@example.org", "--staff", "--role", "ops"];
    let said = sandbox.run_with_input(&args, "correct horse\r\nand more").succeeded();
    assert_eq!(said, "created alice (id 1)\n");

    let me = server.get("/api/v1/users/me", &server.token("alice"));
    let expected = r#"{"id":1,"username":"alice","email":"alice@example.org"}"#;
    assert_eq!((me.status, me.body.to_string()), (200, sorted(expected)));
}

/// As `serde_json::Value` prints it.
fn sorted(json: &str) -> String {
    serde_json::from_str::<serde_json::Value>(json).unwrap().to_string()
}

#[test]
fn what_cannot_be_a_user_is_refused_in_words() {
    let sandbox = Sandbox::new();
    sandbox.create_user("alice");
    for (args, input, words) in [
        (&["create-user", "alice"][..], PASSWORD, "there is a user of this name already"),
        (&["create-user", "bob"], "short\n", "at least 8 characters"),
        (&["create-user", "bob"], "", "none on the standard input"),
        (&["create-user", "bob", "--password-stdin"], "\n", "at least 8 characters"),
        (&["create-user", "bob smith"], PASSWORD, "a user name has"),
        (&["create-user", "bob", "--email", "nowhere"], PASSWORD, "e-mail"),
        (&["set-password", "nobody"], PASSWORD, "no user of this name"),
        (&["deactivate", "nobody"], "", "no user of this name"),
        (&["sessions", "list", "nobody"], "", "no user of this name"),
    ] {
        let err = sandbox.run_with_input(args, input).failed(1);
        assert!(err.contains(words), "{args:?}: {err}");
        assert!(!err.contains(PASSWORD) && !err.contains("short"), "{err}");
    }
    // Names are compared with case, as Django does.
    sandbox.create_user("Alice");
}

#[test]
fn an_inactive_user_can_log_in_once_activated() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();
    let args = ["create-user", "alice", "--inactive", "--password-stdin"];
    sandbox.run_with_input(&args, PASSWORD).succeeded();
    assert_eq!(server.login("alice", PASSWORD).status, 401);
    sandbox.run(&["activate", "alice"]).succeeded();
    assert_eq!(server.login("alice", PASSWORD).status, 200);
}

#[test]
fn another_password_ends_the_sessions() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();
    sandbox.create_user("alice");
    let token = server.token("alice");
    sandbox.run_with_input(&["set-password", "alice"], "battery staple\n").succeeded();

    let refused = server.eventually_me(&token, 401);
    assert_eq!(refused.body["code"], "password_changed");
    assert_eq!(server.login("alice", PASSWORD).status, 401);
    assert_eq!(server.login("alice", "battery staple").status, 200);
}

#[test]
fn a_deactivated_user_is_logged_out() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();
    sandbox.create_user("alice");
    let pair = server.login("alice", PASSWORD).body;
    sandbox.run(&["deactivate", "alice"]).succeeded();

    let refused = server.eventually_me(pair["access"].as_str().unwrap(), 401);
    assert_eq!(refused.body["code"], "user_inactive");
    let refresh = serde_json::json!({ "refresh": pair["refresh"] });
    assert_eq!(server.post("/api/token/refresh/", &refresh).status, 401);
}

#[test]
fn a_user_deleted_at_the_sql_prompt_is_logged_out() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();
    sandbox.create_user("alice");
    sandbox.create_user("bob");
    let (alice, bob) = (server.token("alice"), server.token("bob"));
    sandbox.sql("DELETE FROM users WHERE username = 'alice'");

    let refused = server.eventually_me(&alice, 401);
    assert_eq!(refused.body["code"], "user_not_found");
    assert_eq!(server.get("/api/v1/users/me", &bob).status, 200);
    // The id is not given to the next.
    let said = sandbox.run_with_input(&["create-user", "carol"], PASSWORD).succeeded();
    assert_eq!(said, "created carol (id 3)\n");
}

#[test]
fn expired_sessions_are_flushed_and_counted() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();
    sandbox.create_user("alice");
    server.token("alice");
    server.token("alice");
    assert_eq!(sandbox.run(&["flush-expired-tokens"]).succeeded(), "rows removed: 0\n");
    sandbox.sql("UPDATE auth_sessions SET expires_at = 1");
    assert_eq!(sandbox.run(&["flush-expired-tokens"]).succeeded(), "rows removed: 2\n");
}

#[test]
fn a_flush_without_the_servers_settings_spares_what_lives_and_with_them_finds_what_is_over() {
    let sandbox = Sandbox::new().with("REFRESH_TOKEN_LIFETIME", "30d");
    let server = sandbox.serve();
    sandbox.create_user("alice");
    server.token("alice");
    // As old as a session that was not refreshed for two days.
    sandbox.sql(
        "UPDATE auth_sessions SET rotated_at = rotated_at - 172800000, \
         last_seen_at = last_seen_at - 172800000, idle_expires_at = idle_expires_at - 172800000",
    );
    let elsewhere = sandbox.with("REFRESH_TOKEN_LIFETIME", "1d");
    assert_eq!(elsewhere.run(&["flush-expired-tokens"]).succeeded(), "rows removed: 0\n");
    elsewhere.sql("UPDATE auth_sessions SET idle_expires_at = idle_expires_at - 2419261001");
    assert_eq!(elsewhere.run(&["flush-expired-tokens"]).succeeded(), "rows removed: 1\n");
}

#[test]
fn sessions_are_listed_and_ended_one_by_one_or_all() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();
    sandbox.create_user("alice");
    sandbox.create_user("bob");
    let tokens = [server.token("alice"), server.token("alice"), server.token("alice")];
    server.token("bob");

    let list = |name: &str| {
        let said = sandbox.run(&["sessions", "list", name]).succeeded();
        said.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (alice, bob) = (list("alice"), list("bob"));
    assert_eq!((alice.len(), bob.len()), (3, 1));

    let err = sandbox.run(&["sessions", "revoke", "alice", &bob[0]]).failed(1);
    assert!(err.contains("no such session"), "{err}");
    let said = sandbox.run(&["sessions", "revoke", "alice", &alice[0]]).succeeded();
    assert_eq!(said, "sessions ended: 1\n");
    assert_eq!(list("alice").len(), 2);
    let said = sandbox.run(&["sessions", "revoke", "alice"]).succeeded();
    assert_eq!(said, "sessions ended: 2\n");
    for token in &tokens {
        server.eventually_me(token, 401);
    }
    assert_eq!(sandbox.run(&["sessions", "list", "alice"]).succeeded(), "no sessions\n");
    assert_eq!(list("bob").len(), 1);
}
