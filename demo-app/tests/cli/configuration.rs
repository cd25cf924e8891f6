//! What is configured, what is not, and what is wrong.

use std::os::unix::fs::PermissionsExt;

use crate::sandbox::Sandbox;

const SECRET: &str = "a secret of at least thirty-two bytes";

#[test]
fn with_nothing_configured_it_makes_what_it_needs_and_says_what_to_do() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();

    let key = std::fs::metadata(sandbox.path("demo.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let key = std::fs::read_to_string(sandbox.path("demo.key")).unwrap();
    assert!(key.trim_end().len() >= 43, "256 bits need 43 characters");

    let ready = server.get("/readyz", "");
    assert_eq!((ready.status, &ready.body["status"]), (200, &"ok".into()));
    assert_eq!(server.get("/healthz", "").status, 200);

    let (status, log) = server.stop();
    assert!(status.success());
    assert!(log.contains("made a signing key") && log.contains("demo.key"), "{log}");
    assert!(!log.contains(key.trim_end()));
}

#[test]
fn a_second_start_goes_on_with_the_same_key_and_database() {
    let sandbox = Sandbox::new();
    sandbox.create_user("alice");
    let token = sandbox.serve().token("alice");
    let again = sandbox.serve();
    assert_eq!(again.get("/api/v1/users/me", &token).status, 200);
}

#[test]
fn of_several_that_start_at_once_one_makes_the_key_and_all_use_it() {
    let sandbox = Sandbox::new();
    let servers = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..4).map(|_| scope.spawn(|| sandbox.serve())).collect();
        starting.into_iter().map(|server| server.join().unwrap()).collect::<Vec<_>>()
    });
    sandbox.create_user("alice");
    let token = servers[0].token("alice");
    for server in &servers {
        assert_eq!(server.get("/api/v1/users/me", &token).status, 200);
    }
    assert_eq!(sandbox.files(), ["demo.db", "demo.db-shm", "demo.db-wal", "demo.key"]);
}

#[test]
fn commands_make_no_key() {
    let sandbox = Sandbox::new();
    sandbox.run(&["migrate"]).succeeded();
    sandbox.create_user("alice");
    sandbox.run(&["flush-expired-tokens"]).succeeded();
    assert!(!sandbox.path("demo.key").exists());
}

#[test]
fn every_fault_is_told_at_once_and_no_value_is_repeated() {
    let sandbox = Sandbox::new()
        .with("LISTEN", "s3cret")
        .with("DATABASE_URL", "mysql://user:s3cret@host/db")
        .with("ACCESS_TOKEN_LIFETIME", "s3cret")
        .with("REFRESH_GRACE", "2m")
        .with("SINGLE_TOKEN_LIFETIME", "60d")
        .with("SIGNING_KEY", "s3cret")
        .with("PUBLIC_URL", "ftp://s3cret")
        .with("INSECURE_COOKIES", "s3cret")
        .with("LOG_FORMAT", "s3cret")
        .with("LOG_LEVEL", "trace")
        .with("DEMO_CONFIG", "demo.toml");
    sandbox.write(
        "demo.toml",
        "acess_token_lifetime = '5m'\nsmtp_url = 'smtp://s3cret'\nleeway = 1979-05-27\n",
        0o644,
    );
    let err = sandbox.run(&[]).failed(2);
    for name in [
        "LISTEN",
        "DATABASE_URL",
        "ACCESS_TOKEN_LIFETIME",
        "refresh_grace",
        "single_token_lifetime",
        "signing_key",
        "PUBLIC_URL",
        "INSECURE_COOKIES",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "acess_token_lifetime",
        "smtp_url",
        "leeway",
    ] {
        assert!(err.contains(&format!("- {name}: ")), "{name} in {err}");
    }
    assert!(err.contains("13 faults"), "{err}");
    assert!(!err.contains("s3cret"), "{err}");
    assert_eq!(sandbox.files(), ["demo.toml"]);
}

#[test]
fn a_claim_of_the_application_cannot_be_taken_for_another() {
    for claim in ["username", "email"] {
        let err = Sandbox::new().with("USER_ID_CLAIM", claim).run(&["migrate"]).failed(2);
        assert!(err.contains("- user_id_claim: "), "{err}");
    }
}

#[test]
fn a_key_pair_in_pem_is_not_a_secret() {
    let pem = "-----BEGIN PUBLIC KEY-----\n\
               MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
               -----END PUBLIC KEY-----\n";
    let err = Sandbox::new().with("SIGNING_KEY", pem).run(&["serve"]).failed(2);
    assert!(err.contains("- signing_key: a PEM is not a secret"), "{err}");
}

#[test]
fn the_environment_goes_before_the_file_and_the_command_line_before_both() {
    let sandbox = Sandbox::new().with("LISTEN", "nonsense").with("DATABASE_URL", "sqlite://env.db");
    sandbox.write(
        "demo.toml",
        "database_url = 'sqlite://file.db'\naccess_token_lifetime = 60\n",
        0o644,
    );
    sandbox.run(&["--config", "demo.toml", "migrate"]).failed(2);
    let serving = sandbox.with("DEMO_CONFIG", "demo.toml");
    drop(serving.serve());
    assert!(serving.path("env.db").exists());
    assert!(!serving.path("file.db").exists());
}

#[test]
fn a_file_that_is_not_toml_is_refused_without_showing_its_line() {
    let sandbox = Sandbox::new().with("DEMO_CONFIG", "demo.toml");
    sandbox.write("demo.toml", "# settings\nsigning_key = s3cret\n", 0o600);
    let err = sandbox.run(&["migrate"]).failed(2);
    assert!(err.contains("demo.toml: line 2 is not TOML"), "{err}");
    assert!(!err.contains("s3cret"), "{err}");

    let missing = Sandbox::new().run(&["--config", "nowhere.toml", "migrate"]).failed(2);
    assert!(missing.contains("nowhere.toml: cannot be read"), "{missing}");
}

#[test]
fn a_weak_or_empty_key_is_refused() {
    for (key, words) in [
        ("short", "at least 32 bytes"),
        ("", "is empty"),
        (&*"a".repeat(64), "too few different bytes"),
    ] {
        let sandbox = Sandbox::new().with("SIGNING_KEY", key);
        let err = sandbox.run(&["serve"]).failed(2);
        assert!(err.contains(words), "{err}");
        assert!(sandbox.files().is_empty());
    }
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    for (name, env) in [("demo.key", None), ("own.key", Some(("SIGNING_KEY_FILE", "own.key")))] {
        let sandbox = match env {
            None => Sandbox::new(),
            Some((name, value)) => Sandbox::new().with(name, value),
        };
        sandbox.write(name, SECRET, 0o640);
        let err = sandbox.run(&["serve"]).failed(2);
        let named = if env.is_some() { "- signing_key_file: can be read" } else { name };
        assert!(err.contains(named) && err.contains("0640") && err.contains("chmod 600"), "{err}");
        assert!(!err.contains(SECRET));
    }
}

#[test]
fn a_key_file_that_is_named_must_be_there() {
    let sandbox = Sandbox::new().with("SIGNING_KEY_FILE", "own.key");
    let err = sandbox.run(&["serve"]).failed(2);
    assert!(err.contains("- signing_key_file: cannot be read"), "{err}");
    assert!(sandbox.files().is_empty());

    let both = Sandbox::new().with("SIGNING_KEY_FILE", "own.key").with("SIGNING_KEY", SECRET);
    both.write("own.key", SECRET, 0o600);
    assert!(both.run(&["serve"]).failed(2).contains("both set"));
}

#[test]
fn a_key_in_the_place_of_its_path_is_not_told() {
    let pem = "-----BEGIN EC PRIVATE KEY-----\ns3cret\n-----END EC PRIVATE KEY-----\n";
    for name in ["SIGNING_KEY_FILE", "SIGNING_KEY_DIR"] {
        for key in [pem, "s3cret\ns3cret", r#"{"kty":"oct","k":"s3cret"}"#] {
            let sandbox = Sandbox::new().with(name, key);
            let err = sandbox.run(&["serve"]).failed(2);
            assert!(err.contains(&format!("- {name}: holds a key, not the path")), "{err}");
            assert!(!err.contains("s3cret"), "{err}");
            assert!(sandbox.files().is_empty());
        }
    }

    // One that might be a path.
    let sandbox = Sandbox::new().with("SIGNING_KEY_FILE", "s3cret");
    let err = sandbox.run(&["serve"]).failed(2);
    assert!(!err.contains("s3cret"), "{err}");
    let sandbox = Sandbox::new().with("SIGNING_KEY_DIR", "s3cret");
    let err = sandbox.run(&["keys", "list"]).failed(1);
    assert!(err.contains("signing_key_dir: ") && !err.contains("s3cret"), "{err}");
    let (_, log) = sandbox.serve().stop();
    assert!(log.contains("made the first signing key"), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn an_empty_value_does_not_switch_a_protection_off() {
    let sandbox = Sandbox::new()
        .with("TOTP_ENCRYPTION_KEYS", "")
        .with("AUDIENCE", "")
        .with("DEMO_CONFIG", "demo.toml");
    sandbox.write("demo.toml", "issuer = ''\n", 0o644);
    let err = sandbox.run(&["serve"]).failed(2);
    for name in ["TOTP_ENCRYPTION_KEYS", "AUDIENCE", "issuer"] {
        assert!(err.contains(&format!("- {name}: must not be empty: leave it out")), "{err}");
    }
}

#[test]
fn a_newline_at_the_end_of_a_key_file_is_not_part_of_the_key() {
    let sandbox = Sandbox::new().with("SIGNING_KEY_FILE", "own.key");
    sandbox.write("own.key", &format!("{SECRET}\n"), 0o600);
    sandbox.create_user("alice");
    let token = sandbox.serve().token("alice");

    let path = sandbox.path("demo.db");
    let other = Sandbox::new()
        .with("SIGNING_KEY", SECRET)
        .with("DATABASE_URL", &format!("sqlite://{}", path.display()));
    assert_eq!(other.serve().get("/api/v1/users/me", &token).status, 200);
}

#[test]
fn for_eddsa_the_key_that_is_made_is_a_private_key_whose_public_half_is_published() {
    let sandbox = Sandbox::new().with("ALGORITHM", "EdDSA");
    sandbox.create_user("alice");
    let server = sandbox.serve();
    let pem = std::fs::read_to_string(sandbox.path("demo.key")).unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    let jwks = server.get("/.well-known/jwks.json", "").body;
    assert_eq!(jwks["keys"][0]["crv"], "Ed25519");
    assert_eq!(jwks["keys"][0]["d"], serde_json::Value::Null);
    assert_eq!(server.get("/api/v1/users/me", &server.token("alice")).status, 200);
}

#[test]
fn tls_that_was_not_built_in_is_refused_in_words() {
    if cfg!(feature = "postgres-tls") {
        return;
    }
    let url = "postgres://user:s3cret@127.0.0.1:1/db?sslmode=require";
    let sandbox = Sandbox::new().with("DATABASE_URL", url);
    let err = sandbox.run(&["serve"]).failed(2);
    assert!(err.contains("TLS") && err.contains("`postgres-tls`"), "{err}");
    assert!(!err.contains("s3cret"));
    assert!(sandbox.files().is_empty());
}

#[test]
fn a_database_that_is_away_is_told_and_the_password_of_its_url_is_not() {
    let sandbox = Sandbox::new().with("DATABASE_URL", "postgres://user:s3cret@127.0.0.1:1/db");
    let err = sandbox.run(&["migrate"]).failed(1);
    assert!(err.contains("Connection refused"), "{err}");
    assert!(!err.contains("s3cret"));
}

#[test]
fn what_has_no_effect_yet_is_warned_of() {
    let sandbox = Sandbox::new().with("SMTP_URL", "smtp://user:s3cret@host").with("REDIS_URL", "");
    let (_, log) = sandbox.serve().stop();
    assert!(log.contains("SMTP_URL has no effect"), "{log}");
    assert!(!log.contains("REDIS_URL") && !log.contains("s3cret"));
}

#[test]
fn a_file_may_have_the_names_in_upper_case_and_each_once() {
    let sandbox = Sandbox::new().with("DEMO_CONFIG", "demo.toml");
    let file = "DATABASE_URL = 'sqlite://file.db'\nACCESS_TOKEN_LIFETIME = '30m'\n\
                AUTH_TOKEN_CLASSES = ['AccessToken', 'SlidingToken']\n";
    sandbox.write("demo.toml", file, 0o644);
    sandbox.run(&["migrate"]).succeeded();
    assert!(sandbox.path("file.db").exists());

    sandbox.write("demo.toml", "LEEWAY = 1\nleeway = 2\nLeeway = 3\n", 0o644);
    let err = sandbox.run(&["migrate"]).failed(2);
    assert!(err.contains("- leeway: is there twice"), "{err}");
    assert!(err.contains("- Leeway: there is no such setting"), "{err}");
}

#[test]
fn settings_that_are_code_here_are_refused_and_say_what_they_are() {
    let file = "ON_LOGIN_SUCCESS = 'shop.events.greet'\ntoken_user_class = 'shop.User'\n";
    let sandbox = Sandbox::new()
        .with("DEMO_CONFIG", "demo.toml")
        .with("TOKEN_OBTAIN_SERIALIZER", "shop.serializers.Obtain")
        .with("USER_AUTHENTICATION_RULE", "shop.rule");
    sandbox.write("demo.toml", file, 0o644);
    let err = sandbox.run(&["migrate"]).failed(2);
    for words in [
        "- on_login_success: is a piece of code, which no text can name: see `AuthorityBuilder::on_event`",
        "- token_user_class: is a piece of code, which no text can name: see the extractor `AuthUser`",
        "- TOKEN_OBTAIN_SERIALIZER: is a piece of code",
        "- USER_AUTHENTICATION_RULE: is a piece of code",
        "4 faults",
    ] {
        assert!(err.contains(words), "{words} in {err}");
    }
    assert!(!err.contains("shop."), "{err}");
}

#[test]
fn a_setting_without_effect_is_refused_by_name() {
    for (settings, named) in [
        (
            &[("ROTATE_REFRESH_TOKENS", "false"), ("BLACKLIST_AFTER_ROTATION", "true")][..],
            "blacklist_after_rotation",
        ),
        (&[("REVOKE_TOKEN_CLAIM", "hash_password")], "revoke_token_claim"),
        (&[("JWK_URL", "https://issuer.example/jwks.json"), ("ISSUER", "x")], "jwk_url"),
        (&[("SIGNING_KEY", SECRET), ("VERIFYING_KEY", "x")], "verifying_key"),
        (&[("PROBLEM_TYPE_BASE", "https://shop.example/")], "problem_type_base"),
        (&[("USER_ID_FIELD", "uuid")], "user_id_field"),
        (&[("TOKEN_TYPE_CLAIM", "")], "token_type_claim"),
        (&[("JTI_CLAIM", "")], "jti_claim"),
        (&[("USER_ID_CLAIM", "")], "user_id_claim"),
        (&[("AUTH_HEADER_TYPES", "Bearer,Token")], "- auth_header_types: has `Token`"),
        (&[("AUTH_HEADER_TYPES", "basic")], "- auth_header_types: has `Basic`"),
        (&[("AUTH_HEADER_NAME", "jwt-auth")], "- auth_header_name: is a header that means"),
        (&[("PUBLIC_URL", "https://example.org:99999")], "- PUBLIC_URL: must be a scheme"),
        (&[("PASSWORD_QUEUE", "2305843009213693952")], "- password_queue: must be between"),
    ] {
        let sandbox = settings
            .iter()
            .fold(Sandbox::new(), |sandbox, (name, value)| sandbox.with(name, value));
        let err = sandbox.run(&["serve"]).failed(2);
        assert!(err.contains(named), "{settings:?}: {err}");
        assert_eq!(sandbox.files(), [""; 0], "{settings:?}");
    }
}

#[test]
fn what_the_parts_refuse_is_told_with_the_rest() {
    let sandbox = Sandbox::new()
        .with("USER_ID_FIELD", "S3CRET")
        .with("LEEWAY", "10m")
        .with("AUTH_HEADER_TYPES", "Token")
        .with("JTI_CLAIM", "");
    let err = sandbox.run(&["serve"]).failed(2);
    for name in ["user_id_field", "leeway", "auth_header_types", "jti_claim", "4 faults"] {
        assert!(err.contains(name), "{name} in {err}");
    }
    assert!(!err.contains("S3CRET"), "{err}");
    assert_eq!(sandbox.files(), [""; 0]);
}

#[test]
fn a_public_key_whose_private_half_is_not_there_makes_no_other_key() {
    let pem = "-----BEGIN PUBLIC KEY-----\n\
               MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
               -----END PUBLIC KEY-----\n";
    let sandbox = Sandbox::new().with("ALGORITHM", "EdDSA").with("VERIFYING_KEY", pem);
    let err = sandbox.run(&["serve"]).failed(2);
    assert!(err.contains("- verifying_key: needs the key that it belongs to"), "{err}");
    assert_eq!(sandbox.files(), [""; 0]);
}

#[test]
fn a_key_that_was_made_for_another_algorithm_is_called_by_its_file() {
    let sandbox = Sandbox::new().with("ALGORITHM", "ES256");
    sandbox.write("demo.key", SECRET, 0o600);
    let err = sandbox.run(&["serve"]).failed(2);
    assert!(err.contains("- demo.key: not a key for ES256"), "{err}");
    assert!(!err.contains("signing_key") && !err.contains(SECRET), "{err}");
    assert_eq!(sandbox.files(), ["demo.key"]);
}

#[test]
fn a_public_url_that_is_no_site_is_told_by_name_whoever_finds_out() {
    let err = Sandbox::new().with("PUBLIC_URL", "https://1.2.3.256").run(&["serve"]).failed(2);
    assert!(err.contains("- public_url: must be the origin of a site"), "{err}");
}
