//! A database that is away: what goes on, what is told, and that work resumes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tests::{
    Answer, ApiClient, Database, NewUser, Proxy, TestApp, TestDb, User, eventually,
    on_each_database, on_postgres,
};

on_each_database! {
    a_protected_request_asks_no_table,
    a_broken_table_is_a_503_without_internals,
    a_broken_table_is_a_503_for_every_credential_that_has_to_be_looked_up,
    a_flood_of_logins_is_told_to_come_back,
}

on_postgres! {
    known_tokens_and_cookies_are_served_while_the_database_is_away,
    what_needs_the_database_is_a_503_at_once,
    work_resumes_when_the_database_is_back,
    a_database_that_is_silent_is_a_503_soon,
    an_unknown_cookie_is_a_503_and_not_a_401,
    a_known_personal_token_is_served_while_the_database_is_away,
    an_unknown_personal_token_and_a_password_are_a_503_and_not_a_401,
    tokens_are_refused_when_revocations_were_not_heard_for_too_long,
    tokens_are_served_even_then_where_the_settings_say_so,
    readiness_says_what_is_missing,
    the_application_does_not_start_without_its_database,
}

/// At once, on a machine that has other things to do.
const AT_ONCE: Duration = Duration::from_secs(5);

const ME: &str = "/api/v1/users/me";
const TOKENS: &str = "/api/v1/users/tokens/";
const TABLES: [&str; 3] = ["users", "auth_sessions", "auth_revocations"];

/// An application with a wire to its database that can be cut.
async fn behind_a_proxy(database: Database, settings: &[(&str, &str)]) -> (TestApp, Proxy) {
    let db = Arc::new(TestDb::create(database));
    let proxy = Proxy::before(db.url()).unwrap();
    let url = proxy.rewrite(db.url());
    (TestApp::on(db, &url, settings).await, proxy)
}

/// An outage in the shape of the contract: no internals, and when to come again.
fn expect_outage(answer: &Answer) {
    answer.expect_detail(503);
    let seconds = answer.header("retry-after").expect("a 503 says when to come again");
    assert!((1..=60).contains(&seconds.parse::<u32>().unwrap()), "{seconds}");
    for internal in ["postgres", "sqlite", "127.0.0.1", "connection", "diesel", "auth_", "users"] {
        assert!(!answer.body.to_lowercase().contains(internal), "{}", answer.body);
    }
}

/// A new personal token of whoever this is: its id, and its text.
async fn personal_token(client: &ApiClient) -> (String, String) {
    let answer = Answer::to(name_one(client)).await;
    answer.expect_status(201);
    (answer.text("id"), answer.text("token"))
}

fn name_one(client: &ApiClient) -> RequestBuilder {
    client.request(Method::POST, TOKENS).json(&json!({ "name": "ci" }))
}

async fn show(app: &TestApp, token: &str) -> Answer {
    app.anonymous().get_with(ME, &format!("Token {token}")).await
}

/// Who shows a password with the request itself.
async fn show_password(app: &TestApp, user: &User) -> Answer {
    let request = app.anonymous().request(Method::GET, ME);
    Answer::to(request.basic_auth(&user.username, Some(user.password))).await
}

/// Requests that need the database, of somebody whose access token does not: about `token`, one of
/// theirs of any kind, and about their personal tokens.
fn about_tokens(client: &ApiClient, token: &str, id: &str) -> [RequestBuilder; 5] {
    let hand = |path| client.request(Method::POST, path).form(&[("token", token)]);
    [
        hand("/api/token/introspect"),
        hand("/api/token/revoke"),
        name_one(client),
        client.request(Method::GET, TOKENS),
        client.request(Method::DELETE, &format!("{TOKENS}{id}")),
    ]
}

async fn a_protected_request_asks_no_table(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let (client, mut browser) = (app.log_in(&anna).await, app.sign_in(&anna).await);
    browser.me().await.expect_status(200);

    for table in TABLES {
        app.db().execute(&format!("ALTER TABLE {table} RENAME TO {table}_away"));
    }
    client.me().await.expect_status(200);
    browser.me().await.expect_status(200);
}

async fn a_broken_table_is_a_503_without_internals(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    for table in TABLES {
        app.db().execute(&format!("ALTER TABLE {table} RENAME TO {table}_away"));
    }
    expect_outage(&app.anonymous().post("/api/token/", anna.credentials()).await);
    expect_outage(&app.anonymous().refresh(&client.refresh).await);
    expect_outage(&app.anonymous().verify(&client.refresh).await);
    expect_outage(&app.anonymous().blacklist(&client.refresh).await);
}

async fn a_broken_table_is_a_503_for_every_credential_that_has_to_be_looked_up(database: Database) {
    let app = TestApp::start(database).await;
    let boss = app.create(NewUser::staff("boss")).await;
    let client = app.log_in(&boss).await;
    let (id, known) = personal_token(&client).await;
    let (_, unknown) = personal_token(&client).await;
    show(&app, &known).await.expect_status(200);
    let rename = |from: &str, to: &str| {
        for table in TABLES {
            app.db().execute(&format!("ALTER TABLE {table}{from} RENAME TO {table}{to}"));
        }
    };

    rename("", "_away");
    show(&app, &known).await.expect_status(200);
    expect_outage(&show(&app, &unknown).await);
    expect_outage(&show_password(&app, &boss).await);
    for token in [&client.access, &client.refresh, &known, &unknown] {
        for request in about_tokens(&client, token, &id) {
            expect_outage(&Answer::to(request).await);
        }
    }

    rename("_away", "");
    show(&app, &unknown).await.expect_status(200);
    show_password(&app, &boss).await.expect_status(200);
    for (request, expected) in
        about_tokens(&client, &unknown, &id).into_iter().zip([200, 200, 201, 200, 204])
    {
        Answer::to(request).await.expect_status(expected);
    }
    for token in [&known, &unknown] {
        show(&app, token).await.expect_status(401);
    }
}

async fn a_flood_of_logins_is_told_to_come_back(database: Database) {
    let settings = [("PASSWORD_LANES", "1"), ("PASSWORD_QUEUE", "2")];
    let app = TestApp::with(database, &settings).await;
    let anna = app.user("anna").await;
    let ivan = app.create(NewUser { is_active: false, ..NewUser::named("ivan") }).await;
    let nobody = json!({ "username": "nobody", "password": anna.password });

    // That users who do not exist fill the queue as well shows that they cost the same work.
    for (credentials, expected) in
        [(anna.credentials(), 200), (ivan.credentials(), 401), (nobody, 401)]
    {
        let login = || app.anonymous().post("/api/token/", credentials.clone());
        let answers = join_all((0..150).map(|_| login())).await;
        let (served, refused): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.status == expected);
        assert!(!served.is_empty() && !refused.is_empty(), "{} of 150 served", served.len());
        for answer in refused {
            expect_outage(answer);
        }
        login().await.expect_status(expected);
    }
}

async fn known_tokens_and_cookies_are_served_while_the_database_is_away(database: Database) {
    let (app, proxy) = behind_a_proxy(database, &[]).await;
    let anna = app.user("anna").await;
    let (client, mut browser) = (app.log_in(&anna).await, app.sign_in(&anna).await);
    browser.me().await.expect_status(200);
    proxy.cut();
    for _ in 0..3 {
        client.me().await.expect_status(200);
        browser.me().await.expect_status(200);
    }
    app.anonymous().verify(&client.access).await.expect(200, "{}");
    app.anonymous().get(ME).await.expect_status(401);
    app.anonymous().get("/healthz").await.expect_status(200);
}

async fn what_needs_the_database_is_a_503_at_once(database: Database) {
    let (app, proxy) = behind_a_proxy(database, &[]).await;
    let anna = app.user("anna").await;
    let (client, browser) = (app.log_in(&anna).await, app.sign_in(&anna).await);
    proxy.cut();

    let post = |path: &str, body| {
        let request = app.anonymous().request(Method::POST, path).json(&body);
        async move { Answer::to(request).await }
    };
    let begun = Instant::now();
    let token_routes = join_all([
        post("/api/token/", anna.credentials()),
        post("/api/token/sliding/", anna.credentials()),
        post("/api/token/refresh/", json!({ "refresh": client.refresh })),
        post("/api/token/verify/", json!({ "token": client.refresh })),
        post("/api/token/blacklist/", json!({ "refresh": client.refresh })),
        post("/api/v1/users/login", anna.credentials()),
        post("/api/v1/users/login/jwt", anna.credentials()),
    ]);
    for answer in token_routes.await {
        expect_outage(&answer);
    }
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());

    for (method, path) in [
        (Method::GET, "/api/v1/users/sessions"),
        (Method::POST, "/api/v1/users/logout"),
        (Method::POST, "/api/v1/users/logout/all"),
    ] {
        expect_outage(&browser.clone().act(method, path, None).await);
    }
}

async fn work_resumes_when_the_database_is_back(database: Database) {
    let (app, proxy) = behind_a_proxy(database, &[]).await;
    let anna = app.user("anna").await;
    let (mut client, mut browser) = (app.log_in(&anna).await, app.sign_in(&anna).await);
    for _ in 0..2 {
        proxy.cut();
        expect_outage(&client.refresh().await);
        proxy.resume();
        eventually("a refresh succeeds again", async || client.refresh().await.status == 200).await;
        app.log_in(&anna).await.me().await.expect_status(200);
        browser.me().await.expect_status(200);
        eventually("it is ready again", async || {
            app.anonymous().get("/readyz").await.status == 200
        })
        .await;
    }
    // What happened meanwhile is heard of.
    proxy.cut();
    app.delete(&anna);
    proxy.resume();
    eventually("the revocation is heard", async || client.me().await.status == 401).await;
}

async fn a_database_that_is_silent_is_a_503_soon(database: Database) {
    let (app, proxy) = behind_a_proxy(database, &[]).await;
    let anna = app.user("anna").await;
    let mut client = app.log_in(&anna).await;
    proxy.silence();
    let begun = Instant::now();
    expect_outage(&client.refresh().await);
    assert!(begun.elapsed() < 3 * AT_ONCE, "{:?}", begun.elapsed());
    client.me().await.expect_status(200);
    proxy.resume();
    eventually("a refresh succeeds again", async || client.refresh().await.status == 200).await;
}

async fn an_unknown_cookie_is_a_503_and_not_a_401(database: Database) {
    let (app, proxy) = behind_a_proxy(database, &[]).await;
    let mut browser = app.sign_in(&app.user("anna").await).await;
    proxy.cut();
    // Nobody has used it since the login, so this process has to ask.
    expect_outage(&browser.me().await);
    proxy.resume();
    eventually("the cookie is known again", async || browser.me().await.status == 200).await;
}

/// Longer than a sign of life is due, and than the default of `revocation_max_staleness`.
const A_WHILE: Duration = Duration::from_secs(90);

async fn a_known_personal_token_is_served_while_the_database_is_away(database: Database) {
    let settings = [("REVOCATION_MAX_STALENESS", "1h")];
    let (app, proxy) = behind_a_proxy(database, &settings).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    let (_, token) = personal_token(&client).await;
    let mut browser = app.sign_in(&anna).await;
    show(&app, &token).await.expect_status(200);
    browser.me().await.expect_status(200);
    proxy.cut();
    for _ in 0..3 {
        show(&app, &token).await.expect_status(200);
    }
    // That it is in use should be noted by now, which can wait.
    app.advance_alone(A_WHILE);
    for _ in 0..3 {
        show(&app, &token).await.expect_status(200);
        browser.me().await.expect_status(200);
    }
    // What the user may do should be read again by now, which cannot: the life of an access token is over.
    app.advance_alone(Duration::from_secs(5 * 60) - A_WHILE);
    expect_outage(&show(&app, &token).await);
    expect_outage(&browser.me().await);

    proxy.resume();
    eventually("it is served again", async || show(&app, &token).await.status == 200).await;
    let lately = app.now() * 1000;
    let lately = format!("auth_sessions WHERE carrier = 'personal' AND last_seen_at >= {lately}");
    assert_eq!(app.db().count(&lately), 1, "its use is noted");
}

async fn an_unknown_personal_token_and_a_password_are_a_503_and_not_a_401(database: Database) {
    let (app, proxy) = behind_a_proxy(database, &[]).await;
    let boss = app.create(NewUser::staff("boss")).await;
    let client = app.log_in(&boss).await;
    let (id, token) = personal_token(&client).await;
    let wrong = boss.clone().with_password("wrong");
    proxy.cut();
    let begun = Instant::now();
    // Nobody has shown it since it was made, so this process has to ask.
    expect_outage(&show(&app, &token).await);
    expect_outage(&show_password(&app, &boss).await);
    expect_outage(&show_password(&app, &wrong).await);
    for request in about_tokens(&client, &token, &id) {
        expect_outage(&Answer::to(request).await);
    }
    assert!(begun.elapsed() < 2 * AT_ONCE, "{:?}", begun.elapsed());
    // What can be told without the database is told.
    show(&app, "pat_nonsense").await.expect_status(401);

    proxy.resume();
    eventually("it is known again", async || show(&app, &token).await.status == 200).await;
    show_password(&app, &boss).await.expect_status(200);
    show_password(&app, &wrong).await.expect_status(401);
    // Introspected, revoked; another one made, and listed; the revoked one is gone.
    for (request, expected) in
        about_tokens(&client, &token, &id).into_iter().zip([200, 200, 201, 200, 404])
    {
        Answer::to(request).await.expect_status(expected);
    }
    show(&app, &token).await.expect_status(401);
}

async fn tokens_are_refused_when_revocations_were_not_heard_for_too_long(database: Database) {
    let (app, proxy) = behind_a_proxy(database, &[]).await;
    let anna = app.user("anna").await;
    let (client, mut browser) = (app.log_in(&anna).await, app.sign_in(&anna).await);
    browser.me().await.expect_status(200);
    proxy.cut();
    app.advance_alone(Duration::from_secs(29));
    client.me().await.expect_status(200);
    app.advance_alone(Duration::from_secs(2));
    expect_outage(&client.me().await);
    expect_outage(&browser.me().await);
    expect_outage(&app.anonymous().verify(&client.access).await);
    proxy.resume();
    eventually("tokens are accepted again", async || client.me().await.status == 200).await;
}

async fn tokens_are_served_even_then_where_the_settings_say_so(database: Database) {
    let settings = [("REVOCATION_WHEN_STALE", "serve"), ("REVOCATION_MAX_STALENESS", "5s")];
    let (app, proxy) = behind_a_proxy(database, &settings).await;
    let client = app.log_in(&app.user("anna").await).await;
    proxy.cut();
    app.advance_alone(Duration::from_secs(60));
    client.me().await.expect_status(200);
}

async fn readiness_says_what_is_missing(database: Database) {
    let (app, proxy) = behind_a_proxy(database, &[]).await;
    app.anonymous().get("/readyz").await.expect_status(200);
    proxy.cut();
    let answer = app.anonymous().get("/readyz").await;
    answer.expect_status(503);
    assert_eq!(answer.json()["database"], "unavailable", "{}", answer.body);
    app.advance_alone(Duration::from_secs(31));
    let answer = app.anonymous().get("/readyz").await;
    assert_eq!(answer.json()["revocations"], "stale", "{}", answer.body);
    app.anonymous().get("/healthz").await.expect_status(200);
}

async fn the_application_does_not_start_without_its_database(database: Database) {
    let db = TestDb::create(database);
    let proxy = Proxy::before(db.url()).unwrap();
    proxy.cut();
    let away = proxy.rewrite(db.url());
    let refusal = TestApp::refusal(database, &[("DATABASE_URL", &away)]).await;
    assert!(refusal.to_lowercase().contains("database"), "{refusal}");
}
