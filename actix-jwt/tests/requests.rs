//! Requests of the odd kind: headers twice, cookies that are not text, HTTP/2, several `Auth`s in
//! one application.

use actix_jwt::auth_core::{
    Account, Authority, ClientInfo, MemoryStore, Outage, Principal, Proof, Settings, UserDirectory,
    password::PasswordHash, random, token::csrf_token,
};
use actix_jwt::{Auth, AuthBuilder, AuthUser, Credential, JwtAuth, MaybeAuthUser, StartError};
use actix_web::http::header::{
    ALLOW, AUTHORIZATION, COOKIE, HeaderMap, HeaderValue, ORIGIN, WWW_AUTHENTICATE,
};
use actix_web::http::{Method, Version};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, Responder};
use actix_web_httpauth::middleware::HttpAuthentication;
use async_trait::async_trait;
use serde_json::json;

const BAD_HEADER: &str = r#"{"detail":"Authorization header must contain two space-delimited values","code":"bad_authorization_header"}"#;
const BAD_SESSION: &str =
    r#"{"detail":"Session is invalid or has expired.","code":"session_not_valid"}"#;
const NOT_DECODED: &str = r#"{"detail":"Error decoding token"}"#;
const CSRF_MISSING: &str = r#"{"detail":"CSRF Failed: CSRF token missing."}"#;

const LOGIN: &str = "/api/v1/users/login";
const LOGOUT: &str = "/api/v1/users/logout";

/// A directory with one user, who has no password.
struct Anna;

fn anna() -> Account {
    Account::new(Principal::new("user", "1"), "anna")
}

#[async_trait]
impl UserDirectory for Anna {
    async fn find_by_login(&self, login: &str) -> Result<Option<Account>, Outage> {
        Ok((login == "anna").then(anna))
    }

    async fn load(&self, user_id: &str) -> Result<Option<Account>, Outage> {
        Ok((user_id == "1").then(anna))
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

/// Each with a key of its own.
fn builder() -> AuthBuilder {
    let settings = Settings::with_signing_key(random::token());
    let authority = Authority::builder(settings).store(MemoryStore::new()).users(Anna);
    Auth::builder(authority.build().unwrap())
}

async fn auth() -> Auth {
    builder().start().await.unwrap()
}

fn proof() -> (Proof, ClientInfo) {
    (Proof::vouched(Principal::new("user", "1"), []), ClientInfo::default())
}

async fn access_token(auth: &Auth) -> String {
    let (proof, client) = proof();
    let login = auth.authority().start_pair(proof, &client).await.unwrap();
    login.granted.access.into_string()
}

async fn single_token(auth: &Auth) -> String {
    let (proof, client) = proof();
    auth.authority().start_single(proof, &client).await.unwrap().granted.expose().to_owned()
}

async fn session_cookie(auth: &Auth) -> String {
    let (proof, client) = proof();
    auth.authority().start_cookie(proof, &client).await.unwrap().granted.expose().to_owned()
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    #[track_caller]
    fn expect(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.body.as_str()), (status, body));
    }

    fn header(&self, name: impl actix_web::http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// What an application of these routes answers.
async fn ask(routes: impl FnOnce(&mut ServiceConfig), request: TestRequest) -> Answer {
    let app = init_service(App::new().configure(routes)).await;
    let response = call_service(&app, request.to_request()).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = String::from_utf8(read_body(response).await.to_vec()).unwrap();
    Answer { status, headers, body }
}

async fn who(user: AuthUser) -> impl Responder {
    user.user_id().to_owned()
}

async fn who_if_anybody(MaybeAuthUser(user): MaybeAuthUser) -> impl Responder {
    user.map_or_else(|| "nobody".to_owned(), |user| user.user_id().to_owned())
}

/// What a route says that anonymous requests may call as well.
async fn home(auth: &Auth, request: TestRequest) -> Answer {
    let routes = |config: &mut ServiceConfig| {
        config.app_data(auth.clone()).route("/", web::get().to(who_if_anybody));
    };
    ask(routes, request.uri("/")).await
}

fn bytes(value: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(value).unwrap()
}

#[actix_web::test]
async fn two_authorization_headers_are_an_error_whatever_their_schemes() {
    let auth = auth().await;
    let good = format!("Bearer {}", access_token(&auth).await);
    for headers in [["Basic x", "Bearer bad"], ["Basic x", &good], [&good, "Basic x"], ["", &good]]
    {
        let mut request = TestRequest::get();
        for header in headers {
            request = request.append_header((AUTHORIZATION, header));
        }
        let answer = home(&auth, request).await;
        answer.expect(401, BAD_HEADER);
        assert_eq!(answer.header(WWW_AUTHENTICATE), Some(r#"Bearer realm="api""#));
    }
    let alone = |header: &str| TestRequest::get().insert_header((AUTHORIZATION, header));
    home(&auth, alone(&good)).await.expect(200, "1");
    home(&auth, alone("Basic x")).await.expect(200, "nobody");
}

#[actix_web::test]
async fn two_tokens_in_a_header_of_their_own_are_a_decoding_error() {
    let auth = builder().credentials([Credential::header("jwt-auth")]).start().await.unwrap();
    let good = single_token(&auth).await;
    for headers in [[&*good, &*good], [&*good, "bad"], ["", "bad"]] {
        let mut request = TestRequest::get();
        for header in headers {
            request = request.append_header(("jwt-auth", header));
        }
        let answer = home(&auth, request).await;
        answer.expect(401, NOT_DECODED);
        let challenge = r#"Bearer realm="api", error="invalid_token""#;
        assert_eq!(answer.header(WWW_AUTHENTICATE), Some(challenge));
    }
    let alone = |header: &str| TestRequest::get().insert_header(("jwt-auth", header));
    home(&auth, alone(&good)).await.expect(200, "1");
    home(&auth, alone("")).await.expect(200, "nobody");
}

#[actix_web::test]
async fn a_credential_that_is_not_text_is_bad_never_absent() {
    let places = [Credential::header("jwt-auth"), Credential::bearer()];
    let auth = builder().credentials(places).start().await.unwrap();
    for (name, value) in [("authorization", b"Bearer \xff".as_slice()), ("jwt-auth", b"\xff")] {
        let answer = home(&auth, TestRequest::get().insert_header((name, bytes(value)))).await;
        assert_eq!(answer.status, 401, "{name}");
    }
}

#[actix_web::test]
async fn a_cookie_that_is_not_text_does_not_log_anybody_out() {
    let auth = auth().await;
    let session = session_cookie(&auth).await;
    for line in [
        [b"junk=\xff; sessionid=", session.as_bytes()].concat(),
        [b"sessionid=", session.as_bytes(), b"; junk=\xff"].concat(),
    ] {
        let request = TestRequest::get().insert_header((COOKIE, bytes(&line)));
        home(&auth, request).await.expect(200, "1");
    }
}

#[actix_web::test]
async fn a_session_cookie_that_is_not_text_is_bad_never_absent() {
    let request = TestRequest::get().insert_header((COOKIE, bytes(b"sessionid=\xff")));
    home(&auth().await, request).await.expect(401, BAD_SESSION);
}

#[actix_web::test]
async fn a_login_echoes_its_csrf_cookie_whatever_other_cookies_there_are() {
    let auth = auth().await;
    for line in [b"junk=\xff; csrftoken=x".as_slice(), b"csrftoken=\xff"] {
        let request = TestRequest::post().uri(LOGIN).insert_header((COOKIE, bytes(line)));
        let request = request.set_json(json!({ "username": "anna", "password": "guess" }));
        ask(auth.mount("/api"), request).await.expect(403, CSRF_MISSING);
    }
}

#[actix_web::test]
async fn an_unsafe_request_with_a_cookie_is_served_over_http_2() {
    let auth = auth().await;
    for (origin, expected) in [("https://shop.example", 200), ("https://evil.example", 403)] {
        let session = session_cookie(&auth).await;
        let request = TestRequest::post()
            .version(Version::HTTP_2)
            .uri(&format!("https://shop.example{LOGOUT}"))
            .insert_header((ORIGIN, origin))
            .insert_header(("x-csrftoken", csrf_token(&session)))
            .insert_header((COOKIE, format!("sessionid={session}")));
        let answer = ask(auth.mount("/api"), request).await;
        assert_eq!(answer.status, expected, "{origin}: {}", answer.body);
    }
}

#[actix_web::test]
async fn a_page_over_plain_http_is_not_of_a_site_whose_public_url_is_https() {
    let auth = builder().public_url("https://www.shop.example/").start().await.unwrap();
    for (origin, expected) in [("https://www.shop.example", 200), ("http://www.shop.example", 403)]
    {
        let session = session_cookie(&auth).await;
        let request = TestRequest::post()
            .uri(LOGOUT)
            .insert_header(("host", "www.shop.example"))
            .insert_header((ORIGIN, origin))
            .insert_header(("x-csrftoken", csrf_token(&session)))
            .insert_header((COOKIE, format!("sessionid={session}")));
        let answer = ask(auth.mount("/api"), request).await;
        assert_eq!(answer.status, expected, "{origin}: {}", answer.body);
    }
}

#[actix_web::test]
async fn a_public_url_is_a_site_of_the_web() {
    for url in ["ftp://www.shop.example", "www.shop.example", "file:///etc", ""] {
        let started = builder().public_url(url).start().await;
        assert!(matches!(started, Err(StartError::PublicUrl)), "{url}");
    }
}

#[actix_web::test]
async fn each_of_two_auths_answers_its_own_routes() {
    let (partners, users) = (auth().await, auth().await);
    let routes = |config: &mut ServiceConfig| {
        let feeds = web::scope("/feeds").app_data(partners.clone()).wrap(JwtAuth);
        config
            .configure(partners.mount("/partners"))
            .configure(users.mount("/api"))
            .service(feeds.route("/", web::get().to(who)))
            .service(web::scope("/orders").wrap(JwtAuth).route("/", web::get().to(who)));
    };
    let verify =
        |path, token| (path, TestRequest::post().uri(path).set_json(json!({ "token": token })));
    let get = |path, token| {
        let header = (AUTHORIZATION, format!("Bearer {token}"));
        (path, TestRequest::get().uri(path).insert_header(header))
    };
    let (partner, user) = (access_token(&partners).await, access_token(&users).await);
    for (token, at_partners, at_users) in [(&partner, 200, 401), (&user, 401, 200)] {
        for ((path, request), expected) in [
            (verify("/partners/token/verify/", token), at_partners),
            (get("/partners/v1/users/sessions", token), at_partners),
            (get("/feeds/", token), at_partners),
            (verify("/api/token/verify/", token), at_users),
            (get("/api/v1/users/sessions", token), at_users),
            (get("/orders/", token), at_users),
        ] {
            assert_eq!(ask(routes, request).await.status, expected, "{path}");
        }
    }
}

#[actix_web::test]
async fn a_validator_for_actix_web_httpauth_lets_the_extractors_know() {
    // It is the middleware that looks for a token: the extractor by itself would find none.
    let auth = builder().credentials([Credential::session_cookie()]).start().await.unwrap();
    let routes = |config: &mut ServiceConfig| {
        let middleware = HttpAuthentication::bearer(actix_jwt::bearer_validator);
        let orders = web::scope("/orders").wrap(middleware).route("/", web::get().to(who));
        config.app_data(auth.clone()).service(orders);
    };
    let orders = |token: &str| {
        let header = (AUTHORIZATION, format!("Bearer {token}"));
        TestRequest::get().uri("/orders/").insert_header(header)
    };
    ask(routes, orders(&access_token(&auth).await)).await.expect(200, "1");

    let refused = ask(routes, orders("nonsense")).await;
    refused.expect(
        401,
        r#"{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"Token is invalid"}]}"#,
    );
    let challenge = r#"Bearer realm="api", error="invalid_token""#;
    assert_eq!(refused.header(WWW_AUTHENTICATE), Some(challenge));

    let anonymous = ask(routes, TestRequest::get().uri("/orders/")).await;
    assert_eq!((anonymous.status, anonymous.header(WWW_AUTHENTICATE)), (401, Some("Bearer")));
}

#[actix_web::test]
async fn what_can_be_got_can_be_asked_for_its_head() {
    let auth = auth().await;
    let routes = |config: &mut ServiceConfig| {
        config
            .configure(auth.mount("/api"))
            .configure(auth.single_token_routes("/jwt"))
            .configure(auth.jwks_route());
    };
    let bearer = format!("Bearer {}", access_token(&auth).await);
    let request = |method, path| {
        TestRequest::default()
            .method(method)
            .uri(path)
            .insert_header((AUTHORIZATION, bearer.clone()))
    };
    for path in
        ["/api/v1/users/csrf", "/api/v1/users/sessions", "/jwt/info", "/.well-known/jwks.json"]
    {
        for method in [Method::GET, Method::HEAD] {
            let answer = ask(routes, request(method.clone(), path)).await;
            assert_eq!(answer.status, 200, "{method} {path}");
        }
        let refused = ask(routes, request(Method::PATCH, path)).await;
        assert_eq!((refused.status, refused.header(ALLOW)), (405, Some("GET, HEAD")), "{path}");
    }
    let refused = ask(routes, request(Method::HEAD, "/api/token/")).await;
    assert_eq!((refused.status, refused.header(ALLOW)), (405, Some("POST")));
}
