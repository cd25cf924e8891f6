//! A service that verifies the tokens of another issuer, whose keys it fetches: from a real HTTP
//! server that is slow, away, huge, malformed, and changes its keys.

mod issuer;

use std::time::{Duration, Instant};

use actix_jwt::{
    Auth, AuthUser, JwtAuth, RemoteKeys, RemoteKeysBuilder, RemoteKeysError, StartError,
};
use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use auth_core::{Algorithm, Authority, Settings};
use futures_util::future::join_all;
use issuer::{AUDIENCE, ISSUER, Page, Pair, Server, set_of};
use serde_json::{Value, json};
use tests::eventually;

const MOMENT: Duration = Duration::from_millis(300);

/// The service. It stops when it is dropped.
struct Service {
    auth: Auth,
    base: String,
    http: reqwest::Client,
    server: ServerHandle,
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

fn settings() -> Settings {
    Settings {
        issuer: Some(ISSUER.into()),
        audience: vec![AUDIENCE.into()],
        user_id_claim: "sub".into(),
        ..Settings::default()
    }
}

/// Quicker than one would be in earnest.
fn keys_at(url: String) -> RemoteKeysBuilder {
    RemoteKeys::at(url)
        .allow_http()
        .timeout(Duration::from_secs(1))
        .interval(Duration::from_secs(60))
        .cool_down(Duration::ZERO)
}

impl Service {
    async fn start(keys: RemoteKeysBuilder) -> Self {
        Self::start_for(ISSUER, keys).await
    }

    async fn start_for(issuer: &str, keys: RemoteKeysBuilder) -> Self {
        let settings = Settings { issuer: Some(issuer.to_owned()), ..settings() };
        let authority = Authority::verifier(settings).build().unwrap();
        let auth = Auth::builder(authority).keys_from(keys.build().unwrap());
        Self::of(auth.start().await.unwrap()).await
    }

    async fn of(auth: Auth) -> Self {
        async fn me(user: AuthUser) -> String {
            user.user_id().to_owned()
        }

        let mounted = auth.clone();
        let server = HttpServer::new(move || {
            App::new()
                .configure(mounted.mount("/auth"))
                .service(web::scope("/me").wrap(JwtAuth).route("", web::get().to(me)))
        });
        let server = server.workers(1).bind(("127.0.0.1", 0)).unwrap();
        let base = format!("http://{}", server.addrs()[0]);
        let server = server.disable_signals().run();
        let handle = server.handle();
        tokio::task::spawn_local(server);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { auth, base, http, server: handle }
    }

    async fn me(&self, token: &str) -> u16 {
        let request = self.http.get(format!("{}/me", self.base)).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.http.post(format!("{}{path}", self.base)).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

fn test<F: Future<Output = ()>>(test: F) {
    actix_web::rt::System::new().block_on(test);
}

#[test]
fn tokens_of_the_issuer_are_accepted_with_keys_of_every_kind() {
    test(async {
        let server = Server::start().await;
        let algorithms = [
            Algorithm::EdDSA,
            Algorithm::ES256,
            Algorithm::ES384,
            Algorithm::RS256,
            Algorithm::PS384,
        ];
        let pairs = algorithms.map(Pair::new);
        server.put_keys(&pairs.each_ref());
        let service = Service::start(keys_at(server.url("/jwks"))).await;
        for pair in &pairs {
            assert_eq!(service.me(&pair.token()).await, 200, "{:?}", pair.key.algorithm());
        }
        assert_eq!(service.me(&Pair::new(Algorithm::EdDSA).token_named(pairs[0].kid())).await, 401);
        assert!(server.hits() <= 2, "once at the start, once for the stranger's key at most");
    });
}

#[test]
fn what_the_issuer_did_not_mean_for_us_is_refused() {
    test(async {
        let (server, pair) = (Server::start().await, Pair::new(Algorithm::ES256));
        server.put_keys(&[&pair]);
        let service = Service::start(keys_at(server.url("/jwks"))).await;
        let now = auth_core::Clock::system().now_seconds();
        let good = json!({
            "iss": ISSUER, "aud": [AUDIENCE, "others"], "sub": "7", "jti": "1", "exp": now + 60,
        });
        assert_eq!(service.me(&pair.sign(pair.kid(), &good)).await, 200);
        for (member, value) in [
            ("iss", json!("https://id.example.org.evil.example")),
            ("iss", json!([ISSUER])),
            ("iss", json!(null)),
            ("aud", json!("others")),
            ("aud", json!([])),
            ("aud", json!(null)),
            ("sub", json!(null)),
            ("exp", json!(now - 1)),
            ("token_type", json!("refresh")),
        ] {
            let claims = tests::token::but(good.clone(), json!({ member: value.clone() }));
            assert_eq!(service.me(&pair.sign(pair.kid(), &claims)).await, 401, "{member}: {value}");
        }
    });
}

#[test]
fn a_key_that_is_new_is_fetched_by_the_first_request_that_needs_it() {
    test(async {
        let (server, old, new) =
            (Server::start().await, Pair::new(Algorithm::EdDSA), Pair::new(Algorithm::EdDSA));
        server.put_keys(&[&old]);
        let service = Service::start(keys_at(server.url("/jwks"))).await;
        assert_eq!(service.me(&old.token()).await, 200);
        server.put_keys(&[&old, &new]);
        assert_eq!(service.me(&new.token()).await, 200);
        assert_eq!(service.me(&old.token()).await, 200);
        assert_eq!(server.hits(), 2);

        // One that was withdrawn goes with the next fetch, whoever causes it.
        server.put_keys(&[&new]);
        assert_eq!(service.me(&Pair::new(Algorithm::EdDSA).token()).await, 401);
        assert_eq!(service.me(&old.token()).await, 401);
        assert_eq!(service.me(&new.token()).await, 200);

        // The route that verifies asks too.
        let newest = Pair::new(Algorithm::EdDSA);
        server.put_keys(&[&newest]);
        let (status, body) =
            service.post("/auth/token/verify", json!({"token": newest.token()})).await;
        assert_eq!((status, body), (200, json!({})));
    });
}

#[test]
fn a_flood_of_unknown_keys_causes_one_fetch_a_cool_down_and_all_who_wait_share_it() {
    test(async {
        let (server, old, new) =
            (Server::start().await, Pair::new(Algorithm::EdDSA), Pair::new(Algorithm::EdDSA));
        server.put_keys(&[&old]);
        let keys = keys_at(server.url("/jwks")).cool_down(Duration::from_secs(3600));
        let service = Service::start(keys).await;
        // The start counts: nothing can be new yet.
        let flood: Vec<_> = (0..50).map(|n| old.token_named(&format!("forged-{n}"))).collect();
        let statuses = join_all(flood.iter().map(|token| service.me(token))).await;
        assert!(statuses.iter().all(|status| *status == 401));
        assert_eq!(server.hits(), 1);
        assert_eq!(service.me(&new.token()).await, 401, "it is looked at again in an hour");

        // One that is short is waited for.
        let keys = keys_at(server.url("/jwks")).cool_down(MOMENT);
        let service = Service::start(keys).await;
        server.put("/jwks", Page::Slow(Duration::from_millis(1), set_of(&[&new])));
        let before = server.hits();
        let token = new.token();
        let waiting = join_all((0..50).map(|_| service.me(&token))).await;
        assert!(waiting.iter().all(|status| *status == 200), "{waiting:?}");
        assert_eq!(server.hits(), before + 1, "a single flight");
    });
}

#[test]
fn keys_that_cannot_be_had_at_the_start_are_an_outage_until_they_can() {
    test(async {
        let (mut server, pair) = (Server::start().await, Pair::new(Algorithm::ES256));
        server.put_keys(&[&pair]);
        server.go_away().await;
        let service = Service::start(keys_at(server.url("/jwks"))).await;
        assert_eq!(service.me(&pair.token()).await, 503);
        server.come_back().await;
        eventually("the keys are fetched", async || service.me(&pair.token()).await == 200).await;
    });
}

#[test]
fn old_keys_serve_through_an_outage_up_to_the_limit() {
    test(async {
        let (mut server, pair) = (Server::start().await, Pair::new(Algorithm::ES256));
        server.put_keys(&[&pair]);
        let limit = Duration::from_secs(3);
        let keys = keys_at(server.url("/jwks")).interval(MOMENT).max_staleness(limit);
        let service = Service::start(keys).await;
        // The limit counts from the last answer, not from the start.
        tokio::time::sleep(limit + MOMENT).await;
        assert_eq!(service.me(&pair.token()).await, 200);
        let begun = Instant::now();
        server.go_away().await;
        eventually("too old", async || {
            let status = service.me(&pair.token()).await;
            if begun.elapsed() < limit - MOMENT {
                assert_eq!(status, 200);
            }
            status == 503
        })
        .await;
        // Not even what is forged is told apart.
        assert_eq!(service.me(&pair.token_named("forged")).await, 503);
        server.come_back().await;
        eventually("back", async || service.me(&pair.token()).await == 200).await;
    });
}

#[test]
fn nothing_is_asked_any_more_when_the_service_has_ended() {
    test(async {
        let server = Server::start().await;
        server.put_keys(&[&Pair::new(Algorithm::ES256)]);
        let keys = keys_at(server.url("/jwks")).interval(Duration::from_millis(100));
        let authority = Authority::verifier(settings()).build().unwrap();
        let auth = Auth::builder(authority).keys_from(keys.build().unwrap()).start().await.unwrap();
        eventually("it asks", async || server.hits() >= 3).await;
        drop(auth);
        tokio::time::sleep(MOMENT).await;
        let hits = server.hits();
        tokio::time::sleep(MOMENT).await;
        assert_eq!(server.hits(), hits);
    });
}

#[test]
fn what_is_no_key_set_leaves_the_old_keys_in_use() {
    test(async {
        let (server, pair) = (Server::start().await, Pair::new(Algorithm::ES256));
        server.put_keys(&[&pair]);
        let service = Service::start(keys_at(server.url("/jwks"))).await;
        let other = Pair::new(Algorithm::EdDSA);
        let set = set_of(&[&other]);
        server.put("/other", Page::Body(set.clone()));
        let private = json!({"kty": "oct", "kid": "secret", "alg": "HS256", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"});
        for (what, page) in [
            ("an error", Page::Status(500)),
            ("an error with keys", Page::Failed(500, set.clone())),
            ("keys that are not there", Page::Failed(404, set.clone())),
            ("nothing there", Page::Status(404)),
            ("not changed", Page::Status(304)),
            ("a redirection", Page::Redirect(server.url("/other"))),
            ("too slow", Page::Slow(Duration::from_millis(50), set.clone())),
            ("silence", Page::Silent),
            ("too long, and says so", Page::Long(64 << 20, true)),
            ("too long, and does not say so", Page::Long(64 << 20, false)),
            ("keys, and too much more", Page::Body(format!("{set}{}", " ".repeat(256 * 1024)))),
            ("cut off", Page::Cut(set.clone())),
            ("half of it", Page::Body(set[..set.len() / 2].into())),
            ("empty", Page::Body(String::new())),
            ("a page", Page::Body("<html>Login</html>".into())),
            ("no keys", Page::Body(r#"{"keys":[]}"#.into())),
            ("a list", Page::Body("[]".into())),
            ("a secret", Page::Body(json!({ "keys": [private] }).to_string())),
            ("keys of no use", Page::Body(json!({"keys": [{"kty": "PQ"}, 7, null]}).to_string())),
            ("keys twice", Page::Body(format!(r#"{{"keys":[],{}"#, &set[1..]))),
            ("too many", Page::Body(json!({ "keys": vec![other.jwk(); 101] }).to_string())),
            ("deep", Page::Body("[".repeat(100_000))),
        ] {
            server.put("/jwks", page);
            let before = server.hits();
            let begun = Instant::now();
            assert_eq!(service.me(&other.token()).await, 401, "{what}");
            assert!(begun.elapsed() < Duration::from_secs(5), "{what}: {:?}", begun.elapsed());
            assert!(server.hits() > before, "{what}: it was not asked");
            assert_eq!(service.me(&pair.token()).await, 200, "{what}");
        }
        // Of a set with good and bad, what is good.
        let mixed = json!({"keys": [{"kty": "PQ"}, private, other.jwk(), {"kty": "RSA", "n": "AQAB", "e": "AQAB"}]});
        server.put("/jwks", Page::Body(mixed.to_string()));
        assert_eq!(service.me(&other.token()).await, 200);
        // Of two with one name the first, and the others all the same.
        let mut twin = Pair::new(Algorithm::EdDSA).jwk();
        twin["kid"] = json!(other.kid());
        let third = Pair::new(Algorithm::ES384);
        let twins = json!({ "keys": [other.jwk(), twin, third.jwk()] });
        server.put("/jwks", Page::Body(twins.to_string()));
        assert_eq!(service.me(&third.token()).await, 200);
        assert_eq!(service.me(&other.token()).await, 200);
        server.put("/jwks", Page::Body(mixed.to_string()));
        // The published secret signs nothing: key confusion by the issuer.
        let now = auth_core::Clock::system().now_seconds();
        let claims =
            json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "7", "jti": "1", "exp": now + 60});
        let secret = base64_simd::URL_SAFE_NO_PAD
            .decode_to_vec("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T")
            .unwrap();
        let header = jsonwebtoken::Header {
            kid: Some("secret".into()),
            typ: Some("at+jwt".into()),
            ..Default::default()
        };
        let key = jsonwebtoken::EncodingKey::from_secret(&secret);
        let forged = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        assert_eq!(service.me(&forged).await, 401);
    });
}

#[test]
fn a_slow_issuer_delays_only_those_who_need_its_answer() {
    test(async {
        let (server, pair) = (Server::start().await, Pair::new(Algorithm::ES256));
        server.put_keys(&[&pair]);
        let service = Service::start(keys_at(server.url("/jwks"))).await;
        server.put("/jwks", Page::Silent);
        let (unknown, known) = (pair.token_named("unknown"), pair.token());
        let begun = Instant::now();
        let patient = async {
            assert_eq!(service.me(&unknown).await, 401);
            begun.elapsed()
        };
        let others = async {
            for _ in 0..20 {
                assert_eq!(service.me(&known).await, 200);
            }
            begun.elapsed()
        };
        let (patient, others) = tokio::join!(patient, others);
        assert!(others < patient, "{others:?} {patient:?}");
    });
}

#[test]
fn a_client_that_goes_away_does_not_end_what_others_wait_for() {
    test(async {
        let (server, old, new) =
            (Server::start().await, Pair::new(Algorithm::EdDSA), Pair::new(Algorithm::EdDSA));
        server.put_keys(&[&old]);
        let service = Service::start(keys_at(server.url("/jwks"))).await;
        let set = set_of(&[&new]);
        // Half a second.
        let pause = Duration::from_millis(500) / u32::try_from(set.len()).unwrap();
        server.put("/jwks", Page::Slow(pause, set));
        let token = new.token();
        let impatient = tokio::time::timeout(Duration::from_millis(50), service.me(&token));
        assert!(impatient.await.is_err(), "it has gone away");
        assert_eq!(service.me(&token).await, 200);
        assert_eq!(server.hits(), 2, "at the start, and for the one that went away");
    });
}

#[test]
fn an_openid_provider_is_found_by_its_name() {
    test(async {
        let (server, pair) = (Server::start().await, Pair::new(Algorithm::RS256));
        server.put_keys(&[&pair]);
        let name = server.url("/tenant");
        let configure = |issuer: &str, jwks_uri: &str| {
            let configuration = json!({"issuer": issuer, "jwks_uri": jwks_uri, "more": [1]});
            let page = Page::Body(configuration.to_string());
            server.put("/tenant/.well-known/openid-configuration", page);
        };
        let keys = || RemoteKeys::openid(&name).allow_http().timeout(Duration::from_secs(1));
        let now = auth_core::Clock::system().now_seconds();
        let token = |issuer: &str| {
            let claims = json!({
                "iss": issuer, "aud": AUDIENCE, "sub": "7", "jti": "1", "exp": now + 60,
            });
            pair.sign(pair.kid(), &claims)
        };
        for named in [name.clone(), format!("{name}/")] {
            configure(&named, &server.url("/jwks"));
            let service = Service::start_for(&named, keys()).await;
            assert_eq!(service.me(&token(&named)).await, 200);
            assert_eq!(service.me(&token(ISSUER)).await, 401);
        }
        for (issuer, jwks_uri) in [
            ("https://evil.example", server.url("/jwks")),
            (&*name.to_uppercase(), server.url("/jwks")),
            (&*format!("{name}/x"), server.url("/jwks")),
            (&*format!("{name}//"), server.url("/jwks")),
            (&*name, "file:///etc/passwd".to_owned()),
            (&*name, "/jwks".to_owned()),
            (&*name, server.url("/nothing")),
        ] {
            configure(issuer, &jwks_uri);
            let status = Service::start_for(&name, keys()).await.me(&token(&name)).await;
            assert_eq!(status, 503, "{issuer} {jwks_uri}");
        }
        server.put("/tenant/.well-known/openid-configuration", Page::Body("{}".into()));
        assert_eq!(Service::start_for(&name, keys()).await.me(&token(&name)).await, 503);
    });
}

#[test]
fn keys_that_do_not_go_with_the_authority_are_refused_at_start() {
    test(async {
        let (server, pair) = (Server::start().await, Pair::new(Algorithm::ES256));
        server.put_keys(&[&pair]);
        let start = async |authority: Authority, keys: RemoteKeysBuilder| {
            let auth = Auth::builder(authority).keys_from(keys.build().unwrap()).start().await;
            auth.map(|_| ()).unwrap_err().to_string()
        };
        let verifier = |issuer: Option<&str>| {
            let issuer = issuer.map(str::to_owned);
            Authority::verifier(Settings { issuer, ..settings() }).build().unwrap()
        };
        let keys = || keys_at(server.url("/jwks"));
        assert!(start(verifier(None), keys()).await.contains("issuer"), "whose tokens are they?");
        let other = RemoteKeys::openid(&server.url("")).allow_http();
        assert!(start(verifier(Some(ISSUER)), other).await.contains("issuer"));

        let issuing = Authority::builder(Settings {
            signing_key: Some(tests::token::SIGNING_KEY.into()),
            ..settings()
        });
        let issuing = issuing.store(auth_core::MemoryStore::new()).users(Nobody).build().unwrap();
        assert!(
            start(issuing, keys()).await.contains("can sign"),
            "it would refuse its own tokens"
        );

        let nowhere = auth_core::KeyDirectory::new("/nonexistent/keys");
        let waiting = Auth::builder(verifier(Some(ISSUER))).keys_from(nowhere).start().await;
        assert!(waiting.unwrap_err().to_string().contains("/nonexistent/keys"));

        let verifier = verifier(Some(ISSUER));
        verifier.set_keys(auth_core::KeyRing::new(Pair::new(Algorithm::ES256).key)).unwrap();
        assert!(!verifier.issues() && !verifier.keys().can_sign(), "built to verify only");
    });
}

struct Nobody;

#[async_trait::async_trait]
impl auth_core::UserDirectory for Nobody {
    async fn find_by_login(
        &self,
        _: &str,
    ) -> Result<Option<auth_core::Account>, auth_core::Outage> {
        Ok(None)
    }

    async fn load(&self, _: &str) -> Result<Option<auth_core::Account>, auth_core::Outage> {
        Ok(None)
    }
}

#[test]
fn keys_come_over_https_from_somebody_with_a_certificate_that_is_trusted() {
    test(async {
        let (server, pair) = (Server::start_tls().await, Pair::new(Algorithm::ES256));
        server.put_keys(&[&pair]);
        let at = || RemoteKeys::at(server.url("/jwks")).timeout(Duration::from_secs(2));
        let trusted = Service::start(at().root_certificate(server.certificate())).await;
        assert_eq!(trusted.me(&pair.token()).await, 200);
        let stranger = Service::start(at()).await;
        assert_eq!(stranger.me(&pair.token()).await, 503);
        assert_eq!(server.hits(), 1, "a stranger is not even asked");

        // A provider of https cannot send us to plain HTTP for its keys.
        let plain = Server::start().await;
        plain.put_keys(&[&pair]);
        let configuration = json!({"issuer": server.url(""), "jwks_uri": plain.url("/jwks")});
        let page = Page::Body(configuration.to_string());
        server.put("/.well-known/openid-configuration", page);
        let keys = RemoteKeys::openid(&server.url("")).root_certificate(server.certificate());
        assert_eq!(Service::start_for(&server.url(""), keys).await.me(&pair.token()).await, 503);
        assert_eq!(plain.hits(), 0);
    });
}

#[test]
fn options_that_cannot_work_are_refused_at_start() {
    for url in [
        "http://id.example.org/jwks",
        "ftp://id.example.org",
        "id.example.org",
        "",
        "https://",
        "https://user:password@id.example.org/jwks",
        "https://id.example.org/.well-known/openid-configuration?x",
        "https://id.example.org/.well-known/openid-configuration/",
        "https://id.example.org/.well-known/openid-configuration ",
    ] {
        assert_eq!(RemoteKeys::at(url).build().unwrap_err(), RemoteKeysError::Url, "{url}");
    }
    let below = "https://id.example.org/.well-known/openid-configuration/jwks";
    assert!(RemoteKeys::at(below).build().is_ok());
    let at = || RemoteKeys::at("https://id.example.org/jwks");
    assert!(at().build().is_ok());
    let error = at().rsa_algorithm(Algorithm::HS256).build().unwrap_err();
    assert_eq!(error, RemoteKeysError::Algorithm);
    for keys in [
        at().interval(Duration::ZERO),
        at().max_staleness(Duration::from_secs(1)),
        at().timeout(Duration::ZERO),
    ] {
        assert_eq!(keys.build().unwrap_err(), RemoteKeysError::Times);
    }
    let error = at().root_certificate("no certificate").build().unwrap_err();
    assert_eq!(error, RemoteKeysError::Certificate);
}

#[test]
fn the_setting_jwk_url_does_the_same() {
    test(async {
        let with = |url: &str| Settings { jwk_url: Some(url.into()), ..settings() };
        let build = |settings| Authority::verifier(settings).build();
        let plain = build(with("http://id.example.org/jwks")).unwrap();
        let error = Auth::start(plain).await.unwrap_err();
        assert!(matches!(error, StartError::JwkUrl(_)), "{error}");
        let without = Settings { issuer: None, ..with("https://id.example.org/jwks") };
        assert!(build(without).unwrap_err().to_string().contains("issuer"));

        // Over https, so that the keys cannot be had here: an outage, and no key of ours instead.
        let (server, pair) = (Server::start_tls().await, Pair::new(Algorithm::ES256));
        let service = Auth::start(build(with(&server.url("/jwks"))).unwrap()).await.unwrap();
        let service = Service::of(service).await;
        assert_eq!(service.me(&pair.token()).await, 503);
        for path in ["/auth/token/", "/auth/token/refresh/", "/auth/v1/users/login"] {
            let request = service.http.post(format!("{}{path}", service.base)).json(&json!({}));
            assert_eq!(request.send().await.unwrap().status(), 404, "{path}: it issues nothing");
        }
        assert!(!service.auth.authority().issues());
    });
}
