//! An application with protected routes, asked as a client would.

use actix_jwt::permission::IsStaff;
use actix_jwt::{
    Auth, AuthBuilder, AuthUser, Claims, Credential, CurrentUser, JwtAuth, MaybeAuthUser,
    bearer_validator,
};
use actix_web::test::TestRequest;
use actix_web::web::{self, ServiceConfig};
use actix_web_httpauth::middleware::HttpAuthentication;
use auth_core::session::RevocationReason;
use auth_core::store::Revoke;
use auth_core::{Algorithm, Authority, ClientInfo, MemoryStore, Settings};

use crate::server::{Answer, Server};
use crate::world::{self, NOW, SECRET, cookie, now, signed, single, user};

/// A site of whose host only this origin is trusted.
pub const PUBLIC_URL: &str = "https://www.shop.example";

pub struct Site {
    server: Server,
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

impl Site {
    pub fn new() -> Self {
        let (server, (authority, credentials)) = Server::new(async {
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
            (routes, (authority, credentials))
        });
        let site = Self { server, authority, credentials };
        site.check_itself();
        site
    }

    /// What the site answers, which is never that something of its own is broken.
    pub fn ask(&self, request: TestRequest) -> Answer {
        let answer = self.server.ask(request);
        let body = String::from_utf8_lossy(&answer.body);
        assert!(matches!(answer.status, 200 | 401 | 403), "{}: {body}", answer.status);
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

pub(crate) async fn who(user: AuthUser) -> String {
    user.user_id().to_owned()
}

pub(crate) async fn who_if_anybody(MaybeAuthUser(user): MaybeAuthUser) -> String {
    user.map_or_else(|| "nobody".to_owned(), |user| user.user_id().to_owned())
}

async fn account(claims: Claims<serde_json::Value>, user: CurrentUser) -> String {
    assert_eq!(claims.0["user_id"], "1");
    user.0.username
}
