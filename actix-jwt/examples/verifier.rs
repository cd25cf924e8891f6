//! A service that verifies the tokens of another one, and issues none:
//!
//! ```sh
//! ISSUER=https://id.example.org AUDIENCE=orders \
//!     cargo run -p actix-jwt --features remote-keys --example verifier
//! curl http://127.0.0.1:8001/me -H "Authorization: Bearer $TOKEN"
//! ```

use std::error::Error;

use actix_jwt::auth_core::{Authority, Settings};
use actix_jwt::{Auth, AuthUser, JwtAuth, RemoteKeys};
use actix_web::{App, HttpServer, web};

async fn me(user: AuthUser) -> String {
    format!("user {} of the issuer\n", user.user_id())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuer = std::env::var("ISSUER")?;
    // Its OpenID configuration names the keys. `RemoteKeys::at` takes the URL of a key set.
    let keys = RemoteKeys::openid(&issuer).build()?;
    let settings = Settings {
        issuer: Some(issuer),
        audience: vec![std::env::var("AUDIENCE")?],
        user_id_claim: "sub".into(),
        ..Settings::default()
    };
    let authority = Authority::verifier(settings).build()?;
    let auth = Auth::builder(authority).keys_from(keys).start().await?;

    let server = HttpServer::new(move || {
        App::new()
            .app_data(auth.clone())
            .service(web::scope("/me").wrap(JwtAuth).route("", web::get().to(me)))
    });
    Ok(server.bind(("127.0.0.1", 8001))?.run().await?)
}
