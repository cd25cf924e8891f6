//! `POST /api/token/refresh/`

use std::time::Duration;

use serde_json::json;
use tests::texts::{
    BLACKLISTED, EXPIRED, INVALID, NO_ACCOUNT_FOR_TOKEN, NO_TYPE, WRONG_TYPE,
    given_token_not_valid, token_not_valid,
};
use tests::token::{but, claims_of, mint, simplejwt_claims};
use tests::{Database, TestApp, on_each_database, with_and_without_slash};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const GRACE: Duration = Duration::from_secs(10);

on_each_database! {
    a_good_token_gets_a_new_pair,
    the_access_token_before_a_refresh_lives_on,
    without_rotation_only_the_access_token_is_new,
    a_token_that_is_none_is_invalid,
    an_expired_token_is_expired,
    an_access_token_has_the_wrong_type,
    a_token_without_a_type_has_no_type,
    a_blacklisted_token_is_blacklisted,
    a_token_without_an_id_is_invalid,
    a_user_id_that_is_no_number_has_no_active_account,
    an_inactive_user_gets_nothing,
    a_deleted_user_gets_nothing,
    the_token_before_gets_the_same_token_within_the_grace,
    the_token_before_ends_the_session_after_the_grace,
    an_older_token_ends_the_session_even_within_the_grace,
    without_a_grace_the_token_before_ends_the_session_at_once,
    each_refresh_starts_the_lifetime_anew,
    a_session_ends_however_often_it_is_refreshed,
    changed_rights_show_in_the_next_access_token,
    another_session_of_the_user_survives_a_reuse,
    a_refresh_token_of_simplejwt_goes_on_here,
    a_restored_backup_locks_nobody_out,
}

async fn a_good_token_gets_a_new_pair(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;

    for path in with_and_without_slash("/api/token/refresh/") {
        let client = app.log_in(&anna).await;
        app.advance(SECOND).await;
        let answer = app.anonymous().post(&path, json!({ "refresh": client.refresh })).await;
        let (access, refresh) = (answer.text("access"), answer.text("refresh"));
        answer.expect(200, &format!(r#"{{"access":"{access}","refresh":"{refresh}"}}"#));
        answer.expect_header("cache-control", "no-store");

        assert_ne!(access, client.access);
        assert_ne!(refresh, client.refresh);
        assert_eq!(claims_of(&access)["sid"], claims_of(&client.access)["sid"]);
        assert_eq!(claims_of(&refresh)["token_type"], "refresh");
        app.anonymous().me(&access).await.expect_status(200);
        app.anonymous().refresh(&refresh).await.expect_status(200);
    }
}

async fn the_access_token_before_a_refresh_lives_on(database: Database) {
    let app = TestApp::start(database).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    let before = client.access.clone();
    client.refresh().await.expect_status(200);
    app.anonymous().me(&before).await.expect_status(200);
}

async fn without_rotation_only_the_access_token_is_new(database: Database) {
    let app = TestApp::with(database, &[("ROTATE_REFRESH_TOKENS", "false")]).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    for _ in 0..3 {
        app.advance(HOUR).await;
        let answer = client.refresh().await;
        answer.expect_status(200);
        assert_eq!(answer.members(), ["access"]);
        client.me().await.expect_status(200);
    }
    app.advance(21 * HOUR).await;
    client.refresh().await.expect_refused_token(&token_not_valid(EXPIRED));
}

async fn a_token_that_is_none_is_invalid(database: Database) {
    let app = TestApp::start(database).await;
    for path in with_and_without_slash("/api/token/refresh/") {
        for nonsense in ["nonsense", "a.b.c", "..", "e30.e30.e30", "é€𝄞"] {
            let answer = app.anonymous().post(&path, json!({ "refresh": nonsense })).await;
            answer.expect_refused_token(&token_not_valid(INVALID));
        }
    }
}

async fn an_expired_token_is_expired(database: Database) {
    let app = TestApp::start(database).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    app.advance(DAY - SECOND).await;
    let late = client.clone();
    client.refresh().await.expect_status(200);

    let mut slow = app.log_in(&app.user("slow").await).await;
    app.advance(DAY).await;
    slow.refresh().await.expect_refused_token(&token_not_valid(EXPIRED));
    app.anonymous().refresh(&late.refresh).await.expect_refused_token(&token_not_valid(EXPIRED));
}

async fn an_access_token_has_the_wrong_type(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    let answer = app.anonymous().refresh(&client.access).await;
    answer.expect_refused_token(&token_not_valid(WRONG_TYPE));
}

async fn a_token_without_a_type_has_no_type(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let claims = but(simplejwt_claims(anna.id, app.now()), json!({ "token_type": null }));
    let answer = app.anonymous().refresh(&mint(&claims)).await;
    answer.expect_refused_token(&token_not_valid(NO_TYPE));
}

async fn a_blacklisted_token_is_blacklisted(database: Database) {
    let app = TestApp::start(database).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    app.anonymous().blacklist(&client.refresh).await.expect(200, "{}");
    client.refresh().await.expect_refused_token(&token_not_valid(BLACKLISTED));
}

async fn a_token_without_an_id_is_invalid(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    for claims in [simplejwt_claims(anna.id, app.now()), claims_of(&client.refresh)] {
        let token = mint(&but(claims, json!({ "token_type": "refresh", "jti": null })));
        app.anonymous().refresh(&token).await.expect_refused_token(&token_not_valid(INVALID));
    }
}

async fn a_user_id_that_is_no_number_has_no_active_account(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    for id in ["abc", "1; DROP TABLE users", "99999999999999999999", "-1", "1.5", " 1", "0x1"] {
        let claims = but(claims_of(&client.refresh), json!({ "user_id": id }));
        let answer = app.anonymous().refresh(&mint(&claims)).await;
        answer.expect_challenge(NO_ACCOUNT_FOR_TOKEN);
    }
}

async fn an_inactive_user_gets_nothing(database: Database) {
    let app = TestApp::start(database).await;
    let [anna, boris] = [app.user("anna").await, app.user("boris").await];
    let mut clients = [app.log_in(&anna).await, app.log_in(&boris).await];

    app.deactivate(&anna).await;
    let behind_our_back = format!("UPDATE users SET is_active = false WHERE id = {}", boris.id);
    app.db().execute(&behind_our_back);
    for client in &mut clients {
        client.refresh().await.expect_challenge(NO_ACCOUNT_FOR_TOKEN);
    }
}

async fn a_deleted_user_gets_nothing(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let mut client = app.log_in(&anna).await;
    app.delete(&anna);
    client.refresh().await.expect_challenge(NO_ACCOUNT_FOR_TOKEN);
}

async fn the_token_before_gets_the_same_token_within_the_grace(database: Database) {
    let app = TestApp::start(database).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    let before = client.refresh.clone();
    client.refresh().await.expect_status(200);

    for _ in 0..2 {
        app.advance(GRACE / 2).await;
        let answer = app.anonymous().refresh(&before).await;
        answer.expect_status(200);
        assert_eq!(answer.text("refresh"), client.refresh);
        app.anonymous().me(&answer.text("access")).await.expect_status(200);
    }
    client.refresh().await.expect_status(200);
}

async fn the_token_before_ends_the_session_after_the_grace(database: Database) {
    let app = TestApp::start(database).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    let before = client.refresh.clone();
    client.refresh().await.expect_status(200);
    client.me().await.expect_status(200);

    app.advance(GRACE + Duration::from_millis(1)).await;
    let answer = app.anonymous().refresh(&before).await;
    answer.expect_refused_token(&token_not_valid(BLACKLISTED));
    client.refresh().await.expect_refused_token(&token_not_valid(BLACKLISTED));
    client.me().await.expect_refused_token(&given_token_not_valid(BLACKLISTED));
}

async fn an_older_token_ends_the_session_even_within_the_grace(database: Database) {
    let app = TestApp::start(database).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    let oldest = client.refresh.clone();
    for _ in 0..2 {
        client.refresh().await.expect_status(200);
    }
    let answer = app.anonymous().refresh(&oldest).await;
    answer.expect_refused_token(&token_not_valid(BLACKLISTED));
    client.refresh().await.expect_refused_token(&token_not_valid(BLACKLISTED));
    client.me().await.expect_refused_token(&given_token_not_valid(BLACKLISTED));
}

async fn without_a_grace_the_token_before_ends_the_session_at_once(database: Database) {
    let app = TestApp::with(database, &[("REFRESH_GRACE", "0s")]).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    let before = client.refresh.clone();
    client.refresh().await.expect_status(200);
    app.advance(Duration::from_millis(1)).await;
    let answer = app.anonymous().refresh(&before).await;
    answer.expect_refused_token(&token_not_valid(BLACKLISTED));
    client.me().await.expect_refused_token(&given_token_not_valid(BLACKLISTED));
}

async fn each_refresh_starts_the_lifetime_anew(database: Database) {
    let app = TestApp::start(database).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    for _ in 0..5 {
        app.advance(DAY - SECOND).await;
        client.refresh().await.expect_status(200);
    }
}

async fn a_session_ends_however_often_it_is_refreshed(database: Database) {
    let app = TestApp::with(database, &[("SESSION_LIFETIME", "2d")]).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    for _ in 0..3 {
        app.advance(15 * HOUR).await;
        client.refresh().await.expect_status(200);
    }
    let end = app.now() + 3 * 3600;
    assert_eq!(claims_of(&client.refresh)["exp"], end, "no token outlives its session");
    app.advance(3 * HOUR).await;
    client.refresh().await.expect_refused_token(&token_not_valid(EXPIRED));
}

async fn changed_rights_show_in_the_next_access_token(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let mut client = app.log_in(&anna).await;
    assert_ne!(claims_of(&client.access)["is_staff"], true);
    app.db().execute(&format!("UPDATE users SET is_staff = true WHERE id = {}", anna.id));
    client.refresh().await.expect_status(200);
    assert_eq!(claims_of(&client.access)["is_staff"], true);
}

async fn another_session_of_the_user_survives_a_reuse(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let [mut stolen, mut other] = [app.log_in(&anna).await, app.log_in(&anna).await];
    let before = stolen.refresh.clone();
    stolen.refresh().await.expect_status(200);
    app.advance(2 * GRACE).await;
    app.anonymous().refresh(&before).await.expect_status(401);
    stolen.me().await.expect_status(401);
    other.me().await.expect_status(200);
    other.refresh().await.expect_status(200);
}

async fn a_refresh_token_of_simplejwt_goes_on_here(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let claims = json!({ "token_type": "refresh", "exp": app.now() + 24 * 3600 });
    let foreign = mint(&but(simplejwt_claims(anna.id.to_string(), app.now()), claims));

    let answer = app.anonymous().refresh(&foreign).await;
    let ours = answer.expect_status(200).text("refresh");
    app.anonymous().me(&answer.text("access")).await.expect_status(200);
    // From here on it is a session like any other.
    let again = app.anonymous().refresh(&foreign).await;
    assert_eq!(again.expect_status(200).text("refresh"), ours);
    app.anonymous().refresh(&ours).await.expect_status(200);
    app.advance(2 * GRACE).await;
    let late = app.anonymous().refresh(&foreign).await;
    late.expect_refused_token(&token_not_valid(BLACKLISTED));
}

async fn a_restored_backup_locks_nobody_out(database: Database) {
    let app = TestApp::start(database).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    for _ in 0..3 {
        client.refresh().await.expect_status(200);
    }
    app.db().execute("UPDATE auth_sessions SET generation = 1");
    client.refresh().await.expect_status(200);
    client.refresh().await.expect_status(200);
    client.me().await.expect_status(200);
}
