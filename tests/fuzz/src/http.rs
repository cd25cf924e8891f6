//! An application with protected routes, asked as a client would.

use std::rc::Rc;

use actix_jwt::permission::IsStaff;
use actix_jwt::{
    Auth, AuthBuilder, AuthUser, Claims, Credential, CurrentUser, JwtAuth, MaybeAuthUser,
    bearer_validator,
};
use actix_web::dev::Service;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use actix_web::rt::{System, SystemRunner};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, body};
use actix_web_httpauth::middleware::HttpAuthentication;
use auth_core::session::RevocationReason;
use auth_core::store::Revoke;
use auth_core::{Algorithm, Authority, ClientInfo, MemoryStore, Settings};
use futures_util::future::LocalBoxFuture;

use crate::world::{self, NOW, SECRET, cookie, now, signed, single, user};

/// A site of whose host only this origin is trusted.
pub const PUBLIC_URL: &str = "https://www.shop.example";

pub struct Site {
    system: SystemRunner,
    ask: Box<dyn Fn(TestRequest) -> LocalBoxFuture<'static, Answer>>,
    /// The one that most routes ask.
    pub authority: Authority,
    pub credentials: Credentials,
}

/// What a client may hold.
pub struct Credentials {
    pub access: String,
    pub refresh: String,
    pub single: String,
    pub expired: String,
    /// Of a session that has ended.
    pub ended: String,
    pub cookie: String,
    /// Of a session whose rights have changed: it is answered with a new one.
    pub outdated_cookie: String,
    /// Of a session that has ended.
    pub ended_cookie: String,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Site {
    pub fn new() -> Self {
        let system = System::new();
        let (service, authority, credentials) = system.block_on(async {
            let store = MemoryStore::new();
            let words = Settings {
                auth_header_name: "X-Token".into(),
                auth_header_types: vec!["JWT".into(), "Token".into()],
                ..Settings::default()
            };
            let builder = |settings| Auth::builder(world::authority(settings, store.clone()));
            let main = start(builder(Settings::default())).await;
            let credentials = Credentials::new(main.authority());
            let authority = main.authority().clone();
            let words = start(builder(words)).await;
            let alone = [Credential::header("jwt-auth"), Credential::bearer()];
            let alone = start(builder(Settings::default()).credentials(alone)).await;
            let public = builder(Settings::default()).public_url(PUBLIC_URL);
            let public = start(public).await;
            let routes = move |config: &mut ServiceConfig| {
                let scope = |name: &str, auth: &Auth| web::scope(name).app_data(auth.clone());
                config
                    .service(scope("/guard", &main).wrap(JwtAuth).default_service(web::to(who)))
                    .service(scope("/user", &main).default_service(web::to(who)))
                    .service(scope("/maybe", &main).default_service(web::to(who_if_anybody)))
                    .service(
                        scope("/staff", &main)
                            .wrap(JwtAuth::require(IsStaff))
                            .default_service(web::to(who)),
                    )
                    .service(
                        scope("/validator", &main)
                            .wrap(HttpAuthentication::bearer(bearer_validator))
                            .default_service(web::to(who)),
                    )
                    .service(scope("/words", &words).wrap(JwtAuth).default_service(web::to(who)))
                    .service(scope("/alone", &alone).default_service(web::to(who)))
                    .service(scope("/account", &main).default_service(web::to(account)))
                    .service(scope("/public", &public).default_service(web::to(who)));
            };
            let service = Rc::new(init_service(App::new().configure(routes)).await);
            (service, authority, credentials)
        });
        let ask = move |request: TestRequest| -> LocalBoxFuture<'static, Answer> {
            let service = Rc::clone(&service);
            Box::pin(async move {
                let response = match service.call(request.to_request()).await {
                    Ok(response) => response.into_parts().1.map_into_boxed_body(),
                    Err(error) => error.error_response(),
                };
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let body = body::to_bytes(response.into_body()).await.unwrap().to_vec();
                Answer { status, headers, body }
            })
        };
        let site = Self { system, ask: Box::new(ask), authority, credentials };
        site.check_itself();
        site
    }

    /// What the site answers, which is never that something of its own is broken.
    pub fn ask(&self, request: TestRequest) -> Answer {
        let answer = self.system.block_on((self.ask)(request));
        let body = String::from_utf8_lossy(&answer.body);
        assert!(matches!(answer.status, 200 | 401 | 403), "{}: {body}", answer.status);
        assert_eq!(answer.status == 401, answer.headers.contains_key(WWW_AUTHENTICATE));
        if answer.status == 200 {
            assert!(matches!(&*body, "1" | "alice" | "nobody"), "{body}");
        }
        answer
    }

    /// The doors open for those who may enter: otherwise nothing that follows would mean anything.
    fn check_itself(&self) {
        let get = |path, name: &str, value: String| {
            self.ask(TestRequest::get().uri(path).insert_header((name, value))).status
        };
        let Credentials { access, single, cookie, .. } = &self.credentials;
        for path in ["/guard", "/user", "/maybe", "/validator", "/account", "/public"] {
            assert_eq!(get(path, "authorization", format!("Bearer {access}")), 200, "{path}");
        }
        assert_eq!(get("/staff", "authorization", format!("Bearer {access}")), 403);
        assert_eq!(get("/words", "x-token", format!("token {access}")), 200);
        assert_eq!(get("/alone", "jwt-auth", single.clone()), 200);
        for cookie in [cookie, &self.credentials.outdated_cookie] {
            assert_eq!(get("/guard", "cookie", format!("sessionid={cookie}")), 200);
        }
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Credentials {
    fn new(authority: &Authority) -> Self {
        let outdated_cookie = cookie(authority);
        let revoke = |what, reason| now(authority.revoke(what, reason)).unwrap();
        revoke(Revoke::AccessTokens(user()), RevocationReason::RightsChanged);
        let (ended, _) = world::pair(authority);
        let ended_cookie = cookie(authority);
        let verified = authority.authenticate(&ended).unwrap();
        revoke(Revoke::Session(verified.session()), RevocationReason::Logout);
        let client = ClientInfo::default();
        let verified = authority.authenticate_cookie(&ended_cookie, &client);
        revoke(Revoke::Session(now(verified).unwrap().session()), RevocationReason::Logout);
        let (access, refresh) = world::pair(authority);
        let payload =
            format!(r#"{{"token_type":"access","exp":{NOW},"iat":{NOW},"jti":"a","user_id":"1"}}"#);
        let header = br#"{"alg":"HS256","typ":"JWT"}"#;
        Self {
            expired: signed(Algorithm::HS256, SECRET, header, payload.as_bytes()),
            single: single(authority),
            cookie: cookie(authority),
            access,
            refresh,
            ended,
            outdated_cookie,
            ended_cookie,
        }
    }
}

async fn start(builder: AuthBuilder) -> Auth {
    builder.start().await.unwrap()
}

async fn who(user: AuthUser) -> String {
    user.user_id().to_owned()
}

async fn who_if_anybody(MaybeAuthUser(user): MaybeAuthUser) -> String {
    user.map_or_else(|| "nobody".to_owned(), |user| user.user_id().to_owned())
}

async fn account(claims: Claims<serde_json::Value>, user: CurrentUser) -> String {
    assert_eq!(claims.0["user_id"], "1");
    user.0.username
}

/// Adds a header to the request where a server would have let it through.
pub fn header(
    request: TestRequest,
    name: &[u8],
    value: &[u8],
) -> (TestRequest, Option<(HeaderName, HeaderValue)>) {
    let name = HeaderName::from_bytes(name).ok();
    let value = HeaderValue::from_bytes(value.trim_ascii()).ok();
    match name.zip(value) {
        Some((name, value)) => {
            (request.append_header((name.clone(), value.clone())), Some((name, value)))
        }
        None => (request, None),
    }
}

/// Who sent a request, by the rules of the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Nobody,
    /// Somebody whose credential is refused.
    Refused,
    User,
}

/// Who sent a request with these values of the header that carries a token after one of `words`.
pub fn bearer(values: &[&[u8]], words: &[&str], good: &str) -> Sender {
    let value = match values {
        [] => return Sender::Nobody,
        [value] => String::from_utf8_lossy(value).into_owned(),
        _ => return Sender::Refused,
    };
    let parts: Vec<&str> = value.split([' ', '\t']).filter(|part| !part.is_empty()).collect();
    let scheme = parts.first().map(|scheme| scheme.to_ascii_lowercase());
    if !words.iter().any(|word| Some(word.to_ascii_lowercase()) == scheme) {
        return Sender::Nobody;
    }
    if parts.len() == 2 && parts[1] == good { Sender::User } else { Sender::Refused }
}
