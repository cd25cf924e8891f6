//! For applications that use the middleware of actix-web-httpauth already.

use actix_web::Error;
use actix_web::dev::ServiceRequest;
use actix_web_httpauth::extractors::bearer::BearerAuth;

use crate::auth::Auth;
use crate::extract::remember;
use crate::problem::{Problem, Shown};

/// A validator for `HttpAuthentication::bearer` of actix-web-httpauth: the same checks as
/// [`JwtAuth`](crate::JwtAuth), for a token after `Bearer` only. The extractors of this crate then
/// know the user.
///
/// A request without such a token does not come here: actix-web-httpauth answers it, with 401 and
/// the challenge of its own `bearer::Config`.
///
/// ```
/// use actix_web::{App, web};
/// use actix_web_httpauth::middleware::HttpAuthentication;
///
/// let orders =
///     web::scope("/orders").wrap(HttpAuthentication::bearer(actix_jwt::bearer_validator));
/// # let _ = App::new().service(orders);
/// ```
///
/// # Errors
/// 401 for a bad token, 503 in an outage, as the middleware wants them: with the request.
pub async fn bearer_validator(
    request: ServiceRequest,
    credentials: BearerAuth,
) -> Result<ServiceRequest, (Error, ServiceRequest)> {
    let verdict = match Auth::of(request.request()).cloned() {
        Err(problem) => Err(problem),
        Ok(auth) => {
            let token = credentials.token();
            match auth.attempt(async || auth.authority().authenticate(token)).await {
                Ok(verified) => {
                    remember(request.request(), &auth, &verified);
                    Ok(())
                }
                Err(error) => {
                    let kinds = auth.authority().settings().auth_token_classes.clone();
                    Err(auth.refused(error, Shown::Bearer(kinds)))
                }
            }
        }
    };
    match verdict {
        Ok(()) => Ok(request),
        Err(problem) => Err((Problem::into(problem), request)),
    }
}
