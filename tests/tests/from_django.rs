//! Moving from Django and SimpleJWT: the users keep their ids, their passwords and their tokens.

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tests::token::{but, claims_of, mint, simplejwt_claims};
use tests::{Answer, Database, Process, TestApp, TestDb, User, on_each_database, on_postgres};

on_each_database! {
    a_user_of_django_logs_in_with_the_old_password_and_gets_a_hash_of_today,
    a_user_of_django_does_not_log_in_with_another_password_or_without_one,
    an_access_token_of_simplejwt_opens_routes_as_the_same_user,
    a_refresh_token_of_simplejwt_is_exchanged_once,
    a_sliding_token_of_simplejwt_is_exchanged_until_its_own_end,
    tokens_of_simplejwt_can_be_refused,
    a_token_of_simplejwt_opens_nothing_for_a_user_who_was_inactive_in_django,
    a_user_who_is_created_later_gets_no_id_that_django_gave,
}

on_postgres! {
    users_are_imported_from_postgres_into_either_database,
    what_is_no_database_of_django_is_told_in_words,
    where_it_is_not_known_which_ids_django_gave_it_has_to_be_said,
    a_column_of_another_type_is_named,
}

/// Everybody's password: `demo-app/tests/django/make.py`.
const PASSWORD: &str = "correct horse battery staple";

/// The users whose passwords are stored in different ways, and their ids.
const BY_HASH: [(&str, i64, &str); 4] = [
    ("admin", 1, "pbkdf2_sha256"),
    ("anna", 3, "bcrypt_sha256"),
    ("bernd", 4, "scrypt"),
    ("chloé", 5, "argon2"),
];

/// A database that Django made.
fn django(database: Database) -> TestDb {
    let db = TestDb::create(database);
    let sql = match database {
        Database::Sqlite => include_str!("../../demo-app/tests/django/sqlite.sql"),
        Database::Postgres => include_str!("../../demo-app/tests/django/postgres.sql"),
    };
    for statement in sql.split(";\n").filter(|statement| !statement.trim().is_empty()) {
        db.execute(statement);
    }
    db
}

fn import(from: &TestDb, into: &TestDb, more: &[&str]) -> Output {
    let arguments = [&["import-django-users", from.url()], more].concat();
    Process::run(into, &arguments, "")
}

fn succeeded(output: Output) -> String {
    let [said, complained] = [output.stdout, output.stderr].map(|t| String::from_utf8(t).unwrap());
    assert!(output.status.success(), "{said}{complained}");
    said
}

/// The application with the users of a Django project.
async fn moved(database: Database, settings: &[(&str, &str)]) -> TestApp {
    let (from, db) = (django(Database::Sqlite), TestDb::create(database));
    let said = succeeded(import(&from, &db, &[]));
    assert!(said.starts_with("imported: 7\n"), "{said}");
    let db = Arc::new(db);
    let url = db.url().to_owned();
    TestApp::on(db, &url, settings).await
}

async fn log_in(app: &TestApp, username: &str, password: &str) -> Answer {
    let body = json!({ "username": username, "password": password });
    app.anonymous().post("/api/token/", body).await
}

/// The claims of a token of SimpleJWT, which has written ids as numbers and as texts.
fn claims(app: &TestApp, kind: &str, user_id: impl Into<Value>, lifetime: i64) -> Value {
    let now = app.now();
    let other = json!({ "token_type": kind, "exp": now + lifetime });
    but(simplejwt_claims(user_id, now), other)
}

async fn a_user_of_django_logs_in_with_the_old_password_and_gets_a_hash_of_today(
    database: Database,
) {
    let app = moved(database, &[]).await;
    for (name, id, kind) in BY_HASH {
        let with = |hash: &str| {
            app.db().count(&format!("users WHERE id = {id} AND password_hash LIKE '{hash}$%'"))
        };
        assert_eq!((with(kind), with("$argon2id")), (1, 0), "{name}");
        let answer = log_in(&app, name, PASSWORD).await;
        answer.expect_status(200);
        let me = app.anonymous().me(&answer.text("access")).await;
        assert_eq!(me.expect_status(200).json()["id"], id, "{name}");
        assert_eq!((with(kind), with("$argon2id$v=19$m=19456,t=2,p=1")), (0, 1), "{name}");
        // And with that one too.
        log_in(&app, name, PASSWORD).await.expect_status(200);
    }
    assert_eq!(app.db().count("users WHERE is_staff AND role = 'superuser'"), 1);
}

async fn a_user_of_django_does_not_log_in_with_another_password_or_without_one(database: Database) {
    let app = moved(database, &[]).await;
    let nobody = log_in(&app, "nobody", PASSWORD).await;
    nobody.expect_status(401);
    for (name, _, _) in BY_HASH {
        let answer = log_in(&app, name, "correct horse battery staples").await;
        assert_eq!(answer.expect_status(401).json(), nobody.json(), "{name}");
    }
    // Without a password, inactive, with one that cannot be verified.
    for name in ["dora", "emil", "frida"] {
        for password in [PASSWORD, "!", "null"] {
            let answer = log_in(&app, name, password).await;
            assert_eq!(answer.expect_status(401).json(), nobody.json(), "{name}");
        }
    }
    assert_eq!(app.db().count("users WHERE password_hash LIKE '$argon2id$%'"), 0);
    assert_eq!(app.db().count("auth_sessions"), 0);
}

async fn an_access_token_of_simplejwt_opens_routes_as_the_same_user(database: Database) {
    let app = moved(database, &[]).await;
    for id in [json!(3), json!("3")] {
        let token = mint(&claims(&app, "access", id, 300));
        let me = app.anonymous().me(&token).await;
        let anna = json!({ "id": 3, "username": "anna", "email": "anna@example.org" });
        assert_eq!(me.expect_status(200).json(), anna);
    }
    // Of somebody who was deleted in Django.
    let token = mint(&claims(&app, "access", 2, 300));
    assert_eq!(app.anonymous().me(&token).await.expect_status(401).text("code"), "user_not_found");
}

async fn a_refresh_token_of_simplejwt_is_exchanged_once(database: Database) {
    let app = moved(database, &[]).await;
    let old = mint(&claims(&app, "refresh", "4", 86_400));
    let pair = app.anonymous().refresh(&old).await;
    pair.expect_status(200);
    let access = pair.text("access");
    assert_eq!(claims_of(&access)["user_id"], "4");
    let me = app.anonymous().me(&access).await;
    assert_eq!(me.expect_status(200).text("username"), "bernd");
    assert_eq!(app.db().count("auth_sessions"), 1);

    app.advance(Duration::from_secs(11)).await;
    let again = app.anonymous().refresh(&old).await;
    assert_eq!(again.expect_status(401).text("detail"), "Token is blacklisted");
}

async fn a_sliding_token_of_simplejwt_is_exchanged_until_its_own_end(database: Database) {
    let app = moved(database, &[("AUTH_TOKEN_CLASSES", "access,sliding")]).await;
    let refreshed = json!({ "refresh_exp": app.now() + 86_400 });
    let token = mint(&but(claims(&app, "sliding", "3", 300), refreshed));
    let me = app.anonymous().me(&token).await;
    assert_eq!(me.expect_status(200).text("username"), "anna");
    let slide = async |token: &str| {
        app.anonymous().post("/api/token/sliding/refresh/", json!({ "token": token })).await
    };
    // As often as one likes, as there.
    slide(&token).await.expect_status(200);
    app.advance(Duration::from_secs(200)).await;
    let later = slide(&token).await.expect_status(200).text("token");
    assert_eq!(claims_of(&later)["refresh_exp"], claims_of(&token)["refresh_exp"]);
    assert_eq!(app.db().count("auth_sessions"), 1);
    app.advance(Duration::from_secs(200)).await;
    slide(&token).await.expect_status(401);
    assert_eq!(app.anonymous().me(&later).await.expect_status(200).text("username"), "anna");
    let anna = User { id: 3, username: "anna".into(), password: "" };
    app.set_password(&anna, "a new password").await;
    slide(&later).await.expect_status(401);

    let too_long = json!({ "refresh_exp": app.now() + 2 * 86_400 });
    let token = mint(&but(claims(&app, "sliding", "4", 300), too_long));
    slide(&token).await.expect_status(401);
    let over = json!({ "refresh_exp": app.now() });
    let token = mint(&but(claims(&app, "sliding", "4", 300), over));
    assert_eq!(slide(&token).await.expect_status(401).text("detail"), "Token is expired");
}

async fn tokens_of_simplejwt_can_be_refused(database: Database) {
    let app = moved(database, &[("FOREIGN_TOKEN_LIFETIME", "0")]).await;
    let access = mint(&claims(&app, "access", 3, 300));
    app.anonymous().me(&access).await.expect_status(401);
    let refresh = mint(&claims(&app, "refresh", 3, 86_400));
    app.anonymous().refresh(&refresh).await.expect_status(401);
    // The password is as good as ever.
    log_in(&app, "anna", PASSWORD).await.expect_status(200);
}

async fn a_token_of_simplejwt_opens_nothing_for_a_user_who_was_inactive_in_django(
    database: Database,
) {
    let app = moved(database, &[]).await;
    // A route that does not read the user, but is told of revocations.
    let sessions = async |id: i64| {
        // Issued before the move, as all of them are.
        let before = json!({ "iat": app.now() - 60 });
        let bearer = format!("Bearer {}", mint(&but(claims(&app, "access", id, 300), before)));
        app.anonymous().get_with("/api/v1/users/sessions", &bearer).await
    };
    sessions(3).await.expect_status(200);
    assert_eq!(sessions(7).await.expect_status(401).text("code"), "user_inactive");
    let refresh = mint(&claims(&app, "refresh", 7, 86_400));
    app.anonymous().refresh(&refresh).await.expect_status(401);
}

async fn a_user_who_is_created_later_gets_no_id_that_django_gave(database: Database) {
    let app = moved(database, &[]).await;
    // 8 is the last who is left, 9 was deleted, and a token may name it.
    assert_eq!(app.user("greta").await.id, 10);
    assert_eq!(app.user("hanna").await.id, 11);
    let again = succeeded(import(&django(Database::Sqlite), app.db(), &[]));
    assert_eq!(again, "imported: 0\nhere already: 7\n");
    assert_eq!(app.user("ida").await.id, 12);
}

async fn users_are_imported_from_postgres_into_either_database(_: Database) {
    let from = django(Database::Postgres);
    for database in [Database::Sqlite, Database::Postgres] {
        let into = TestDb::create(database);
        let tried = succeeded(import(&from, &into, &["--dry-run"]));
        assert!(tried.starts_with("would be imported: 7\n"), "{tried}");
        assert_eq!(into.count("users"), 0);
        let said = succeeded(import(&from, &into, &[]));
        assert!(said.starts_with("imported: 7\n  of them without a password: 2\n"), "{said}");
        for (name, id, kind) in BY_HASH {
            let row = format!("id = {id} AND username = '{name}' AND is_active");
            let found = format!("users WHERE {row} AND password_hash LIKE '{kind}$%'");
            assert_eq!(into.count(&found), 1, "{name}");
        }
        let admin = "users WHERE id = 1 AND is_staff AND role = 'superuser' \
            AND created_at = 1582977600000 AND last_login_at = 1714979289123";
        assert_eq!(into.count(admin), 1);
        let anna = "users WHERE id = 3 AND NOT is_staff AND role IS NULL \
            AND email = 'anna@example.org' AND created_at = 1609556645600 \
            AND last_login_at IS NULL";
        assert_eq!(into.count(anna), 1);
        assert_eq!(into.count("users WHERE NOT is_active AND id = 7"), 1);
        assert_eq!(into.count("auth_revocations WHERE kind = 'foreign' AND user_id = '7'"), 1);
        assert_eq!(into.count("auth_revocations"), 1);

        let again = succeeded(import(&from, &into, &[]));
        assert_eq!(again, "imported: 0\nhere already: 7\n");
        let created = Process::run(&into, &["create-user", "greta"], "long enough\n");
        assert_eq!(succeeded(created), "created greta (id 10)\n");
        let qualified = import(&from, &into, &["--table", "public.auth_user"]);
        assert_eq!(succeeded(qualified), "imported: 0\nhere already: 7\n");

        into.execute("DELETE FROM users WHERE id = 3");
        let complained = String::from_utf8(import(&from, &into, &[]).stderr).unwrap();
        let words = "\"anna\" (id 3): a user with this id was deleted here";
        assert!(complained.contains(words), "{complained}");
        assert_eq!(into.count("users"), 7);
    }
    assert_eq!(from.count("auth_user"), 7);
}

async fn what_is_no_database_of_django_is_told_in_words(_: Database) {
    let (from, into) = (django(Database::Postgres), TestDb::create(Database::Sqlite));
    from.execute("CREATE VIEW people AS SELECT * FROM auth_user WHERE id = 3");
    from.execute("CREATE TABLE uuids AS SELECT * FROM auth_user");
    from.execute("ALTER TABLE uuids ALTER COLUMN id TYPE uuid USING gen_random_uuid()");
    from.execute("CREATE TABLE other (id integer)");
    let said = succeeded(import(&from, &into, &["--table", "people", "--ids-above", "9"]));
    assert_eq!(said, "imported: 1\nhere already: 0\n");
    for (table, words) in [
        ("nowhere", "there is no table nowhere"),
        ("no.where", "there is no table no.where"),
        ("x\"; DROP TABLE other; --", "there is no table x"),
        ("uuids", "the ids in uuids are not whole numbers"),
        ("other", "the table other has no column username"),
    ] {
        let output = import(&from, &into, &["--table", table]);
        let complained = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{complained}");
        assert!(complained.contains(words), "{complained}");
    }
    assert_eq!(from.count("other"), 0);
}

async fn where_it_is_not_known_which_ids_django_gave_it_has_to_be_said(_: Database) {
    let from = django(Database::Postgres);
    let refused = |output: Output, words: &str| {
        let complained = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{complained}");
        assert!(complained.contains("it is not known which ids Django has given"), "{complained}");
        assert!(complained.contains(words), "{complained}");
    };
    let next_id_is = |into: &TestDb, id: i64| {
        let created = Process::run(into, &["create-user", "greta"], "long enough\n");
        assert_eq!(succeeded(created), format!("created greta (id {id})\n"));
    };

    // A role that may read the table and nothing else.
    let role = format!("reader_{}", std::process::id());
    from.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'reads'"));
    from.execute(&format!("GRANT SELECT ON auth_user TO {role}"));
    let (_, address) = from.url().rsplit_once('@').unwrap();
    let url = format!("postgres://{role}:reads@{address}");
    let import_as_role = |into: &TestDb, more: &[&str]| {
        Process::run(into, &[&["import-django-users", &url], more].concat(), "")
    };
    let into = TestDb::create(Database::Postgres);
    let grant = format!("GRANT SELECT ON SEQUENCE public.auth_user_id_seq TO {role}");
    refused(import_as_role(&into, &[]), &grant);
    let said = succeeded(import_as_role(&into, &["--ids-above", "41"]));
    assert!(said.starts_with("imported: 7\n"), "{said}");
    next_id_is(&into, 42);
    from.execute(&grant);
    let into = TestDb::create(Database::Postgres);
    succeeded(import_as_role(&into, &["--ids-above", "3"]));
    next_id_is(&into, 10);
    from.execute("REVOKE SELECT ON auth_user FROM PUBLIC");
    from.execute(&format!("DROP OWNED BY {role}"));
    let complained = String::from_utf8(import_as_role(&into, &[]).stderr).unwrap();
    assert!(complained.contains("project: permission denied for table auth_user"), "{complained}");
    from.execute(&format!("DROP ROLE {role}"));

    from.execute("CREATE VIEW people AS SELECT * FROM auth_user");
    let into = TestDb::create(Database::Sqlite);
    refused(import(&from, &into, &["--table", "people"]), "people has no sequence");
    succeeded(import(&from, &into, &["--table", "people", "--ids-above", "9"]));
    next_id_is(&into, 10);

    // As on a subscriber of a logical replication.
    from.execute("ALTER SEQUENCE auth_user_id_seq RESTART");
    let into = TestDb::create(Database::Sqlite);
    refused(import(&from, &into, &[]), "the sequence of auth_user is behind");
    assert_eq!(from.execute("DELETE FROM auth_user"), 7);
    assert_eq!(succeeded(import(&from, &into, &[])), "imported: 0\nhere already: 0\n");
}

async fn a_column_of_another_type_is_named(_: Database) {
    let (from, into) = (django(Database::Postgres), TestDb::create(Database::Sqlite));
    let view = |active: &str, login: &str| {
        from.execute("DROP VIEW IF EXISTS people");
        from.execute(&format!(
            "CREATE VIEW people AS SELECT id, username, email, password, {active} AS is_active,
                is_staff, is_superuser, date_joined::timestamp AS date_joined, {login} AS last_login
            FROM auth_user"
        ));
        import(&from, &into, &["--table", "people", "--ids-above", "9"])
    };
    for (active, login, words) in [
        ("1", "last_login", "is_active of people is of the type integer; it has to be boolean"),
        ("TRUE", "NULL", "last_login of people is of the type text; it has to be timestamp with"),
    ] {
        let complained = String::from_utf8(view(active, login).stderr).unwrap();
        assert!(complained.contains(words), "{complained}");
    }
    let said = succeeded(view("TRUE", "NULL::timestamptz"));
    assert!(said.starts_with("imported: 7\n"), "{said}");
    let admin = "users WHERE id = 1 AND created_at = 1582977600000";
    assert_eq!(into.count(admin), 1);
}
