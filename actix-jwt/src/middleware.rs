//! [`JwtAuth`]: authenticated, or not past here.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready as poll_ready};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, ResponseError};
use auth_core::Permission;
use auth_core::permission::{AllowAny, IsAuthenticated};
use pin_project_lite::pin_project;

use crate::extract::{Identification, Identity, identify, permit};
use crate::problem::Problem;

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
    type Future = GuardFuture<S, P>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        match identify(request.request()) {
            Identification::Left(done) => match self.decide(&request, done.into_inner()) {
                Ok(()) => GuardFuture::Inside { inner: self.service.call(request) },
                Err(problem) => GuardFuture::Refused { refused: Some((request, problem)) },
            },
            Identification::Right(pending) => GuardFuture::Pending {
                pending,
                request: Some(request),
                guard: Self {
                    service: Rc::clone(&self.service),
                    permission: Rc::clone(&self.permission),
                },
            },
        }
    }
}

impl<S, P: Permission> GuardService<S, P> {
    fn decide(&self, request: &ServiceRequest, identity: Identity) -> Result<(), Problem> {
        permit(request.request(), &*self.permission, identity?.as_ref())
    }
}

pin_project! {
    /// What a [`GuardService`] answers with: no box unless a session cookie has to be looked up.
    #[project = GuardFutureProj]
    pub enum GuardFuture<S, P>
    where
        S: Service<ServiceRequest>,
    {
        #[doc(hidden)]
        Inside {
            #[pin]
            inner: S::Future,
        },
        #[doc(hidden)]
        Refused {
            refused: Option<(ServiceRequest, Problem)>,
        },
        #[doc(hidden)]
        Pending {
            pending: futures_util::future::LocalBoxFuture<'static, Identity>,
            request: Option<ServiceRequest>,
            guard: GuardService<S, P>,
        },
    }
}

impl<S, B, P> Future for GuardFuture<S, P>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    P: Permission,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project() {
                GuardFutureProj::Inside { inner } => {
                    return inner.poll(context).map_ok(ServiceResponse::map_into_left_body);
                }
                GuardFutureProj::Refused { refused } => {
                    return match refused.take() {
                        Some((request, problem)) => Poll::Ready(Ok(request
                            .into_response(problem.error_response())
                            .map_into_right_body())),
                        // Polled after it was ready, which no executor does.
                        None => Poll::Pending,
                    };
                }
                GuardFutureProj::Pending { pending, request, guard } => {
                    let identity = poll_ready!(pending.as_mut().poll(context));
                    let Some(request) = request.take() else { return Poll::Pending };
                    match guard.decide(&request, identity) {
                        Ok(()) => Self::Inside { inner: guard.service.call(request) },
                        Err(problem) => Self::Refused { refused: Some((request, problem)) },
                    }
                }
            };
            self.set(next);
        }
    }
}
