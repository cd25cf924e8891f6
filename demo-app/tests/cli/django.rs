//! Users of a Django project, imported from its database in SQLite. (From and into PostgreSQL:
//! `tests/tests/from_django.rs`.)

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use crate::sandbox::{PASSWORD, Sandbox};

/// What Django made: `tests/django/make.py`.
const USERS: &str = include_str!("../django/sqlite.sql");

const IMPORT: [&str; 2] = ["import-django-users", "sqlite://django.sqlite3"];

/// A directory with a Django project's database in it.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    django(&sandbox, USERS);
    sandbox
}

/// Runs SQL on the database of the Django project.
fn django(sandbox: &Sandbox, sql: &str) {
    let path = sandbox.path("django.sqlite3");
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute(sql).unwrap();
}

#[derive(QueryableByName, Debug, PartialEq)]
struct User {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    username: String,
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = Text)]
    hash: String,
    #[diesel(sql_type = Bool)]
    is_active: bool,
    #[diesel(sql_type = Bool)]
    is_staff: bool,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    last_login_at: Option<i64>,
}

/// The users, with the first word of their hashes.
fn users(sandbox: &Sandbox) -> Vec<User> {
    let path = sandbox.path("demo.db");
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    diesel::sql_query(
        "SELECT id, username, email, is_active, is_staff, coalesce(role, '') AS role, created_at,
            last_login_at, coalesce(substr(password_hash, 1, instr(password_hash, '$') - 1), '')
                AS hash
        FROM users ORDER BY id",
    )
    .load(&mut conn)
    .unwrap()
}

fn names(sandbox: &Sandbox) -> Vec<String> {
    users(sandbox).into_iter().map(|user| user.username).collect()
}

#[test]
fn users_are_imported_with_all_that_django_knows_of_them() {
    let sandbox = sandbox();
    let said = sandbox.run(&IMPORT).succeeded();
    assert_eq!(
        said,
        "imported: 7\n  of them without a password: 2\nhere already: 0\n\
         Their passwords are stored in a way that cannot be verified; set-password gives them new \
         ones:\n  \"frida\" (id 8)\n"
    );
    let users = users(&sandbox);
    let user = |name| users.iter().find(|user| user.username == name).unwrap();
    let brief: Vec<_> = users
        .iter()
        .map(|u| (u.id, &*u.username, &*u.hash, u.is_active, u.is_staff, &*u.role))
        .collect();
    assert_eq!(
        brief,
        [
            (1, "admin", "pbkdf2_sha256", true, true, "superuser"),
            (3, "anna", "bcrypt_sha256", true, false, ""),
            (4, "bernd", "scrypt", true, false, ""),
            (5, "chloé", "argon2", true, true, ""),
            (6, "dora", "", true, false, ""),
            (7, "emil", "pbkdf2_sha256", false, false, ""),
            (8, "frida", "", true, false, ""),
        ]
    );
    assert_eq!(user("anna").email, "anna@example.org");
    assert_eq!(user("anna").created_at, 1_609_556_645_600);
    assert_eq!(user("anna").last_login_at, None);
    assert_eq!(user("admin").created_at, 1_582_977_600_000);
    assert_eq!(user("admin").last_login_at, Some(1_714_979_289_123));
}

#[test]
fn a_second_import_adds_who_is_new_and_leaves_the_others_as_they_are_here() {
    let sandbox = sandbox();
    sandbox.run(&IMPORT).succeeded();
    sandbox.sql("UPDATE users SET email = 'new@example.org' WHERE username = 'anna'");
    let before = users(&sandbox);
    django(&sandbox, "UPDATE auth_user SET date_joined = 'today' WHERE id = 4");
    let said = sandbox.run(&IMPORT).succeeded();
    assert_eq!(said, "imported: 0\nhere already: 7\n");
    assert_eq!(users(&sandbox), before);

    django(
        &sandbox,
        "INSERT INTO auth_user SELECT 10, password, last_login, 0, 'greta', '', '', 0, 1,
            date_joined, '' FROM auth_user WHERE id = 3",
    );
    let said = sandbox.run(&IMPORT).succeeded();
    assert_eq!(said, "imported: 1\nhere already: 7\n");
    assert_eq!(users(&sandbox)[7].username, "greta");
    assert_eq!(users(&sandbox)[..7], before);
}

#[test]
fn ids_go_on_after_the_last_that_django_gave_even_to_somebody_who_is_gone() {
    let sandbox = sandbox();
    sandbox.run(&IMPORT).succeeded();
    let said = sandbox.run_with_input(&["create-user", "new"], PASSWORD).succeeded();
    assert_eq!(said, "created new (id 10)\n");
    sandbox.run(&IMPORT).succeeded();
    let said = sandbox.run_with_input(&["create-user", "newer"], PASSWORD).succeeded();
    assert_eq!(said, "created newer (id 11)\n");

    let empty = self::sandbox();
    django(&empty, "DELETE FROM auth_user");
    assert_eq!(empty.run(&IMPORT).succeeded(), "imported: 0\nhere already: 0\n");
    let said = empty.run_with_input(&["create-user", "new"], PASSWORD).succeeded();
    assert_eq!(said, "created new (id 10)\n");
}

/// The id of who is created next.
fn next_id(sandbox: &Sandbox) -> i64 {
    let said = sandbox.run_with_input(&["create-user", "new"], PASSWORD).succeeded();
    said.trim()
        .strip_prefix("created new (id ")
        .unwrap()
        .strip_suffix(')')
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn where_it_is_not_known_which_ids_django_gave_it_has_to_be_said() {
    for (made, table) in [
        ("CREATE VIEW people AS SELECT * FROM auth_user", "people"),
        ("CREATE TABLE copy AS SELECT * FROM auth_user", "copy"),
        ("DELETE FROM sqlite_sequence", "auth_user"),
        ("UPDATE sqlite_sequence SET seq = 7", "auth_user"),
    ] {
        let sandbox = sandbox();
        django(&sandbox, made);
        let import = [&IMPORT[..], &["--table", table]].concat();
        let err = sandbox.run(&import).failed(1);
        assert!(err.contains("it is not known which ids Django has given"), "{made}: {err}");
        assert!(err.contains("--ids-above N") && err.contains("still there is 8"), "{made}: {err}");
        sandbox.run(&[&import[..], &["--dry-run"]].concat()).failed(1);
        assert_eq!(sandbox.files(), ["django.sqlite3"]);
        let said = sandbox.run(&[&import[..], &["--ids-above", "41"]].concat()).succeeded();
        assert!(said.starts_with("imported: 7\n"), "{said}");
        assert_eq!(next_id(&sandbox), 42, "{made}");
    }
}

#[test]
fn what_is_said_of_ids_lowers_nothing_that_is_known() {
    let sandbox = self::sandbox();
    django(&sandbox, "CREATE VIEW people AS SELECT * FROM auth_user");
    let view = ["--table", "people", "--ids-above", "3"];
    sandbox.run(&[&IMPORT[..], &view].concat()).succeeded();
    assert_eq!(next_id(&sandbox), 9);

    let sandbox = self::sandbox();
    sandbox.run(&[&IMPORT[..], &["--ids-above", "3"]].concat()).succeeded();
    assert_eq!(next_id(&sandbox), 10);
    // Nor what is known here.
    let none = "DELETE FROM auth_user; UPDATE sqlite_sequence SET seq = 0";
    django(&sandbox, none);
    sandbox.run(&[&IMPORT[..], &["--ids-above", "3"]].concat()).succeeded();
    sandbox.sql("DELETE FROM users WHERE username = 'new'");
    assert_eq!(next_id(&sandbox), 11);
    for number in ["-1", "9223372036854775807", "many"] {
        sandbox.run(&[&IMPORT[..], &["--ids-above", number]].concat()).failed(2);
    }
}

#[test]
fn a_project_that_never_had_a_user_has_given_no_id() {
    let sandbox = self::sandbox();
    django(&sandbox, "DELETE FROM auth_user; DELETE FROM sqlite_sequence");
    assert_eq!(sandbox.run(&IMPORT).succeeded(), "imported: 0\nhere already: 0\n");
}

#[test]
fn who_was_deleted_here_does_not_come_back() {
    let sandbox = sandbox();
    sandbox.run(&IMPORT).succeeded();
    sandbox.sql("DELETE FROM users WHERE username IN ('anna', 'emil')");
    let err = sandbox.run(&IMPORT).failed(1);
    assert!(
        err.contains(
            "2 of 7 cannot be.\n  \"anna\" (id 3): a user with this id was deleted here\n"
        ),
        "{err}"
    );
    let said = sandbox.run(&[&IMPORT[..], &["--skip-refused"]].concat()).succeeded();
    assert!(said.starts_with("imported: 0\nhere already: 5\nleft out: 2\n"), "{said}");
    assert_eq!(users(&sandbox).len(), 5);
}

#[test]
fn a_text_that_is_not_utf_8_is_a_fault_of_one_user() {
    let sandbox = sandbox();
    django(
        &sandbox,
        "UPDATE auth_user SET username = CAST(x'616eff62' AS TEXT) WHERE id = 1;
        UPDATE auth_user SET email = CAST(x'ff40612e62' AS TEXT) WHERE id = 3;
        UPDATE auth_user SET password = x'6d643524ff' WHERE id = 4;
        UPDATE auth_user SET date_joined = CAST(x'ff' AS TEXT) WHERE id = 5;",
    );
    let refused = "  \"an\u{fffd}b\" (id 1): its username is not UTF-8\n\
                   \x20 \"anna\" (id 3): its e-mail address is not UTF-8\n\
                   \x20 \"bernd\" (id 4): its password hash is not UTF-8\n\
                   \x20 \"chloé\" (id 5): its date_joined or last_login is not a date and a time\n";
    let err = sandbox.run(&IMPORT).failed(1);
    assert!(err.contains("nobody was imported: 4 of 7 cannot be.\n"), "{err}");
    assert!(err.contains(refused), "{err}");
    let said = sandbox.run(&[&IMPORT[..], &["--skip-refused"]].concat()).succeeded();
    assert!(said.starts_with("imported: 3\n") && said.contains(refused), "{said}");
    assert_eq!(names(&sandbox), ["dora", "emil", "frida"]);
}

#[test]
fn where_somebody_cannot_be_imported_nobody_is_unless_they_are_to_be_left_out() {
    let sandbox = sandbox();
    sandbox.create_user("somebody");
    sandbox.create_user("emil");
    django(
        &sandbox,
        "UPDATE auth_user SET username = 'anna smith' WHERE id = 3;
        UPDATE auth_user SET email = 'nowhere' WHERE id = 4;
        UPDATE auth_user SET date_joined = 'today' WHERE id = 6;
        UPDATE auth_user SET id = -8 WHERE id = 8;
        INSERT INTO auth_user SELECT 20, password, 'today', 0, 'greta', '', '', 0, 1,
            date_joined, '' FROM auth_user WHERE id = 5;",
    );
    let before = users(&sandbox);
    let refused = "  \"frida\" (id -8): an id is a positive number\n\
                   \x20 \"admin\" (id 1): another user, \"somebody\", has this id here\n\
                   \x20 \"anna smith\" (id 3): a user name has 1 to 150 letters, digits and @ . + - _\n\
                   \x20 \"bernd\" (id 4): an e-mail address has the form name@example.org, without spaces\n\
                   \x20 \"dora\" (id 6): its date_joined or last_login is not a date and a time\n\
                   \x20 \"emil\" (id 7): another user, with the id 2, has this name here\n\
                   \x20 \"greta\" (id 20): its date_joined or last_login is not a date and a time\n";
    for args in [&IMPORT[..], &[IMPORT[0], IMPORT[1], "--dry-run"]] {
        let err = sandbox.run(args).failed(1);
        assert!(err.contains("nobody was imported: 7 of 8 cannot be.\n"), "{err}");
        assert!(err.contains(refused), "{err}");
        assert!(err.contains("--skip-refused"), "{err}");
        assert_eq!(users(&sandbox), before);
    }
    // Tokens of the admin there would be somebody's here.
    let skip = [IMPORT[0], IMPORT[1], "--skip-refused"];
    let err = sandbox.run(&skip).failed(1);
    assert!(err.contains("nobody was imported: 7 of 8"), "{err}");
    assert_eq!(users(&sandbox), before);
    // And so they would where nobody with this id can be imported in the first place.
    sandbox.sql("UPDATE users SET id = 6 WHERE id = 1");
    let err = sandbox.run(&skip).failed(1);
    assert!(err.contains("\"dora\" (id 6): another user, \"somebody\", has this id"), "{err}");
    sandbox.sql("UPDATE users SET id = 30 WHERE id = 6");
    let said = sandbox.run(&skip).succeeded();
    assert!(said.starts_with("imported: 2\nhere already: 0\nleft out: 6\n  \"frida\""), "{said}");
    assert_eq!(names(&sandbox), ["admin", "emil", "chloé", "somebody"]);
    assert_eq!(users(&sandbox)[1], before[1]);
}

#[test]
fn a_dry_run_says_what_would_happen_and_imports_nobody() {
    let sandbox = sandbox();
    let said = sandbox.run(&[IMPORT[0], IMPORT[1], "--dry-run"]).succeeded();
    assert!(said.starts_with("would be imported: 7\n  of them without a password: 2\n"), "{said}");
    assert!(names(&sandbox).is_empty());
    let said = sandbox.run_with_input(&["create-user", "first"], PASSWORD).succeeded();
    assert_eq!(said, "created first (id 1)\n");
}

#[test]
fn the_database_of_django_is_only_read() {
    let sandbox = sandbox();
    let read = || std::fs::read(sandbox.path("django.sqlite3")).unwrap();
    let before = read();
    sandbox.run(&IMPORT).succeeded();
    assert!(read() == before, "it is as it was");
    assert!(!sandbox.files().iter().any(|name| name.starts_with("django.sqlite3-")));

    // With a write-ahead log, which whoever closes the file last would put into it.
    let path = sandbox.path("django.sqlite3");
    let mut django = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let pragma = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;";
    django.batch_execute(&format!("{pragma} DELETE FROM auth_user WHERE id = 8")).unwrap();
    for end in ["", "-wal"] {
        let name = |name: &str| sandbox.path(&format!("{name}.sqlite3{end}"));
        std::fs::copy(name("django"), name("copy")).unwrap();
    }
    let copies = || {
        ["copy.sqlite3", "copy.sqlite3-wal"].map(|name| std::fs::read(sandbox.path(name)).unwrap())
    };
    let before = copies();
    let said = sandbox.run(&[IMPORT[0], "sqlite://copy.sqlite3"]).succeeded();
    assert_eq!(said, "imported: 0\nhere already: 6\n");
    assert!(copies() == before, "they are as they were");
    // While Django has it open.
    assert_eq!(sandbox.run(&IMPORT).succeeded(), "imported: 0\nhere already: 6\n");

    // When Django has closed it, which leaves no log.
    drop(django);
    let before = read();
    let beside = || sandbox.files().into_iter().find(|name| name.starts_with("django.sqlite3-"));
    assert_eq!(beside(), None);
    assert_eq!(sandbox.run(&IMPORT).succeeded(), "imported: 0\nhere already: 6\n");
    assert_eq!(beside(), None);
    assert!(read() == before, "it is as it was");
}

#[test]
fn all_that_was_imported_is_in_the_one_file() {
    let sandbox = sandbox();
    sandbox.run(&IMPORT).succeeded();
    std::fs::copy(sandbox.path("demo.db"), sandbox.path("copy.db")).unwrap();
    let path = sandbox.path("copy.db");
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let seven = "UPDATE users SET is_staff = TRUE";
    assert_eq!(diesel::sql_query(seven).execute(&mut conn), Ok(7));
}

#[test]
fn a_custom_table_and_a_view_with_its_columns_are_read() {
    let sandbox = sandbox();
    django(
        &sandbox,
        "ALTER TABLE auth_user RENAME TO \"shop Customer\";
        CREATE TABLE people (id INTEGER, mail TEXT, secret TEXT, since TEXT);
        INSERT INTO people SELECT id, email, password, date_joined FROM \"shop Customer\"
            WHERE id = 3;
        CREATE VIEW for_import AS SELECT id, mail AS username, mail AS email, secret AS password,
            1 AS is_active, 0 AS is_staff, 0 AS is_superuser, since AS date_joined,
            NULL AS last_login FROM people;",
    );
    let view = ["--table", "for_import", "--ids-above", "9", "--dry-run"];
    let view = sandbox.run(&[&IMPORT[..], &view].concat());
    assert_eq!(view.succeeded(), "would be imported: 1\nhere already: 0\n");
    sandbox.run(&[IMPORT[0], IMPORT[1], "--table", "shop Customer"]).succeeded();
    assert_eq!(names(&sandbox).len(), 7);
}

#[test]
fn what_is_no_database_of_django_is_told_in_words() {
    let sandbox = sandbox();
    sandbox.write("text.txt", "this is no database, and longer than the header of one is", 0o600);
    django(
        &sandbox,
        "CREATE TABLE other (id INTEGER); CREATE TABLE uuids AS SELECT * FROM auth_user",
    );
    django(&sandbox, "UPDATE uuids SET id = 'a9b8c7' WHERE username = 'anna'");
    for (args, words) in [
        (&["nowhere.sqlite3"][..], "FROM must be sqlite://PATH or postgres://…"),
        (&["mysql://user:s3cret@host/db"], "FROM must be sqlite://PATH or postgres://…"),
        (&["sqlite://nowhere.sqlite3"], "nowhere.sqlite3 cannot be opened: No such file"),
        (&["sqlite://text.txt"], "text.txt cannot be read: file is not a database"),
        (&["sqlite://django.sqlite3", "--table", "x"], "there is no table x"),
        (&["sqlite://django.sqlite3", "--table", "other"], "other has no column username"),
        (
            &["sqlite://django.sqlite3", "--table", "uuids"],
            "the ids in uuids are not whole numbers",
        ),
        (&["postgres://user:s3cret@127.0.0.1:1/db"], "Connection refused"),
        (&["postgres://user:s3cret@a@127.0.0.1:1/db"], "more than one @"),
    ] {
        let err = sandbox.run(&[&["import-django-users"], args].concat()).failed(1);
        assert!(err.contains(words), "{args:?}: {err}");
        assert!(!err.contains("s3cret"), "{err}");
    }
    assert_eq!(sandbox.files(), ["django.sqlite3", "text.txt"], "nothing was made");
}

#[test]
fn the_address_may_be_in_the_environment() {
    let sandbox = sandbox().with("DJANGO_DATABASE_URL", "sqlite://django.sqlite3");
    let said = sandbox.run(&["import-django-users"]).succeeded();
    assert!(said.starts_with("imported: 7\n"), "{said}");
    let help = sandbox.run(&["import-django-users", "--help"]).succeeded();
    assert!(help.contains("DJANGO_DATABASE_URL") && !help.contains("sqlite://django.sqlite3"));
}

#[test]
fn a_table_with_somebody_twice_is_told() {
    let sandbox = sandbox();
    django(
        &sandbox,
        "CREATE VIEW twice AS SELECT * FROM auth_user UNION ALL SELECT * FROM auth_user
            WHERE id = 3",
    );
    let twice = ["--table", "twice", "--ids-above", "9"];
    let err = sandbox.run(&[&IMPORT[..], &twice].concat()).failed(1);
    assert!(err.contains("1 of 8 cannot be.\n  \"anna\" (id 3): this id or this name"), "{err}");
}

#[test]
fn many_users_are_imported() {
    let sandbox = sandbox();
    django(
        &sandbox,
        "WITH RECURSIVE n (n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM n WHERE n < 5099)
        INSERT INTO auth_user SELECT n, '!', NULL, 0, 'user' || n, '', '', 0, n % 2,
            '2024-01-01 00:00:00', '' FROM n",
    );
    let said = sandbox.run(&IMPORT).succeeded();
    assert!(said.starts_with("imported: 5007\n  of them without a password: 5002\n"), "{said}");
    assert_eq!(users(&sandbox).iter().filter(|user| user.is_active).count(), 2506);
    assert_eq!(sandbox.run(&IMPORT).succeeded(), "imported: 0\nhere already: 5007\n");
}

#[test]
fn a_superuser_is_staff_and_has_a_role() {
    let sandbox = sandbox();
    django(&sandbox, "UPDATE auth_user SET is_staff = 0 WHERE id = 1");
    sandbox.run(&IMPORT).succeeded();
    let admin = &users(&sandbox)[0];
    assert!(admin.is_staff);
    assert_eq!(admin.role, "superuser");
}

#[test]
fn a_hash_that_cannot_be_read_is_logged_without_it_and_an_unusable_password_is_not() {
    let sandbox = sandbox();
    sandbox.run(&IMPORT).succeeded();
    sandbox.sql("UPDATE users SET password_hash = 'md5$s4lt$d1gest' WHERE username = 'frida'");
    sandbox.sql("UPDATE users SET password_hash = '!unus4ble' WHERE username = 'dora'");
    let server = sandbox.serve();
    assert_eq!(server.login("frida", PASSWORD).status, 401);
    assert_eq!(server.login("dora", PASSWORD).status, 401);
    let (_, log) = server.stop();
    assert_eq!(log.matches("a stored password hash has an unknown format").count(), 1, "{log}");
    for secret in ["s4lt", "d1gest", "unus4ble", "md5"] {
        assert!(!log.contains(secret), "{log}");
    }
}
