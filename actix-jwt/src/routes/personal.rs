//! Personal tokens: a user makes them, sees what there is, and ends them.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use auth_core::permission::LoggedIn;
use auth_core::session::RevocationReason;
use auth_core::{NewPersonalToken, PersonalTokenError, Session, SessionId};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;

use super::body::Json;
use super::session::private;
use super::{Methods, Routes, for_logins, get, login};
use crate::auth::Auth;
use crate::extract::AuthUser;
use crate::problem::{Cause, Problem};

pub(super) const ROUTES: Routes = &[
    (
        "/",
        &Methods {
            allow: "GET, HEAD, POST",
            routes: || vec![get().to(list), for_logins(web::post().to(create))],
        },
    ),
    ("/{id}/", &Methods { allow: "DELETE", routes: || vec![web::delete().to(end)] }),
];

/// A personal token as its user sees it.
#[derive(Serialize)]
struct Listed {
    id: String,
    name: String,
    /// `null`: all that the user may do.
    scopes: Option<Vec<String>>,
    created_at: String,
    expires_at: String,
    last_used_at: Option<String>,
    last_used_ip: Option<String>,
    /// Only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl Listed {
    fn new(session: Session, token: Option<String>) -> Self {
        let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let is_used = session.last_seen_at > session.created_at;
        Self {
            id: session.id.to_string(),
            name: session.label.unwrap_or_default(),
            scopes: session.scopes,
            created_at: text(session.created_at),
            expires_at: text(session.expires_at),
            last_used_at: is_used.then(|| text(session.last_seen_at)),
            last_used_ip: session.client.ip,
            token,
        }
    }
}

async fn list(auth: Auth, user: AuthUser<LoggedIn>) -> Result<HttpResponse, Problem> {
    let tokens = auth.authority().personal_tokens(user.principal()).await?;
    let tokens: Vec<_> = tokens.into_iter().map(|session| Listed::new(session, None)).collect();
    Ok(private(HttpResponse::Ok()).json(tokens))
}

async fn create(
    auth: Auth,
    user: AuthUser<LoggedIn>,
    request: HttpRequest,
    mut body: Json,
) -> Result<HttpResponse, Problem> {
    // Nothing that could be shown again would help it.
    if user.is_foreign() {
        return Err(auth.problem(Cause::Forbidden));
    }
    // It outlives the login that it is made in: an access token that was stolen must not become one that
    // lives for a year.
    login::prove_again(&auth, &user, &request, &mut body).await?;
    let new = wanted(body)?;
    let made = auth.authority().create_personal_token(&user, new).await;
    let (token, session) = made.map_err(|error| {
        let field =
            |name, problem: String| auth.problem(Cause::Fields(vec![(name, problem.into())]));
        match error {
            PersonalTokenError::Name => field("name", error.to_string()),
            PersonalTokenError::Scope(scope) => {
                field("scopes", format!("\"{scope}\" is not a scope of yours."))
            }
            PersonalTokenError::Lifetime(longest) => {
                let problem = format!("Must be between 1 and {} seconds.", longest.as_secs());
                field("expires_in", problem)
            }
            PersonalTokenError::TooMany(_) => auth.problem(Cause::Body(error.to_string())),
            PersonalTokenError::NoLogin => auth.problem(Cause::Forbidden),
            PersonalTokenError::NoActiveAccount => auth.problem(Cause::NoActiveAccount),
            PersonalTokenError::Outage(outage) => auth.problem(outage),
        }
    })?;
    let answer = Listed::new(session, Some(token.into_string()));
    Ok(private(HttpResponse::Created()).json(answer))
}

/// `{"name", "scopes"?, "expires_in"?}`; the last in seconds.
fn wanted(body: Json) -> Result<NewPersonalToken, Problem> {
    let mut object = body.object()?;
    let mut faults = Vec::new();
    let scopes = match object.remove("scopes") {
        None | Some(Value::Null) => None,
        Some(Value::Array(scopes)) => {
            let texts = scopes.iter().map(|scope| scope.as_str().map(str::to_owned));
            let texts: Option<Vec<_>> = texts.collect();
            if texts.is_none() {
                faults.push(("scopes", "Not a list of strings.".into()));
            }
            texts
        }
        Some(_) => {
            faults.push(("scopes", "Not a list of strings.".into()));
            None
        }
    };
    let lifetime = match object.remove("expires_in") {
        None | Some(Value::Null) => None,
        Some(seconds) => {
            if !seconds.is_u64() {
                faults.push(("expires_in", "A valid number of seconds is required.".into()));
            }
            seconds.as_u64().map(Duration::from_secs)
        }
    };
    let [name] = Json::from(object).fields_and(["name"], faults)?;
    Ok(NewPersonalToken { name, scopes, lifetime })
}

/// Somebody else's is not found: whether it exists is not told (ASVS 8.2.2).
async fn end(
    auth: Auth,
    user: AuthUser<LoggedIn>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id: SessionId = id.parse().map_err(|_| auth.problem(Cause::NotFound))?;
    let reason = RevocationReason::Logout;
    match auth.authority().revoke_personal_token(user.principal(), id, reason).await? {
        true => Ok(private(HttpResponse::NoContent()).finish()),
        false => Err(auth.problem(Cause::NotFound)),
    }
}
