//! The sessions of any user, for administrators (ASVS 7.4.5).

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use auth_core::claims::DEFAULT_USER_TYPE;
use auth_core::session::RevocationReason;
use auth_core::store::Revoke;
use auth_core::{Principal, SessionId};
use url::form_urlencoded;

use super::session::{Device, end_one, private};
use super::{Methods, Routes, get};
use crate::auth::Auth;
use crate::extract::AuthUser;
use crate::problem::Problem;

pub(super) const ROUTES: Routes = &[
    (
        "/{user_id}/sessions/",
        &Methods {
            allow: "GET, HEAD, DELETE",
            routes: || vec![get().to(sessions), web::delete().to(end_all)],
        },
    ),
    (
        "/{user_id}/sessions/{id}/",
        &Methods { allow: "DELETE", routes: || vec![web::delete().to(end)] },
    ),
];

/// The user whom the path names, of the kind that the query names.
struct Whose(Principal);

impl FromRequest for Whose {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let user_id = request.match_info().query("user_id");
        let query = form_urlencoded::parse(request.query_string().as_bytes());
        let mut kinds = query.filter(|(name, _)| name == "user_type").map(|(_, kind)| kind);
        let kind = kinds.next().unwrap_or(DEFAULT_USER_TYPE.into());
        // No database keeps NUL, and which of two kinds is meant is not ours to guess.
        let is_nobody = kinds.next().is_some() || user_id.contains('\0') || kind.contains('\0');
        ready(match is_nobody {
            true => Err(Problem::not_found()),
            false => Ok(Self(Principal::new(&*kind, user_id))),
        })
    }
}

async fn sessions(
    auth: Auth,
    admin: AuthUser,
    Whose(principal): Whose,
) -> Result<HttpResponse, Problem> {
    let sessions = auth.authority().sessions(&principal).await?;
    let devices = sessions.into_iter().map(|session| Device::new(session, admin.session()));
    Ok(private(HttpResponse::Ok()).json(devices.collect::<Vec<_>>()))
}

async fn end_all(auth: Auth, Whose(principal): Whose) -> Result<HttpResponse, Problem> {
    let everything = Revoke::Principal(principal);
    auth.authority().revoke(everything, RevocationReason::Administrator).await?;
    Ok(private(HttpResponse::NoContent()).finish())
}

async fn end(
    auth: Auth,
    Whose(principal): Whose,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let id: SessionId = path.1.parse().map_err(|_| Problem::not_found())?;
    end_one(&auth, &principal, id, RevocationReason::Administrator).await?;
    Ok(private(HttpResponse::NoContent()).finish())
}
