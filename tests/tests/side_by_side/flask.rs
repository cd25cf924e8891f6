//! Flask-JWT-Extended beside an application that uses our library, with the settings under which each takes
//! the other's tokens: its user is in `sub`, and its kind in `type`.

use std::time::Duration;

use actix_jwt::{Auth, AuthUser, JwtAuth};
use actix_web::dev::ServerHandle;
use actix_web::rt::System;
use actix_web::{App, HttpServer, web};
use async_trait::async_trait;
use auth_core::password::PasswordHash;
use auth_core::{
    Account, Authority, ClientInfo, MemoryStore, Outage, Principal, Proof, Settings, UserDirectory,
};
use serde_json::{Value, json};
use tests::token::{SIGNING_KEY, claims_of};
use tests::{Anonymous, Answer};

use crate::peer::Peer;

const DAY: Duration = Duration::from_secs(86_400);

/// What makes the tokens of both the same.
fn settings() -> Settings {
    Settings {
        user_id_claim: "sub".into(),
        token_type_claim: "type".into(),
        // The lifetimes of Flask-JWT-Extended, beyond which its refresh tokens would be refused.
        access_token_lifetime: Duration::from_secs(15 * 60),
        refresh_token_lifetime: 30 * DAY,
        ..Settings::with_signing_key(SIGNING_KEY)
    }
}

/// The users: Anna, whose id is 1.
struct Anna;

fn anna() -> Account {
    Account::new(Principal::new("user", "1"), "anna")
}

#[async_trait]
impl UserDirectory for Anna {
    async fn find_by_login(&self, _: &str) -> Result<Option<Account>, Outage> {
        Ok(None)
    }

    async fn load(&self, user_id: &str) -> Result<Option<Account>, Outage> {
        Ok(Some(anna()).filter(|anna| anna.principal.user_id() == user_id))
    }

    async fn upgrade_password_hash(
        &self,
        _: &str,
        _: &PasswordHash,
        _: &PasswordHash,
    ) -> Result<(), Outage> {
        Ok(())
    }
}

/// An application with one protected route.
struct Service {
    auth: Auth,
    door: Anonymous,
    server: ServerHandle,
}

impl Service {
    async fn start() -> Self {
        async fn profile(user: AuthUser) -> String {
            user.user_id().to_owned()
        }

        let builder = Authority::builder(settings()).store(MemoryStore::new()).users(Anna);
        let auth = Auth::start(builder.build().unwrap()).await.unwrap();
        let mounted = auth.clone();
        let server = HttpServer::new(move || {
            App::new()
                .configure(mounted.mount("/api"))
                .service(web::scope("/profile").wrap(JwtAuth).route("", web::get().to(profile)))
        });
        let server = server.workers(1).bind(("127.0.0.1", 0)).unwrap();
        let door = Anonymous::of(format!("http://{}", server.addrs()[0]));
        let server = server.disable_signals().run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { auth, door, server: handle }
    }

    /// The tokens of a login of Anna.
    async fn log_in(&self) -> (String, String) {
        let proof = Proof::vouched(anna().principal, []);
        let login = self.auth.authority().start_pair(proof, &ClientInfo::default()).await.unwrap();
        (login.granted.access.into_string(), login.granted.refresh.into_string())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

/// Runs a test with both, and with the tokens that Flask gave Anna.
fn test(test: impl AsyncFnOnce(&Service, &mut Peer, (String, String))) {
    let Some(mut flask) = Peer::flask(json!({ "JWT_SECRET_KEY": SIGNING_KEY })) else { return };
    flask.order(json!({ "do": "create", "id": 1, "username": "anna", "password": "secret" }));
    System::new().block_on(async {
        let service = Service::start().await;
        let body = json!({ "username": "anna", "password": "secret" });
        let answer = flask.anonymous().post("/login", body).await;
        let tokens = (answer.expect_status(200).text("access_token"), answer.text("refresh_token"));
        test(&service, &mut flask, tokens).await;
    });
}

async fn profile(door: &Anonymous, token: &str) -> Answer {
    door.get_with("/profile", &format!("Bearer {token}")).await
}

/// They want the refresh token in the header.
async fn refresh_there(door: &Anonymous, token: &str) -> Answer {
    Answer::to(door.request(reqwest::Method::POST, "/refresh").bearer_auth(token)).await
}

fn message(answer: &Answer) -> Value {
    answer.expect_status(401).json()["messages"][0]["message"].clone()
}

#[test]
fn their_access_token_opens_a_route_here() {
    test(async |service, flask, (access, refresh)| {
        let claims = claims_of(&access);
        assert_eq!((&claims["sub"], &claims["type"]), (&json!("1"), &json!("access")));
        for name in ["fresh", "jti", "nbf", "csrf", "iat", "exp"] {
            assert!(claims.get(name).is_some(), "no {name} in {claims}");
        }
        profile(&service.door, &access).await.expect(200, "1");
        service.door.verify(&access).await.expect(200, "{}");
        assert_eq!(message(&profile(&service.door, &refresh).await), "Token has wrong type");

        // A user whom nobody here knows: the token is good, the account is not there.
        flask.order(json!({ "do": "create", "id": 2, "username": "boris", "password": "secret" }));
        let body = json!({ "username": "boris", "password": "secret" });
        let boris = flask.anonymous().post("/login", body).await.text("refresh_token");
        service.door.refresh(&boris).await.expect_status(401);
    });
}

#[test]
fn their_refresh_token_gets_tokens_of_ours() {
    test(async |service, flask, (_, refresh)| {
        service.door.verify(&refresh).await.expect(200, "{}");
        let answer = service.door.refresh(&refresh).await;
        let (access, next) = (answer.expect_status(200).text("access"), answer.text("refresh"));
        profile(&service.door, &access).await.expect(200, "1");
        profile(flask.anonymous(), &access).await.expect_status(200);
        service.door.refresh(&next).await.expect_status(200);
        service.door.blacklist(&next).await.expect_status(200);
        assert_eq!(message(&profile(&service.door, &access).await), "Token is blacklisted");
    });
}

#[test]
fn our_tokens_are_theirs() {
    test(async |service, flask, _| {
        let there = flask.anonymous();
        let (access, refresh) = service.log_in().await;
        let expected = json!({ "id": "1", "username": "anna" });
        assert_eq!(profile(there, &access).await.expect_status(200).json(), expected);
        // Each is good for its own purpose alone.
        profile(there, &refresh).await.expect_status(422);
        refresh_there(there, &access).await.expect_status(422);

        let access = refresh_there(there, &refresh).await.expect_status(200).text("access_token");
        profile(there, &access).await.expect_status(200);
        profile(&service.door, &access).await.expect(200, "1");
    });
}

#[test]
fn our_access_token_is_not_fresh_there() {
    test(async |service, flask, (theirs, _)| {
        let fresh = async |token: &str| {
            let answer = flask.anonymous().get_with("/fresh", &format!("Bearer {token}")).await;
            answer.status
        };
        assert_eq!(fresh(&theirs).await, 200);
        // `fresh` is not a claim of ours: here it is `auth_time` that tells when the user logged in.
        assert_eq!(fresh(&service.log_in().await.0).await, 401);
    });
}
