//! What every login by password has in common.

use actix_web::HttpRequest;
use auth_core::claims::DEFAULT_USER_TYPE;
use auth_core::{ClientInfo, LoginError, Proof};

use crate::auth::Auth;

/// Checks the password, and the code of the second factor where one is given. Whether one is needed is
/// found at the start of the session, by which no proof gets that lacks it.
pub(super) async fn prove(
    auth: &Auth,
    request: &HttpRequest,
    [username, password]: [String; 2],
    code: Option<String>,
) -> Result<(Proof, ClientInfo), LoginError> {
    let (authority, client) = (auth.authority(), auth.client(request));
    let proof = authority.prove_password(DEFAULT_USER_TYPE, &username, &password, &client).await?;
    let proof = match code {
        Some(code) => authority.prove_second_factor(proof, &code, &client).await?,
        None => proof,
    };
    Ok((proof, client))
}
