//! What tokens cost: to check one, to check one that was seen before, and to issue them; with
//! jsonwebtoken's `decode` and `encode` beside that.
//!
//!     cargo bench -p auth-core --bench tokens
//!
//! All take turns; what counts are the ratios of the medians to the signatures alone.

mod common;

use std::hint::black_box;
use std::time::Duration;

use auth_core::keys::generate;
use auth_core::token::TokenPair;
use auth_core::{Algorithm, Authority, ClientInfo, Key, KeyRing, MemoryStore, Settings};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use common::{Anybody, medians, print_head, print_row, proof, runtime, time_of, time_of_awaited};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

const ROUNDS: usize = 31;
const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

const ISSUER: &str = "https://bench.example";
const AUDIENCE: &str = "bench-api";
const GOOD: &str = "it is good";

fn main() {
    let runtime = runtime();
    let subjects = ALGORITHMS.map(|algorithm| runtime.block_on(Subject::new(algorithm)));

    print_head("check", ["signature", "authenticate", "seen before", "jsonwebtoken"]);
    for subject in &subjects {
        print_row(&subject.name(), medians(ROUNDS, || subject.check()));
    }

    println!();
    print_head("seen before, of live tokens", ["1", "100", "10,000", "10,000, all checks"]);
    let crowd = runtime.block_on(Crowd::new());
    crowd.times(); // From now on all of them were seen.
    print_row("HS256", medians(ROUNDS, || crowd.times()));

    println!();
    print_head("issue a pair", ["two signatures", "start_pair", "jsonwebtoken"]);
    for subject in &subjects {
        print_row(&subject.name(), medians(ROUNDS, || runtime.block_on(subject.issue())));
    }
}

/// What a hand-written service would read.
#[derive(Deserialize)]
struct ReadClaims {
    #[expect(dead_code, reason = "it is read, and not used")]
    user_id: String,
}

/// What it would write to say what our tokens say.
#[derive(Deserialize, Serialize)]
struct WrittenClaims {
    token_type: String,
    exp: i64,
    iat: i64,
    jti: String,
    user_id: String,
    aud: String,
    iss: String,
    sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#gen: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
}

impl WrittenClaims {
    fn of(token: &str) -> Self {
        let payload = token.split('.').nth(1).expect("three segments");
        let payload = BASE64.decode_to_vec(payload).expect("base64url");
        serde_json::from_slice(&payload).expect("the claims of our tokens")
    }
}

struct Subject {
    algorithm: Algorithm,
    key: Key,
    sign: Sign,
    decoding: DecodingKey,
    encoding: EncodingKey,
    validation: Validation,
    checking: Authority,
    remembering: Authority,
    /// An access token and a refresh token.
    tokens: [String; 2],
    calls: u32,
}

impl Subject {
    async fn new(algorithm: Algorithm) -> Self {
        let text = generate(algorithm).expect("a key can be made");
        let key = || match algorithm {
            Algorithm::HS256 => Key::hmac(algorithm, text.as_bytes()),
            _ => Key::from_private_pem(algorithm, text.as_bytes()),
        };
        let key = || key().expect(GOOD);
        let (checking, remembering) = (
            authority(key(), 0).await,
            authority(key(), Settings::default().token_cache_bytes).await,
        );
        let pair = checking.start_pair(proof(42), &ClientInfo::default()).await;
        let TokenPair { access, refresh } = pair.expect("the store is there").granted;
        let decoding = match key().public_jwk() {
            None => DecodingKey::from_secret(text.as_bytes()),
            Some(jwk) => {
                let jwk = serde_json::from_str(&jwk.to_string()).expect("a JWK is JSON");
                DecodingKey::from_jwk(&jwk).expect(GOOD)
            }
        };
        let encoding = match algorithm {
            Algorithm::HS256 => Ok(EncodingKey::from_secret(text.as_bytes())),
            Algorithm::RS256 => EncodingKey::from_rsa_pem(text.as_bytes()),
            Algorithm::ES256 => EncodingKey::from_ec_pem(text.as_bytes()),
            _ => EncodingKey::from_ed_pem(text.as_bytes()),
        };
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        Self {
            algorithm,
            key: key(),
            sign: signer(algorithm, &text),
            decoding,
            encoding: encoding.expect(GOOD),
            validation,
            checking,
            remembering,
            tokens: [access.into_string(), refresh.into_string()],
            calls: if algorithm == Algorithm::HS256 { 4000 } else { 200 },
        }
    }

    fn name(&self) -> String {
        format!("{:?}", self.algorithm)
    }

    /// The signature alone, all checks, a token that was seen, jsonwebtoken.
    fn check(&self) -> [f64; 4] {
        let token = self.tokens[0].as_str();
        let (message, signature) = token.rsplit_once('.').expect("three segments");
        let signature = BASE64.decode_to_vec(signature).expect("base64url");
        [
            time_of(self.calls, || {
                assert!(self.key.verify_signature(black_box(message.as_bytes()), &signature));
            }),
            time_of(self.calls, || {
                drop(self.checking.authenticate(black_box(token)).expect(GOOD));
            }),
            time_of(self.calls, || {
                drop(self.remembering.authenticate(black_box(token)).expect(GOOD));
            }),
            time_of(self.calls, || {
                let (key, validation) = (&self.decoding, &self.validation);
                let claims = jsonwebtoken::decode::<ReadClaims>(black_box(token), key, validation);
                drop(claims.expect(GOOD));
            }),
        ]
    }

    /// Two signatures; a login, which is a session in memory and two tokens; and of jsonwebtoken the
    /// tokens alone, with the claims at hand.
    async fn issue(&self) -> [f64; 3] {
        let calls = self.calls / 10;
        let messages = self.tokens.each_ref().map(|token| token.rsplit_once('.').expect(GOOD).0);
        let claims = self.tokens.each_ref().map(|token| WrittenClaims::of(token));
        let client = ClientInfo::default();
        let header = Header::new(self.algorithm);
        [
            time_of(calls, || messages.map(str::as_bytes).iter().for_each(|m| (self.sign)(m))),
            time_of_awaited(calls, async || {
                let pair = self.checking.start_pair(proof(42), &client).await;
                black_box(pair).expect("the store is there");
            })
            .await,
            time_of(calls, || {
                for claims in &claims {
                    let token = jsonwebtoken::encode(&header, black_box(claims), &self.encoding);
                    black_box(token).expect("it can be signed");
                }
            }),
        ]
    }
}

async fn authority(key: Key, token_cache_bytes: usize) -> Authority {
    let settings = Settings {
        issuer: Some(ISSUER.into()),
        audience: vec![AUDIENCE.into()],
        token_cache_bytes,
        // The run is not kept up to date about revocations.
        revocation_max_staleness: Duration::from_secs(3600),
        ..Settings::default()
    };
    let builder = Authority::builder(settings).keys(KeyRing::new(key));
    let builder = builder.store(MemoryStore::new()).users(Anybody::default());
    let authority = builder.build().expect("the settings are good");
    authority.sync().await.expect("the store is there");
    authority
}

type Sign = Box<dyn Fn(&[u8])>;

/// What signs, with a key that was parsed once, and does nothing else.
fn signer(algorithm: Algorithm, text: &str) -> Sign {
    if algorithm == Algorithm::HS256 {
        let key = hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes());
        return Box::new(move |message| {
            black_box(hmac::sign(&key, message));
        });
    }
    #[expect(clippy::disallowed_methods, reason = "it is to be measured alone")]
    let random = SystemRandom::new();
    let pem = pem::parse(text).expect("PEM");
    match algorithm {
        Algorithm::RS256 => {
            let key = RsaKeyPair::from_pkcs8(pem.contents()).expect(GOOD);
            Box::new(move |message| {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect(GOOD);
                black_box(signature);
            })
        }
        Algorithm::ES256 => {
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pem.contents());
            let key = key.expect(GOOD);
            Box::new(move |message| {
                black_box(key.sign(&random, message)).expect(GOOD);
            })
        }
        _ => {
            let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pem.contents()).expect(GOOD);
            Box::new(move |message| {
                black_box(key.sign(message));
            })
        }
    }
}

/// Ten thousand logins whose tokens are shown in turn.
struct Crowd {
    remembering: Authority,
    checking: Authority,
    tokens: Vec<String>,
}

impl Crowd {
    async fn new() -> Self {
        let text = generate(Algorithm::HS256).expect("a key can be made");
        let key = || Key::hmac(Algorithm::HS256, text.as_bytes()).expect(GOOD);
        let remembering = authority(key(), Settings::default().token_cache_bytes).await;
        let checking = authority(key(), 0).await;
        let mut tokens = Vec::new();
        for user in 0..10_000 {
            let pair = checking.start_pair(proof(user), &ClientInfo::default()).await;
            tokens.push(pair.expect("the store is there").granted.access.into_string());
        }
        Self { remembering, checking, tokens }
    }

    /// One of them over and over, a hundred in turn, all in turn; and all without a memory of them.
    fn times(&self) -> [f64; 4] {
        let all = self.tokens.len();
        let of = |authority: &Authority, live: usize| {
            let mut tokens = self.tokens[..live].iter().cycle();
            time_of(all as u32, || {
                let token = tokens.next().expect("it never ends");
                drop(authority.authenticate(black_box(token)).expect(GOOD));
            })
        };
        [
            of(&self.remembering, 1),
            of(&self.remembering, 100),
            of(&self.remembering, all),
            of(&self.checking, all),
        ]
    }
}
