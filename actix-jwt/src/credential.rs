//! Where a credential rides, and the order in which the places are looked at.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName};
use auth_core::VerifyError;
use memchr::memchr2;

use crate::problem::{Cause, Shown};

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
        let value = match (values.next(), values.next()) {
            (None, _) => return Ok(None),
            (Some(value), None) => value,
            // Which one counts is not ours to guess, whatever their schemes.
            (Some(_), Some(_)) => return Err(Cause::AuthorizationHeader),
        };
        let value = value.as_bytes().trim_ascii();
        let end_of_scheme = value.iter().position(|b| matches!(b, b' ' | b'\t'));
        let (scheme, token) = value.split_at(end_of_scheme.unwrap_or(value.len()));
        let is_ours = |word: &String| word.as_bytes().eq_ignore_ascii_case(scheme);
        if !self.bearer_words.iter().any(is_ours) {
            return Ok(None);
        }
        let token = token.trim_ascii();
        if token.is_empty() || memchr2(b' ', b'\t', token).is_some() {
            return Err(Cause::AuthorizationHeader);
        }
        Ok(Some(Found::Bearer(text(token))))
    }
}

fn single<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<Option<Found<'r>>, Cause> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) if value.is_empty() => Ok(None),
        (Some(value), None) => Ok(Some(Found::Single(text(value.as_bytes())))),
        (Some(_), Some(_)) => {
            Err(Cause::Credential(VerifyError::Invalid("more than one token"), Shown::Single))
        }
    }
}

/// The value of a cookie (RFC 6265 §5.4); an empty one is none.
///
/// Other cookies are not ours, and need not be text.
pub(crate) fn cookie<'r>(headers: &'r HeaderMap, name: &str) -> Option<&'r str> {
    headers
        .get_all(COOKIE)
        .flat_map(|value| value.as_bytes().split(|b| *b == b';'))
        .filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .find(|value| !value.is_empty())
        .map(text)
}

/// A value that is not text is present all the same, and bad: it becomes one that no token and no
/// header is equal to.
fn text(value: &[u8]) -> &str {
    std::str::from_utf8(value).unwrap_or("\0")
}

/// The name of the header, for `auth_header_name`.
pub(crate) fn header_name(name: &str) -> HeaderName {
    // The settings have been checked: it is a name.
    HeaderName::try_from(name).unwrap_or(AUTHORIZATION)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn cookie_in(lines: &[&[u8]], name: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        cookie(&headers, name).map(str::to_owned)
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        for (lines, expected) in [
            (&[b"a=1".as_slice()][..], Some("1")),
            (&[b"b=2; a=1"], Some("1")),
            (&[b"b=2;a=1 ;c"], Some("1")),
            (&[b"b=2", b"a=1"], Some("1")),
            (&[b"a=1=2"], Some("1=2")),
            (&[b"a=; a=1"], Some("1")),
            (&[b"a="], None),
            (&[b"a"], None),
            (&[b"aa=1; ba=1"], None),
            (&[b"A=1"], None),
            (&[b""], None),
            (&[], None),
        ] {
            assert_eq!(cookie_in(lines, "a").as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_cookie_that_is_not_text_hides_no_other() {
        assert_eq!(cookie_in(&[b"junk=\xff; a=1"], "a").as_deref(), Some("1"));
        assert_eq!(cookie_in(&[b"\xff=junk; a=1"], "a").as_deref(), Some("1"));
    }

    #[test]
    fn a_wanted_cookie_that_is_not_text_is_there_and_equal_to_no_header() {
        let value = cookie_in(&[b"a=\xff"], "a").unwrap();
        assert!(HeaderValue::from_str(&value).is_err());
    }
}
