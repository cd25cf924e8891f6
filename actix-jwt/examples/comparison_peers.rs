//! What `bench_server` is compared with (`tests/comparison/run`): the route that it protects, unprotected or
//! protected by hand.
//!
//! ```sh
//! PORT=8080 cargo run --release -p actix-jwt --example comparison_peers -- unprotected
//! PORT=8080 KEYS=folder ALG=HS256 cargo run --release -p actix-jwt --example comparison_peers -- hand-written
//! ```
//!
//! `KEYS` is a folder with `hs256.bin`, `rs256.pub.pem`, `es256.pub.pem`, `eddsa.pub.pem`.

mod hand_written;

use std::env;
use std::error::Error;
use std::fs;

use actix_web::{App, HttpServer, web};
use actix_web_httpauth::middleware::HttpAuthentication;
use hand_written::{Verifier, anybody, me, validator};
use jsonwebtoken::{Algorithm, DecodingKey};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = ("127.0.0.1", env::var("PORT")?.parse()?);
    match env::args().nth(1).as_deref() {
        Some("unprotected") => {
            let app = || App::new().route("/me", web::get().to(anybody));
            HttpServer::new(app).workers(1).bind(address)?.run().await?;
        }
        Some("hand-written") => {
            let verifier = web::Data::new(verifier()?);
            let app = move || {
                let scope = web::scope("/me").wrap(HttpAuthentication::bearer(validator));
                App::new().app_data(verifier.clone()).service(scope.route("", web::get().to(me)))
            };
            HttpServer::new(app).workers(1).bind(address)?.run().await?;
        }
        _ => return Err("say `unprotected` or `hand-written`".into()),
    }
    Ok(())
}

fn verifier() -> Result<Verifier, Box<dyn Error>> {
    let folder = env::var("KEYS")?;
    let read = |file: &str| fs::read(format!("{folder}/{file}"));
    let algorithm: Algorithm = env::var("ALG")?.parse()?;
    let key = match algorithm {
        Algorithm::HS256 => DecodingKey::from_secret(&read("hs256.bin")?),
        Algorithm::RS256 => DecodingKey::from_rsa_pem(&read("rs256.pub.pem")?)?,
        Algorithm::ES256 => DecodingKey::from_ec_pem(&read("es256.pub.pem")?)?,
        Algorithm::EdDSA => DecodingKey::from_ed_pem(&read("eddsa.pub.pem")?)?,
        other => return Err(format!("{other:?} is not compared").into()),
    };
    Ok(Verifier::new(algorithm, key))
}
