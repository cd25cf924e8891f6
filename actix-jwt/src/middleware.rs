//! [`JwtAuth`]: authenticated, or not past here.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready as poll_ready};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, ResponseError};
use auth_core::permission::{AllowAny, IsAuthenticated};
use auth_core::{Permission, Verified};
use futures_util::future::LocalBoxFuture;
use pin_project_lite::pin_project;

use crate::auth::Auth;
use crate::extract::{Identification, Identity, identify, permit};
use crate::problem::Problem;
use crate::renewal::{self, Renewed};

/// Lets authenticated requests through and answers the others itself: 401, or 503 in an outage.
///
/// ```
/// use actix_jwt::{JwtAuth, permission::{HasScope, IsStaff}};
/// use actix_web::web;
///
/// let orders = web::scope("/orders").wrap(JwtAuth);
/// let admin = web::scope("/admin").wrap(JwtAuth::require(IsStaff | HasScope("orders:write")));
/// let home = web::scope("/home").wrap(JwtAuth::optional());
/// # let _ = actix_web::App::new().service(orders).service(admin).service(home);
/// ```
///
/// The decision is made before the body is read. The answer goes out through the middlewares
/// that wrap this one, so CORS headers are on a 401 too.
#[derive(Clone, Copy, Debug, Default)]
pub struct JwtAuth;

impl JwtAuth {
    /// Lets through what `permission` allows. Otherwise 401 where nobody is known and 403 where
    /// somebody is.
    pub fn require<P: Permission>(permission: P) -> Guard<P> {
        Guard(Rc::new(permission))
    }

    /// Lets anonymous requests through as well. A credential that is present and bad is still
    /// refused.
    pub fn optional() -> Guard<AllowAny> {
        Self::require(AllowAny)
    }
}

/// A [`JwtAuth`] with a permission of its own.
#[derive(Debug)]
pub struct Guard<P>(Rc<P>);

impl<S, B> Transform<S, ServiceRequest> for JwtAuth
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = GuardService<S, IsAuthenticated>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        Self::require(IsAuthenticated).new_transform(service)
    }
}

impl<S, B, P> Transform<S, ServiceRequest> for Guard<P>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: 'static,
    P: Permission,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = GuardService<S, P>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(GuardService { service: Rc::new(service), permission: Rc::clone(&self.0) }))
    }
}

/// The service behind a [`JwtAuth`].
#[derive(Debug)]
pub struct GuardService<S, P> {
    service: Rc<S>,
    permission: Rc<P>,
}

impl<S, B, P> Service<ServiceRequest> for GuardService<S, P>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    P: Permission,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = GuardFuture<S, P, B>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let identification = match Auth::of(request.request()) {
            Ok(auth) => identify(request.request(), auth),
            Err(problem) => Identification::Left(ready(Err(problem))),
        };
        match identification {
            Identification::Left(done) => self.admit(request, done.into_inner()),
            Identification::Right(pending) => {
                GuardFuture::Identifying { pending, request: Some(request), guard: self.clone() }
            }
        }
    }
}

impl<S, P> Clone for GuardService<S, P> {
    fn clone(&self) -> Self {
        Self { service: Rc::clone(&self.service), permission: Rc::clone(&self.permission) }
    }
}

impl<S, B, P> GuardService<S, P>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    P: Permission,
{
    /// Goes on with a request whose sender is known.
    fn admit(&self, request: ServiceRequest, identity: Identity) -> GuardFuture<S, P, B> {
        let permitted = identity.and_then(|identity| {
            let auth = Auth::of(request.request())?;
            permit(request.request(), auth, &*self.permission, identity.as_ref())?;
            Ok(identity.filter(|verified| verified.has_new_cookie()))
        });
        match permitted {
            Ok(renewable) => GuardFuture::Inside { inner: self.service.call(request), renewable },
            Err(problem) => GuardFuture::Refused { refused: Some((request, problem)) },
        }
    }
}

pin_project! {
    /// What a [`GuardService`] answers with: no box unless a session cookie has to be looked up or
    /// renewed.
    #[project = GuardFutureProj]
    pub enum GuardFuture<S, P, B>
    where
        S: Service<ServiceRequest>,
    {
        #[doc(hidden)]
        Inside {
            #[pin]
            inner: S::Future,
            renewable: Option<Verified>,
        },
        #[doc(hidden)]
        Refused {
            refused: Option<(ServiceRequest, Problem)>,
        },
        #[doc(hidden)]
        Identifying {
            pending: LocalBoxFuture<'static, Identity>,
            request: Option<ServiceRequest>,
            guard: GuardService<S, P>,
        },
        #[doc(hidden)]
        Renewing {
            pending: LocalBoxFuture<'static, Renewed>,
            response: Option<ServiceResponse<B>>,
        },
    }
}

impl<S, B, P> Future for GuardFuture<S, P, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    P: Permission,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    /// Polled after it was ready, which no executor does, it stays pending.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project() {
                GuardFutureProj::Inside { inner, renewable } => {
                    let response = poll_ready!(inner.poll(context))?;
                    // Now that there is an answer to set it with.
                    let pending = renewable.take().and_then(|v| renewal::renew(&response, v));
                    let Some(pending) = pending else {
                        return Poll::Ready(Ok(response.map_into_left_body()));
                    };
                    Self::Renewing { pending, response: Some(response) }
                }
                GuardFutureProj::Refused { refused } => {
                    let Some((request, problem)) = refused.take() else { return Poll::Pending };
                    let response = request.into_response(problem.error_response());
                    return Poll::Ready(Ok(response.map_into_right_body()));
                }
                GuardFutureProj::Identifying { pending, request, guard } => {
                    let identity = poll_ready!(pending.as_mut().poll(context));
                    let Some(request) = request.take() else { return Poll::Pending };
                    guard.admit(request, identity)
                }
                GuardFutureProj::Renewing { pending, response } => {
                    let renewed = poll_ready!(pending.as_mut().poll(context));
                    let Some(mut response) = response.take() else { return Poll::Pending };
                    renewal::set(&mut response, renewed);
                    return Poll::Ready(Ok(response.map_into_left_body()));
                }
            };
            self.set(next);
        }
    }
}
