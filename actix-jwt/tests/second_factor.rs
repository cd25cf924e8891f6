//! The second factor over HTTP: enrolled, asked for at every login, changed and removed.

use std::sync::OnceLock;
use std::time::Duration;

use actix_jwt::auth_core::otp::totp_code;
use actix_jwt::auth_core::password::PasswordHash;
use actix_jwt::auth_core::{
    Account, Authority, ClientInfo, ManualClock, MemoryStore, Outage, Principal, Proof, Purpose,
    Settings, UserDirectory,
};
use actix_jwt::permission::Mfa;
use actix_jwt::{Auth, AuthUser, Credential, JwtAuth, RefreshCookie};
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, HeaderMap, WWW_AUTHENTICATE};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, ResponseError};
use async_trait::async_trait;
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse";
const SECRET: &str = "an honest secret of more than thirty-two bytes";

const OTP: &str = "/api/v1/users/otp";
const CONFIRM: &str = "/api/v1/users/otp/confirm";
const RECOVERY: &str = "/api/v1/users/otp/recovery";

/// Every login, and what it answers to wrong credentials.
const LOGINS: [(&str, u16); 4] =
    [("/api/token/", 401), ("/api/token/sliding/", 401), ("/single", 401), (SESSION_LOGIN, 403)];
const SESSION_LOGIN: &str = "/api/v1/users/login";

const OTP_REQUIRED: &str = r#"{"detail":"A one-time code is required.","code":"otp_required"}"#;
const PASSWORD_REQUIRED: &str =
    r#"{"detail":"Give your password again.","code":"password_required"}"#;
const CSRF_MISSING: &str = r#"{"detail":"CSRF Failed: CSRF token missing."}"#;

/// A directory with one user.
struct Anna;

fn anna() -> Account {
    static HASH: OnceLock<PasswordHash> = OnceLock::new();
    let hash = HASH.get_or_init(|| PasswordHash::create(PASSWORD).unwrap());
    let mut anna = Account::new(Principal::new("user", "1"), "anna");
    anna.password_hash = Some(hash.clone());
    anna
}

#[async_trait]
impl UserDirectory for Anna {
    async fn find_by_login(&self, login: &str) -> Result<Option<Account>, Outage> {
        Ok((login == "anna").then(anna))
    }

    async fn load(&self, user_id: &str) -> Result<Option<Account>, Outage> {
        Ok((user_id == "1").then(anna))
    }
}

struct World {
    auth: Auth,
    hands: ManualClock,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    #[track_caller]
    fn expect(self, status: u16, body: &str) -> Self {
        assert_eq!((self.status, self.body.as_str()), (status, body));
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        assert_eq!(self.headers.get(CACHE_CONTROL).unwrap(), "no-store");
        serde_json::from_str(&self.body).unwrap()
    }

    #[track_caller]
    fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap().to_owned()
    }
}

async fn secured(user: AuthUser<Mfa>) -> String {
    user.user_id().to_owned()
}

impl World {
    async fn new() -> Self {
        let hands = ManualClock::starting_now();
        let settings = Settings::with_signing_key(SECRET);
        let authority = Authority::builder(settings).store(MemoryStore::new()).users(Anna);
        let authority = authority.clock(hands.clock()).build().unwrap();
        let credentials =
            [Credential::session_cookie(), Credential::bearer(), Credential::header("jwt-auth")];
        let auth = Auth::builder(authority).credentials(credentials).start().await.unwrap();
        Self { auth, hands }
    }

    fn routes(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        let (everything, single) =
            (self.auth.mount("/api"), self.auth.single_token_routes("/single"));
        |config| {
            everything(config);
            single(config);
            config.service(web::resource("/secured").wrap(JwtAuth).get(secured));
        }
    }

    async fn ask(&self, request: TestRequest) -> Answer {
        let app = init_service(App::new().configure(self.routes())).await;
        let response = call_service(&app, request.to_request()).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = String::from_utf8(read_body(response).await.to_vec()).unwrap();
        Answer { status, headers, body }
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(TestRequest::post().uri(path).set_json(body)).await
    }

    async fn as_anna(&self, method: Method, path: &str, access: &str, body: Value) -> Answer {
        let authorization = (AUTHORIZATION, format!("Bearer {access}"));
        let request = TestRequest::with_uri(path).method(method).insert_header(authorization);
        self.ask(request.set_json(body)).await
    }

    async fn access(&self, mut more: Value) -> String {
        more["username"] = "anna".into();
        more["password"] = PASSWORD.into();
        self.post("/api/token/", more).await.text("access")
    }

    fn shown(&self, secret: &str) -> String {
        totp_code(secret, self.auth.authority().clock().now()).unwrap()
    }

    async fn wait(&self, seconds: u64) {
        self.hands.advance(Duration::from_secs(seconds));
        self.auth.authority().sync().await.unwrap();
    }

    /// Anna's app and her recovery codes, half a minute after it was confirmed.
    async fn enrol(&self) -> (String, Vec<String>) {
        let access = self.access(json!({})).await;
        let secret = self.as_anna(Method::POST, OTP, &access, json!({})).await.text("secret");
        let code = json!({ "code": self.shown(&secret) });
        let answer = self.as_anna(Method::POST, CONFIRM, &access, code).await.json();
        let codes = answer["recovery_codes"].as_array().unwrap().iter();
        let codes = codes.map(|code| code.as_str().unwrap().to_owned()).collect();
        self.wait(30).await;
        (secret, codes)
    }
}

fn credentials(more: &[(&str, &str)]) -> Value {
    let mut body = json!({ "username": "anna", "password": PASSWORD });
    for (name, value) in more {
        body[*name] = (*value).into();
    }
    body
}

#[actix_web::test]
async fn every_login_asks_for_the_code_and_takes_it() {
    let world = World::new().await;
    let (secret, _) = world.enrol().await;
    for (path, wrong_status) in LOGINS {
        let needed = world.post(path, credentials(&[])).await.expect(401, OTP_REQUIRED);
        assert_eq!(needed.headers.get(WWW_AUTHENTICATE).unwrap(), r#"Bearer realm="api""#);
        let blank = credentials(&[("otp", " ")]);
        world.post(path, blank).await.expect(401, OTP_REQUIRED);

        let wrong_password = world.post(path, credentials(&[("password", "wrong")])).await;
        assert_eq!(wrong_password.status, wrong_status, "{path}");
        for otp in ["000000x", "aaaa-bbbb-cccc-dddd-eeee-ffff"] {
            let wrong = world.post(path, credentials(&[("otp", otp)])).await;
            assert_eq!((wrong.status, &wrong.body), (wrong_status, &wrong_password.body), "{path}");
        }
        let right_code = [("password", "wrong"), ("otp", &world.shown(&secret))];
        let wrong = world.post(path, credentials(&right_code)).await;
        assert_eq!((wrong.status, wrong.body), (wrong_status, wrong_password.body), "{path}");

        let right = world.post(path, credentials(&[("otp", &world.shown(&secret))])).await;
        assert_eq!(right.status, 200, "{path}: {}", right.body);
        let again = world.post(path, credentials(&[("otp", &world.shown(&secret))])).await;
        assert_eq!(again.status, wrong_status, "{path}: a code is good once");
        world.wait(30).await;
    }
}

#[actix_web::test]
async fn a_code_that_is_no_text_is_a_bad_request() {
    let world = World::new().await;
    for (path, _) in LOGINS {
        for otp in [json!([]), json!({}), json!(true)] {
            let mut body = credentials(&[]);
            body["otp"] = otp;
            assert_eq!(world.post(path, body).await.status, 400, "{path}");
        }
    }
}

#[actix_web::test]
async fn who_has_no_factor_logs_in_with_or_without_a_code() {
    let world = World::new().await;
    for (path, _) in LOGINS {
        assert_eq!(world.post(path, credentials(&[])).await.status, 200, "{path}");
        assert_eq!(world.post(path, credentials(&[("otp", "123456")])).await.status, 200, "{path}");
    }
}

#[actix_web::test]
async fn a_login_with_both_factors_opens_what_one_does_not() {
    let world = World::new().await;
    let one = world.access(json!({})).await;
    assert_eq!(world.as_anna(Method::GET, "/secured", &one, json!({})).await.status, 403);
    let (secret, codes) = world.enrol().await;
    for otp in [&world.shown(&secret), &codes[0]] {
        let both = world.access(json!({ "otp": otp })).await;
        world.as_anna(Method::GET, "/secured", &both, json!({})).await.expect(200, "1");
    }
}

#[actix_web::test]
async fn a_factor_is_enrolled_by_showing_a_code() {
    let world = World::new().await;
    let access = world.access(json!({})).await;
    let get = || world.as_anna(Method::GET, OTP, &access, json!({}));
    let none = r#"{"confirmed":false,"confirmed_at":null,"recovery_codes":0}"#;
    get().await.expect(200, none);
    let nothing = r#"{"code":["There is nothing to confirm."]}"#;
    let confirm = async |code: &str| {
        world.as_anna(Method::POST, CONFIRM, &access, json!({ "code": code })).await
    };
    confirm("123456").await.expect(400, nothing);

    let new = world.as_anna(Method::POST, OTP, &access, json!({})).await;
    let secret = new.text("secret");
    assert!(new.text("uri").starts_with(&format!("otpauth://totp/anna?secret={secret}")));
    get().await.expect(200, none);
    confirm("nonsense").await.expect(400, r#"{"code":["This code is not valid."]}"#);
    world.post("/api/token/", credentials(&[])).await.json();

    let codes = confirm(&world.shown(&secret)).await.json();
    assert_eq!(codes["recovery_codes"].as_array().unwrap().len(), 10);
    let status = get().await.json();
    assert_eq!((&status["confirmed"], &status["recovery_codes"]), (&json!(true), &json!(10)));
    world.post("/api/token/", credentials(&[])).await.expect(401, OTP_REQUIRED);
    confirm(&world.shown(&secret)).await.expect(400, nothing);
    // A login that has not shown it is not enough to change it, however recent it is.
    let twice = world.as_anna(Method::POST, OTP, &access, json!({})).await;
    twice.expect(403, PASSWORD_REQUIRED);
    let both = world.access(json!({ "otp": codes["recovery_codes"][0] })).await;
    let twice = world.as_anna(Method::POST, OTP, &both, json!({})).await;
    assert_eq!(twice.status, 400, "{}", twice.body);
}

#[actix_web::test]
async fn an_old_login_gives_the_password_again_before_it_changes_the_factor() {
    let world = World::new().await;
    let access = world.access(json!({})).await;
    world.wait(299).await;
    world.as_anna(Method::POST, OTP, &access, json!({})).await.json();

    let refresh = world.post("/api/token/", credentials(&[])).await.text("refresh");
    world.wait(301).await;
    let refreshed = world.post("/api/token/refresh/", json!({ "refresh": refresh })).await;
    let access = refreshed.text("access");
    for (method, path) in [(Method::POST, OTP), (Method::DELETE, OTP), (Method::POST, RECOVERY)] {
        let answer = world.as_anna(method, path, &access, json!({})).await;
        answer.expect(403, PASSWORD_REQUIRED);
    }
    let wrong = json!({ "password": "wrong" });
    assert_eq!(world.as_anna(Method::POST, OTP, &access, wrong).await.status, 403);
    let right = json!({ "password": PASSWORD });
    world.as_anna(Method::POST, OTP, &access, right).await.json();
}

#[actix_web::test]
async fn an_old_login_gives_a_code_as_well_before_it_removes_the_factor() {
    let world = World::new().await;
    let (secret, _) = world.enrol().await;
    let body = json!({ "username": "anna", "password": PASSWORD, "otp": world.shown(&secret) });
    let refresh = world.post("/api/token/", body).await.text("refresh");
    world.wait(301).await;
    let refreshed = world.post("/api/token/refresh/", json!({ "refresh": refresh })).await;
    let access = refreshed.text("access");
    let remove = async |body| world.as_anna(Method::DELETE, OTP, &access, body).await;
    remove(json!({ "password": PASSWORD })).await.expect(401, OTP_REQUIRED);
    let wrong = remove(json!({ "password": PASSWORD, "otp": "nonsense" })).await;
    assert_eq!(wrong.status, 403);
    remove(json!({ "password": PASSWORD, "otp": world.shown(&secret) })).await.expect(204, "");
    world.access(json!({})).await;
    assert_eq!(remove(json!({ "password": PASSWORD })).await.status, 404);
}

#[actix_web::test]
async fn new_recovery_codes_take_the_place_of_the_old_ones() {
    let world = World::new().await;
    let access = world.access(json!({})).await;
    assert_eq!(world.as_anna(Method::POST, RECOVERY, &access, json!({})).await.status, 404);
    let (_, old) = world.enrol().await;
    let access = world.access(json!({ "otp": old[0] })).await;
    let new = world.as_anna(Method::POST, RECOVERY, &access, json!({})).await.json();
    assert_eq!(world.post("/api/token/", credentials(&[("otp", &old[1])])).await.status, 401);
    let new = new["recovery_codes"][0].as_str().unwrap();
    world.access(json!({ "otp": new })).await;
}

#[actix_web::test]
async fn nobody_changes_a_factor_without_a_login_or_by_a_request_of_another_site() {
    let world = World::new().await;
    for path in [OTP, CONFIRM, RECOVERY] {
        assert_eq!(world.post(path, json!({})).await.status, 401, "{path}");
    }
    let login = world.post(SESSION_LOGIN, credentials(&[])).await;
    let cookies = login.headers.get_all("set-cookie").map(|value| value.to_str().unwrap());
    let session = cookies.filter_map(|cookie| cookie.split(';').next()).next().unwrap();
    for (method, path) in [
        (Method::POST, OTP),
        (Method::DELETE, OTP),
        (Method::POST, CONFIRM),
        (Method::POST, RECOVERY),
    ] {
        let request = TestRequest::with_uri(path).method(method).insert_header(("cookie", session));
        world.ask(request.set_json(json!({}))).await.expect(403, CSRF_MISSING);
    }
}

#[actix_web::test]
async fn another_method_is_not_allowed() {
    let world = World::new().await;
    for (path, allow) in [
        (OTP, "GET, HEAD, POST, DELETE"),
        (CONFIRM, "POST"),
        ("/api/v1/users/otp/recovery/", "POST"),
    ] {
        let answer = world.ask(TestRequest::put().uri(path)).await;
        assert_eq!(answer.status, 405);
        assert_eq!(answer.headers.get(ALLOW).unwrap(), allow);
    }
}

/// Else who can write tokens for one service could take the account of this one.
#[actix_web::test]
async fn a_token_of_another_issuer_is_no_login_of_a_moment_ago() {
    let world = World::new().await;
    let now = world.auth.authority().clock().now().timestamp();
    let claims = json!({
        "token_type": "access", "jti": "a", "user_id": "1", "iat": now, "exp": now + 300,
        "auth_time": now, "amr": ["pwd", "otp", "mfa"],
    });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let foreign = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let begin = world.as_anna(Method::POST, OTP, &foreign, json!({})).await;
    begin.expect(403, PASSWORD_REQUIRED);
    let right = json!({ "password": PASSWORD });
    world.as_anna(Method::POST, OTP, &foreign, right).await.json();

    world.enrol().await;
    for (method, path) in [(Method::DELETE, OTP), (Method::POST, RECOVERY)] {
        let answer = world.as_anna(method, path, &foreign, json!({})).await;
        answer.expect(403, PASSWORD_REQUIRED);
    }
}

/// Who has no password cannot give it again: they log in again.
#[actix_web::test]
async fn who_logs_in_by_a_code_that_is_sent_and_the_app_can_remove_the_app() {
    let world = World::new().await;
    let (secret, _) = world.enrol().await;
    world.wait(60).await;
    let (authority, client) = (world.auth.authority(), ClientInfo::default());
    let issued = authority.request_code(&Purpose::LOGIN, "user", "anna", &client).await.unwrap();
    let sent = issued.unwrap().code;
    let proof = authority.prove_code("user", "anna", sent.expose(), &client).await.unwrap();
    let shown = world.shown(&secret);
    let proof = authority.prove_second_factor(proof, &shown, &client).await.unwrap();
    let login = authority.start_pair(proof, &client).await.unwrap();
    let access = login.granted.access.expose();
    world.as_anna(Method::DELETE, OTP, access, json!({})).await.expect(204, "");
}

#[actix_web::test]
async fn a_login_that_did_not_show_the_app_changes_nothing_about_it() {
    let world = World::new().await;
    world.enrol().await;
    world.wait(60).await;
    let (authority, client) = (world.auth.authority(), ClientInfo::default());
    let proof = Proof::vouched(Principal::new("user", "1"), []);
    let login = authority.start_pair(proof, &client).await.unwrap();
    let access = login.granted.access.expose();
    for (method, path) in [(Method::DELETE, OTP), (Method::POST, RECOVERY)] {
        let answer = world.as_anna(method, path, access, json!({})).await;
        answer.expect(403, PASSWORD_REQUIRED);
    }
}

/// Else who has stolen a session could lock its owner out of the next login.
#[actix_web::test]
async fn what_is_typed_to_confirm_counts_for_no_login() {
    let world = World::new().await;
    let (secret, codes) = world.enrol().await;
    let access = world.access(json!({ "otp": codes[0] })).await;
    for _ in 0..10 {
        let wrong = json!({ "code": "000000" });
        assert_eq!(world.as_anna(Method::POST, CONFIRM, &access, wrong).await.status, 400);
    }
    world.access(json!({ "otp": world.shown(&secret) })).await;
}

#[actix_web::test]
async fn a_login_with_a_refresh_cookie_takes_the_code_too() {
    let world = World::new().await;
    let (secret, _) = world.enrol().await;
    let cookie = RefreshCookie::new("refresh", "/refresh/");
    let request = TestRequest::post().to_http_request();
    let log_in = async |otp| cookie.log_in(&world.auth, &request, "anna", PASSWORD, otp).await;
    for none in [None, Some(""), Some(" ")] {
        let refused = log_in(none).await.unwrap_err();
        assert_eq!(refused.detail(), "A one-time code is required.");
    }
    assert_eq!(log_in(Some("000000x")).await.unwrap_err().error_response().status(), 401);
    let login = log_in(Some(&world.shown(&secret))).await.unwrap();
    assert!(login.session.methods.contains(&actix_jwt::auth_core::session::Method::MultiFactor));
}
