//! What becomes of the tokens of a user who is deleted, deactivated, or has a new password.

use std::time::Duration;

use tests::texts::{
    BLACKLISTED, NO_ACCOUNT, PASSWORD_CHANGED, USER_INACTIVE, USER_NOT_FOUND, token_not_valid,
};
use tests::token::{mint, simplejwt_claims};
use tests::{Database, TestApp, eventually, on_each_database};

on_each_database! {
    a_deactivated_user_is_inactive_at_once,
    a_user_deactivated_in_the_database_is_inactive_soon,
    a_user_deleted_in_the_database_is_not_found_soon,
    a_changed_password_ends_every_session_at_once,
    the_new_password_logs_in_and_the_old_one_does_not,
    an_activated_user_logs_in_again,
    the_tokens_of_others_stay_good,
    a_token_of_simplejwt_ends_with_its_user_too,
}

async fn a_deactivated_user_is_inactive_at_once(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    client.me().await.expect_status(200);
    app.deactivate(&anna).await;
    client.me().await.expect_refused_token(USER_INACTIVE);
}

async fn a_user_deactivated_in_the_database_is_inactive_soon(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    client.me().await.expect_status(200);
    app.db().execute(&format!("UPDATE users SET is_active = false WHERE id = {}", anna.id));
    eventually("a user deactivated by SQL is refused", async || client.me().await.status == 401)
        .await;
    client.me().await.expect_refused_token(USER_INACTIVE);
}

async fn a_user_deleted_in_the_database_is_not_found_soon(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    client.me().await.expect_status(200);
    app.delete(&anna);
    eventually("a user deleted by SQL is refused", async || client.me().await.status == 401).await;
    client.me().await.expect_refused_token(USER_NOT_FOUND);
}

async fn a_changed_password_ends_every_session_at_once(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let mut clients = [app.log_in(&anna).await, app.log_in(&anna).await];
    app.set_password(&anna, "another password").await;
    for client in &mut clients {
        client.me().await.expect_refused_token(PASSWORD_CHANGED);
        client.refresh().await.expect_refused_token(&token_not_valid(BLACKLISTED));
    }
}

async fn the_new_password_logs_in_and_the_old_one_does_not(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    app.log_in(&anna).await;
    app.set_password(&anna, "another password").await;
    app.anonymous().post("/api/token/", anna.credentials()).await.expect_challenge(NO_ACCOUNT);
    let anna = anna.with_password("another password");
    app.log_in(&anna).await.me().await.expect_status(200);
}

async fn an_activated_user_logs_in_again(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    app.deactivate(&anna).await;
    app.anonymous().post("/api/token/", anna.credentials()).await.expect_challenge(NO_ACCOUNT);
    app.activate(&anna).await;
    app.log_in(&anna).await.me().await.expect_status(200);
    client.me().await.expect_status(401);
}

async fn the_tokens_of_others_stay_good(database: Database) {
    let app = TestApp::start(database).await;
    let [anna, boris, clara] =
        [app.user("anna").await, app.user("boris").await, app.user("clara").await];
    let dora = app.user("dora").await;
    let client = app.log_in(&dora).await;
    for user in [&anna, &boris, &clara] {
        app.log_in(user).await;
    }
    app.deactivate(&anna).await;
    app.set_password(&boris, "another password").await;
    app.delete(&clara);
    app.advance(Duration::from_secs(1)).await;
    client.me().await.expect_status(200);
}

async fn a_token_of_simplejwt_ends_with_its_user_too(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let token = mint(&simplejwt_claims(anna.id, app.now()));
    app.anonymous().me(&token).await.expect_status(200);
    app.deactivate(&anna).await;
    app.anonymous().me(&token).await.expect_refused_token(USER_INACTIVE);
}
