//! Who is it? Extractors for handlers.
//!
//! A request is verified once, however many extractors and middlewares ask, and an extractor
//! verifies by itself: a forgotten middleware never means an open route.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use auth_core::permission::{Access, IsAuthenticated};
use auth_core::{Account, LoginError, Permission, TokenKind, Verified, VerifyError};
use futures_util::future::{Either, FutureExt, LocalBoxFuture};
use serde::de::DeserializeOwned;

use crate::auth::Auth;
use crate::credential::{Found, basic_parts};
use crate::csrf;
use crate::keys::{Keys, may_have_newer};
use crate::problem::{Cause, Problem, Shown};

/// Who sent a request: `None` for nobody.
pub(crate) type Identity = Result<Option<Verified>, Problem>;

/// The way to an [`Identity`]: at once, unless a session cookie has to be looked up.
pub(crate) type Identification = Either<Ready<Identity>, LocalBoxFuture<'static, Identity>>;

/// What the request's extensions keep for those who ask later.
struct Known {
    auth: Auth,
    verified: Verified,
}

/// Verifies the request, or remembers that it was verified.
pub(crate) fn identify(request: &HttpRequest, auth: &Auth) -> Identification {
    if let Some(known) = request.extensions().get::<Known>()
        && known.auth.is(auth)
    {
        return Either::Left(ready(Ok(Some(known.verified.clone()))));
    }
    let remembered = |identity: Identity| {
        identity.map(|verified| verified.inspect(|verified| remember(request, auth, verified)))
    };
    let asked = match check_now(request, auth) {
        Now::Done(identity) => return Either::Left(ready(remembered(identity))),
        Now::AskStore(asked) => asked,
        Now::AskKeys(keys) => {
            let (request, auth, keys) = (request.clone(), auth.clone(), Arc::clone(keys));
            return Either::Right(again_with_newer_keys(request, auth, keys).boxed_local());
        }
    };
    let (request, auth) = (request.clone(), auth.clone());
    Either::Right(
        async move {
            let verified = ask_store(&request, &auth, asked).await?;
            remember(&request, &auth, &verified);
            Ok(Some(verified))
        }
        .boxed_local(),
    )
}

/// What only the store, or the directory, can tell.
enum Asked {
    Cookie(String),
    Personal(String),
    Password { login: String, password: String },
}

async fn ask_store(request: &HttpRequest, auth: &Auth, asked: Asked) -> Result<Verified, Problem> {
    let (authority, client) = (auth.authority(), auth.client(request));
    match asked {
        Asked::Cookie(value) => {
            let verified = authority.authenticate_cookie(&value, &client).await;
            let verified = verified.map_err(|error| auth.refused(error, Shown::Cookie))?;
            check_csrf(request, auth, &value)?;
            Ok(verified)
        }
        Asked::Personal(token) => {
            let verified = authority.authenticate_personal(&token, &client).await;
            verified.map_err(|error| auth.refused(error, Shown::Personal))
        }
        Asked::Password { login, password } => {
            let kind = auth_core::claims::DEFAULT_USER_TYPE;
            let verified = authority.authenticate_password(kind, &login, &password, &client).await;
            verified.map_err(|error| match error {
                LoginError::InvalidCredentials | LoginError::UnknownUserType => {
                    auth.problem(Cause::Password)
                }
                error => auth.problem(error),
            })
        }
    }
}

/// A token that names an unknown key: perhaps there is one by now.
async fn again_with_newer_keys(request: HttpRequest, auth: Auth, keys: Arc<Keys>) -> Identity {
    may_have_newer(&keys).await;
    match check_now(&request, &auth) {
        Now::Done(identity) => identity
            .map(|verified| verified.inspect(|verified| remember(&request, &auth, verified))),
        // The same token again: nothing else.
        Now::AskKeys(_) | Now::AskStore(_) => {
            Err(auth.refused(VerifyError::UnknownKey, auth.shown(TokenKind::Access)))
        }
    }
}

enum Now<'r> {
    Done(Identity),
    /// A token of a key that this process does not know.
    AskKeys(&'r Arc<Keys>),
    /// A credential that this process does not know.
    AskStore(Asked),
}

fn check_now<'r>(request: &'r HttpRequest, auth: &'r Auth) -> Now<'r> {
    let authority = auth.authority();
    let (kind, verified) = match auth.inner().places.find(request) {
        Err(cause) => return Now::Done(Err(auth.problem(cause))),
        Ok(None) => return Now::Done(Ok(None)),
        Ok(Some(Found::Basic(encoded))) => {
            return match basic_parts(encoded) {
                // No database keeps NUL, so it is nobody's.
                Ok((login, _)) if login.contains('\0') => {
                    Now::Done(Err(auth.problem(Cause::Password)))
                }
                Ok((login, password)) => Now::AskStore(Asked::Password { login, password }),
                Err(cause) => Now::Done(Err(auth.problem(cause))),
            };
        }
        Ok(Some(Found::Personal(token))) => {
            match authority.authenticate_personal_from_memory(token) {
                Some(verified) => (TokenKind::Personal, verified),
                None => return Now::AskStore(Asked::Personal(token.to_owned())),
            }
        }
        Ok(Some(Found::Bearer(token))) => (TokenKind::Access, authority.authenticate(token)),
        Ok(Some(Found::Single(token))) => (TokenKind::Single, authority.authenticate_single(token)),
        Ok(Some(Found::Cookie(value))) => {
            let known = authority.authenticate_cookie_from_memory(value, &auth.client(request));
            let Some(verified) = known else {
                return Now::AskStore(Asked::Cookie(value.to_owned()));
            };
            if verified.is_ok()
                && let Err(problem) = check_csrf(request, auth, value)
            {
                return Now::Done(Err(problem));
            }
            (TokenKind::Cookie, verified)
        }
    };
    if let (Err(VerifyError::UnknownKey), Some(keys)) = (&verified, &auth.inner().keys) {
        return Now::AskKeys(keys);
    }
    let refused = |error: VerifyError| auth.refused(error, auth.shown(kind));
    Now::Done(verified.map(Some).map_err(refused))
}

fn check_csrf(request: &HttpRequest, auth: &Auth, cookie: &str) -> Result<(), Problem> {
    csrf::check_session(request, cookie, &auth.inner().trusted_origins)
        .map_err(|fault| auth.problem(Cause::Csrf(fault)))
}

pub(crate) fn remember(request: &HttpRequest, auth: &Auth, verified: &Verified) {
    let known = Known { auth: auth.clone(), verified: verified.clone() };
    request.extensions_mut().insert(known);
}

/// Applies a permission. Without it: 401 where nobody is known, 403 where somebody is.
pub(crate) fn permit(
    request: &HttpRequest,
    auth: &Auth,
    permission: &impl Permission,
    identity: Option<&Verified>,
) -> Result<(), Problem> {
    if is_permitted(request, auth, permission, identity) {
        return Ok(());
    }
    Err(auth.problem(match identity {
        None => Cause::NoCredentials,
        Some(_) => Cause::Forbidden,
    }))
}

pub(crate) fn is_permitted(
    request: &HttpRequest,
    auth: &Auth,
    permission: &(impl Permission + ?Sized),
    identity: Option<&Verified>,
) -> bool {
    let clock = auth.authority().clock();
    let read_only = csrf::is_safe(request.method());
    permission.allows(&Access { identity, read_only, clock })
}

/// The user who sent the request, allowed by `P`. No database access.
///
/// Without credentials 401, with a bad credential 401, without the permission 403, in an outage
/// 503.
///
/// ```
/// use actix_jwt::AuthUser;
/// use actix_jwt::permission::IsStaff;
///
/// async fn close(user: AuthUser<IsStaff>) -> String {
///     format!("closed by {}", user.user_id())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct AuthUser<P = IsAuthenticated>(Verified, PhantomData<fn() -> P>);

impl<P> Deref for AuthUser<P> {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.0
    }
}

impl<P> From<AuthUser<P>> for Verified {
    fn from(user: AuthUser<P>) -> Self {
        user.0
    }
}

type Then<T> = Either<Ready<Result<T, Problem>>, LocalBoxFuture<'static, Result<T, Problem>>>;

/// Goes on from an identification without a box where there is nothing to wait for.
fn then<T: 'static>(
    request: &HttpRequest,
    next: impl FnOnce(&HttpRequest, &Auth, Option<Verified>) -> Result<T, Problem> + 'static,
) -> Then<T> {
    let auth = match Auth::of(request) {
        Ok(auth) => auth,
        Err(problem) => return Either::Left(ready(Err(problem))),
    };
    match identify(request, auth) {
        Either::Left(done) => {
            let done = done.into_inner().and_then(|identity| next(request, auth, identity));
            Either::Left(ready(done))
        }
        Either::Right(pending) => {
            let (request, auth) = (request.clone(), auth.clone());
            Either::Right(async move { next(&request, &auth, pending.await?) }.boxed_local())
        }
    }
}

fn somebody(auth: &Auth, identity: Option<Verified>) -> Result<Verified, Problem> {
    identity.ok_or_else(|| auth.problem(Cause::NoCredentials))
}

impl<P: Permission + Default> FromRequest for AuthUser<P> {
    type Error = Problem;
    type Future = Then<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        then(request, |request, auth, identity| {
            let verified = somebody(auth, identity)?;
            permit(request, auth, &P::default(), Some(&verified))?;
            Ok(Self(verified, PhantomData))
        })
    }
}

/// The user who sent the request, or nobody. A credential that is present and bad is an error,
/// which `Option<AuthUser>` would swallow.
#[derive(Clone, Debug)]
pub struct MaybeAuthUser(pub Option<Verified>);

impl Deref for MaybeAuthUser {
    type Target = Option<Verified>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromRequest for MaybeAuthUser {
    type Error = Problem;
    type Future = Then<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        then(request, |_, _, identity| Ok(Self(identity)))
    }
}

/// The claims of the credential as the application's own type. No database access.
///
/// A token without them is refused as invalid. Where every microsecond counts,
/// [`AuthUser::shared_claims`](Verified::shared_claims) reads them once a token instead of once a request.
#[derive(Clone, Debug)]
pub struct Claims<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Claims<T> {
    type Error = Problem;
    type Future = Then<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        then(request, |_, auth, identity| {
            let verified = somebody(auth, identity)?;
            verified.claims().map(Self).map_err(|_| {
                let error = VerifyError::Invalid("the application's claims are missing");
                auth.refused(error, auth.shown(verified.kind()))
            })
        })
    }
}

/// The user as the directory has them now: one query. `T` is [`Account`], or a type of the
/// application's that is made from one.
///
/// A user who was deleted or is inactive is 401, an outage 503.
#[derive(Clone, Debug)]
pub struct CurrentUser<T = Account>(pub T);

impl<T: From<Account> + 'static> FromRequest for CurrentUser<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let auth = Auth::of(&request)?;
            let verified = somebody(auth, identify(&request, auth).await?)?;
            let account = auth.load_account(&verified).await?;
            Ok(Self(account.into()))
        }
        .boxed_local()
    }
}
