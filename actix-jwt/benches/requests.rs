//! What a guard adds to a request, without a network: from the request that was read to the answer that would
//! be written, on an unprotected route, on protected ones, and on one that is protected by hand.
//!
//!     cargo bench -p actix-jwt --bench requests
//!
//! All take turns; what counts are the ratios of the medians to the unprotected route. Then what each credential of
//! a chain of five costs, beside a route that takes one.

#[path = "../../auth-core/benches/common/mod.rs"]
mod common;
#[path = "../examples/hand_written/mod.rs"]
mod hand_written;

use std::hint::black_box;
use std::time::{Duration, Instant};

use actix_http::Request;
use actix_jwt::{Auth, AuthUser, Claims, Credential, JwtAuth};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, Data, Json, ServiceConfig, get};
use actix_web::{App, Error};
use actix_web_httpauth::middleware::HttpAuthentication;
use auth_core::{
    Algorithm, Authority, ClientInfo, MemoryStore, NewPersonalToken, Principal, Settings,
};
use common::{Anybody, medians, print_head, print_row, proof};
use hand_written::{AUDIENCE, ISSUER, Me, Verifier, anybody, validator};
use jsonwebtoken::DecodingKey;
use serde::Deserialize;

const ROUNDS: usize = 101;
const CALLS: usize = 500;
const SECRET: &str = "a secret of at least thirty-two bytes";

type Route = fn(&mut ServiceConfig);

const GUARDED: Route = |config| {
    config.service(web::scope("/me").wrap(JwtAuth).route("", get().to(user)));
};

const ROUTES: [(&str, Route); 5] = [
    ("unprotected", |config| {
        config.service(web::scope("/me").route("", get().to(anybody)));
    }),
    ("AuthUser", |config| {
        config.service(web::scope("/me").route("", get().to(user)));
    }),
    ("JwtAuth, AuthUser", GUARDED),
    ("…, Claims", |config| {
        config.service(web::scope("/me").wrap(JwtAuth).route("", get().to(user_with_claims)));
    }),
    ("by hand", |config| {
        let scope = web::scope("/me").wrap(HttpAuthentication::bearer(validator));
        config.service(scope.route("", get().to(hand_written::me)));
    }),
];

async fn user(user: AuthUser) -> Json<Me> {
    Json(Me { id: user.user_id().to_owned(), name: "Alice Example".into() })
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

async fn user_with_claims(user: AuthUser, Claims(Name { name }): Claims<Name>) -> Json<Me> {
    Json(Me { id: user.user_id().to_owned(), name })
}

fn main() {
    let system = actix_web::rt::System::new();
    print_head("HS256", ROUTES.map(|(name, _)| name));
    for (name, token_cache_bytes) in
        [("seen before", Settings::default().token_cache_bytes), ("all checks", 0)]
    {
        let subject = system.block_on(Subject::new(token_cache_bytes));
        let routes = ROUTES.map(|(_, route)| system.block_on(subject.app(route)));
        let bearer = &subject.credentials[0];
        let times =
            medians(ROUNDS, || routes.each_ref().map(|app| system.block_on(time_of(app, bearer))));
        print_row(name, times);
    }
    println!();
    let subject = system.block_on(Subject::new(Settings::default().token_cache_bytes));
    let alone = system.block_on(subject.app(GUARDED));
    let chain = system.block_on(app_with(subject.chain.clone(), GUARDED));
    let [bearer, cookie, personal, single] = &subject.credentials;
    print_head("a chain of five", ["Bearer, alone", "Bearer", "cookie", "Token", "jwt-auth"]);
    let times = medians(ROUNDS, || {
        system.block_on(async {
            [
                time_of(&alone, bearer).await,
                time_of(&chain, bearer).await,
                time_of(&chain, cookie).await,
                time_of(&chain, personal).await,
                time_of(&chain, single).await,
            ]
        })
    });
    print_row("seen before", times);
}

type Header = (&'static str, String);

struct Subject {
    auth: Auth,
    /// The same with a chain of five.
    chain: Auth,
    /// Of each kind one: Bearer, cookie, Token, and the header.
    credentials: [Header; 4],
}

impl Subject {
    async fn new(token_cache_bytes: usize) -> Self {
        let settings = Settings {
            issuer: Some(ISSUER.into()),
            audience: vec![AUDIENCE.into()],
            token_cache_bytes,
            // The run is not kept up to date about revocations.
            revocation_max_staleness: Duration::from_secs(3600),
            ..Settings::with_signing_key(SECRET)
        };
        let authority = Authority::builder(settings).store(MemoryStore::new());
        let authority = authority.users(Anybody::default()).claims(|_, claims| {
            claims.insert("name".into(), "Alice Example".into());
        });
        let authority = authority.build().expect("the settings are good");
        let auth = Auth::start(authority.clone()).await.expect("the store is there");
        let chain = Auth::builder(authority.clone()).credentials([
            Credential::basic(),
            Credential::session_cookie(),
            Credential::token(),
            Credential::bearer(),
            Credential::header("jwt-auth"),
        ]);
        let chain = chain.start().await.expect("the store is there");

        let client = ClientInfo::default();
        let pair = authority.start_pair(proof(42), &client).await.expect("the store is there");
        let cookie = authority.start_cookie(proof(42), &client).await.expect("the store is there");
        let single = authority.start_single(proof(42), &client).await.expect("the store is there");
        let new = NewPersonalToken { name: "bench".into(), scopes: None, lifetime: None };
        let user = Principal::new("user", "42");
        let made = authority.create_personal_token_for(&user, new).await;
        let (personal, _) = made.expect("the store is there");
        let bearer = format!("Bearer {}", pair.granted.access.into_string());
        let cookie = format!("sessionid={}", cookie.granted.into_string());
        let personal = format!("Token {}", personal.into_string());
        let credentials = [
            ("authorization", bearer),
            ("cookie", cookie),
            ("authorization", personal),
            ("jwt-auth", single.granted.into_string()),
        ];
        Self { auth, chain, credentials }
    }

    async fn app(
        &self,
        route: Route,
    ) -> impl Service<Request, Response = ServiceResponse, Error = Error> + use<> {
        app_with(self.auth.clone(), route).await
    }
}

async fn app_with(
    auth: Auth,
    route: Route,
) -> impl Service<Request, Response = ServiceResponse, Error = Error> + use<> {
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    let verifier = Data::new(Verifier::new(Algorithm::HS256, key));
    init_service(App::new().app_data(auth).app_data(verifier).configure(route)).await
}

/// Of a request, in nanoseconds. Making the requests is not part of it.
async fn time_of(
    app: &impl Service<Request, Response = ServiceResponse, Error = Error>,
    header: &Header,
) -> f64 {
    let request = |_| TestRequest::get().uri("/me").insert_header(header.clone()).to_request();
    let requests: Vec<Request> = (0..CALLS).map(request).collect();
    let begun = Instant::now();
    for request in requests {
        let response = app.call(request).await.expect("it is answered");
        assert_eq!(black_box(response).status(), 200);
    }
    begun.elapsed().as_nanos() as f64 / CALLS as f64
}
