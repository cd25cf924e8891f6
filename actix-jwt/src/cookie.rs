//! The cookies that we set (ASVS 3.3).

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use auth_core::token::{CookieSecret, csrf_token};

use crate::csrf::CSRF_COOKIE;

pub(crate) const SESSION_COOKIE: &str = "sessionid";

/// How the cookies of an `Auth` are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cookies {
    /// Not over plain HTTP.
    pub(crate) secure: bool,
}

impl Cookies {
    /// The session: out of reach of scripts.
    pub(crate) fn session(self, secret: &CookieSecret, seconds: i64) -> Cookie<'static> {
        let mut cookie = self.cookie(SESSION_COOKIE, secret.expose().to_owned(), seconds);
        cookie.set_http_only(true);
        cookie
    }

    /// The CSRF token of the session `secret`: scripts of our own site read it.
    pub(crate) fn csrf_of(self, secret: &CookieSecret, seconds: i64) -> Cookie<'static> {
        self.csrf(csrf_token(secret.expose()), seconds)
    }

    /// A CSRF token.
    pub(crate) fn csrf(self, token: String, seconds: i64) -> Cookie<'static> {
        self.cookie(CSRF_COOKIE, token, seconds)
    }

    /// Both cookies, gone.
    pub(crate) fn cleared(self) -> [Cookie<'static>; 2] {
        [SESSION_COOKIE, CSRF_COOKIE].map(|name| {
            let mut cookie = self.cookie(name, String::new(), 0);
            cookie.make_removal();
            cookie.set_http_only(name == SESSION_COOKIE);
            cookie
        })
    }

    fn cookie(self, name: &'static str, value: String, seconds: i64) -> Cookie<'static> {
        Cookie::build(name, value)
            .path("/")
            .same_site(SameSite::Lax)
            .secure(self.secure)
            .max_age(Duration::seconds(seconds))
            .finish()
    }
}
