//! What it costs to check a token: the signature alone, all checks, all checks of one that was seen
//! before, and jsonwebtoken's `decode` beside them.
//!
//!     cargo bench -p auth-core --bench tokens
//!
//! They take turns, so that what the machine does meanwhile hits all alike; what counts are the ratios
//! of their medians to the signature alone.

use std::hint::black_box;
use std::time::Instant;

use auth_core::keys::generate;
use auth_core::{
    Account, Algorithm, Authority, ClientInfo, Key, KeyRing, MemoryStore, Outage, Principal, Proof,
    Settings, UserDirectory,
};
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{DecodingKey, Validation};
use serde::Deserialize;

const ROUNDS: usize = 31;

struct Anybody;

#[auth_core::async_trait]
impl UserDirectory for Anybody {
    async fn find_by_login(&self, _: &str) -> Result<Option<Account>, Outage> {
        Ok(None)
    }

    async fn load(&self, id: &str) -> Result<Option<Account>, Outage> {
        Ok(Some(Account::new(Principal::new("user", id), id)))
    }
}

/// What a hand-written service would read.
#[derive(Deserialize)]
struct Claims {
    #[expect(dead_code, reason = "it is read, and not used")]
    user_id: String,
}

struct Subject {
    algorithm: Algorithm,
    key: Key,
    decoding: DecodingKey,
    validation: Validation,
    checking: Authority,
    remembering: Authority,
    token: String,
    calls: u32,
}

impl Subject {
    async fn new(algorithm: Algorithm) -> Self {
        let text = generate(algorithm).expect("a key can be made");
        let key = || match algorithm {
            Algorithm::HS256 => Key::hmac(algorithm, text.as_bytes()),
            _ => Key::from_private_pem(algorithm, text.as_bytes()),
        };
        let key = || key().expect("it is good");
        let build = |token_cache_bytes| {
            let settings = Settings {
                issuer: Some("https://bench.example".into()),
                audience: vec!["bench-api".into()],
                token_cache_bytes,
                ..Settings::default()
            };
            let builder = Authority::builder(settings).keys(KeyRing::new(key()));
            builder.store(MemoryStore::new()).users(Anybody).build().expect("the settings are good")
        };
        let (checking, remembering) = (build(0), build(1 << 20));
        checking.sync().await.expect("the store is there");
        remembering.sync().await.expect("the store is there");
        let proof = Proof::vouched(Principal::new("user", "42"), []);
        let pair = checking.start_pair(proof, &ClientInfo::default()).await;
        let token = pair.expect("the store is there").granted.access.into_string();
        let decoding = match key().public_jwk() {
            None => DecodingKey::from_secret(text.as_bytes()),
            Some(jwk) => {
                let jwk = serde_json::from_str(&jwk.to_string()).expect("a JWK is JSON");
                DecodingKey::from_jwk(&jwk).expect("it is good")
            }
        };
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&["https://bench.example"]);
        validation.set_audience(&["bench-api"]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let calls = if algorithm == Algorithm::HS256 { 4000 } else { 200 };
        let key = key();
        Self { algorithm, key, decoding, validation, checking, remembering, token, calls }
    }

    fn time_of(&self, mut call: impl FnMut()) -> f64 {
        let begun = Instant::now();
        for _ in 0..self.calls {
            call();
        }
        begun.elapsed().as_nanos() as f64 / f64::from(self.calls)
    }

    /// In nanoseconds a call: the signature alone, all checks, a token that was seen, jsonwebtoken.
    fn times(&self) -> [f64; 4] {
        let (message, signature) = self.token.rsplit_once('.').expect("three segments");
        let signature = BASE64.decode_to_vec(signature).expect("base64url");
        let token = self.token.as_str();
        let good = "it is good";
        [
            self.time_of(|| {
                assert!(self.key.verify_signature(black_box(message.as_bytes()), &signature));
            }),
            self.time_of(|| drop(self.checking.authenticate(black_box(token)).expect(good))),
            self.time_of(|| drop(self.remembering.authenticate(black_box(token)).expect(good))),
            self.time_of(|| {
                let decoded = jsonwebtoken::decode::<Claims>(
                    black_box(token),
                    &self.decoding,
                    &self.validation,
                );
                drop(decoded.expect(good));
            }),
        ]
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be built");
    println!(
        "{:>9}  {:>12}  {:>20}  {:>20}  {:>20}",
        "algorithm", "signature", "authenticate", "seen before", "jsonwebtoken"
    );
    for algorithm in [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let subject = runtime.block_on(Subject::new(algorithm));
        let mut times: [Vec<f64>; 4] = Default::default();
        for _ in 0..ROUNDS {
            for (times, time) in times.iter_mut().zip(subject.times()) {
                times.push(time);
            }
        }
        let [raw, checked, seen, other] = times.map(median);
        let beside = |time: f64| format!("{time:>9.0} ns {:>6.2}", time / raw);
        println!(
            "{:>9}  {raw:>9.0} ns  {:>20}  {:>20}  {:>20}",
            format!("{:?}", subject.algorithm),
            beside(checked),
            beside(seen),
            beside(other)
        );
    }
}
