//! Where a credential rides, and the order in which the places are looked at.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName};

use crate::problem::Cause;

/// One place where a credential may be.
///
/// An [`Auth`](crate::Auth) looks at its places in order. The first credential that is present
/// decides: one that is present and bad is an error, never anonymous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential(pub(crate) Place);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Bearer,
    Header(HeaderName),
    SessionCookie,
}

impl Credential {
    /// `Authorization: Bearer <token>`, or the header and the words that the settings
    /// `auth_header_name` and `auth_header_types` name.
    pub const fn bearer() -> Self {
        Self(Place::Bearer)
    }

    /// The one token of a login without refresh, alone in a header of this name (in lower case).
    pub const fn header(name: &'static str) -> Self {
        Self(Place::Header(HeaderName::from_static(name)))
    }

    /// The session cookie. Unsafe requests then need the CSRF token.
    pub const fn session_cookie() -> Self {
        Self(Place::SessionCookie)
    }
}

/// A credential that is present, not checked yet.
#[derive(Clone, Copy)]
pub(crate) enum Found<'r> {
    Bearer(&'r str),
    Single(&'r str),
    Cookie(&'r str),
}

/// What the places need to know.
pub(crate) struct Places {
    pub(crate) order: Vec<Credential>,
    pub(crate) bearer_header: HeaderName,
    pub(crate) bearer_words: Vec<String>,
    pub(crate) session_cookie: &'static str,
}

impl Places {
    /// The first credential of the request.
    pub(crate) fn find<'r>(&self, request: &'r HttpRequest) -> Result<Option<Found<'r>>, Cause> {
        let headers = request.headers();
        for Credential(place) in &self.order {
            let found = match place {
                Place::Bearer => self.bearer(headers)?,
                Place::Header(name) => single(headers, name)?,
                Place::SessionCookie => cookie(headers, self.session_cookie).map(Found::Cookie),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The header is read as bytes: `to_str` goes over a token twice.
    fn bearer<'r>(&self, headers: &'r HeaderMap) -> Result<Option<Found<'r>>, Cause> {
        let mut values = headers.get_all(&self.bearer_header);
        let Some(value) = values.next() else { return Ok(None) };
        let mut words =
            value.as_bytes().split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
        let Some(scheme) = words.next() else { return Ok(None) };
        let is_ours = |word: &String| word.as_bytes().eq_ignore_ascii_case(scheme);
        if !self.bearer_words.iter().any(is_ours) {
            return Ok(None);
        }
        match (words.next(), words.next(), values.next()) {
            // What is not even text is no token either: the verifier will say so.
            (Some(token), None, None) => {
                Ok(Some(Found::Bearer(std::str::from_utf8(token).unwrap_or_default())))
            }
            _ => Err(Cause::AuthorizationHeader),
        }
    }
}

fn single<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<Option<Found<'r>>, Cause> {
    let mut values = headers.get_all(name);
    let Some(value) = values.next().filter(|value| !value.is_empty()) else { return Ok(None) };
    if values.next().is_some() {
        return Err(Cause::AuthorizationHeader);
    }
    Ok(Some(Found::Single(std::str::from_utf8(value.as_bytes()).unwrap_or_default())))
}

/// The value of a cookie (RFC 6265 §5.4); an empty one is none.
pub(crate) fn cookie<'r>(headers: &'r HeaderMap, name: &str) -> Option<&'r str> {
    headers
        .get_all(COOKIE)
        .filter_map(|value| std::str::from_utf8(value.as_bytes()).ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
}

/// The name of the header, for `auth_header_name`.
pub(crate) fn header_name(name: &str) -> HeaderName {
    // The settings have been checked: it is a name.
    HeaderName::try_from(name).unwrap_or(AUTHORIZATION)
}
