//! What every login by password has in common, and to show the password again.

use std::time::Duration;

use actix_web::HttpRequest;
use auth_core::claims::DEFAULT_USER_TYPE;
use auth_core::permission::{Fresh, LoggedIn};
use auth_core::{ClientInfo, LoginError, Proof};

use super::body::Json;
use crate::auth::Auth;
use crate::extract::{AuthUser, is_permitted};
use crate::problem::{Cause, Problem};

/// For how long after a login nothing more is asked.
const RECENT: Fresh = Fresh(Duration::from_secs(5 * 60));

/// Checks the password, and the code of the second factor where one is given. Whether one is needed is
/// found at the start of the session, by which no proof gets that lacks it.
pub(crate) async fn prove(
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

/// For what a session that was stolen or left open must not be enough for (ASVS 7.5.1): whether the user proved a
/// moment ago who they are: by a login, or by what the body has, `password` and, where
/// there is a second factor, `otp`.
pub(super) async fn prove_again(
    auth: &Auth,
    user: &AuthUser<LoggedIn>,
    request: &HttpRequest,
    body: &mut Json,
) -> Result<(), Problem> {
    let authority = auth.authority();
    // What a token of another issuer says of its login is not ours to vouch for.
    if !user.is_foreign()
        && is_permitted(request, auth, &RECENT, Some(user))
        && authority.has_shown_second_factor(user).await?
    {
        return Ok(());
    }
    let Some(password) = body.take("password")? else { return Err(auth.problem(Cause::OldLogin)) };
    let code = body.take("otp")?;
    let refused = |error| auth.problem(Cause::session_login(error));
    let (principal, client) = (user.principal(), auth.client(request));
    let proof = authority.prove_password_again(principal, &password, &client).await;
    let mut proof = proof.map_err(refused)?;
    if let Some(code) = code {
        let proven = authority.prove_second_factor(proof, &code, &client).await;
        proof = proven.map_err(refused)?;
    }
    match proof.needs_second_factor() {
        true => Err(auth.problem(Cause::SecondFactor)),
        false => Ok(()),
    }
}
