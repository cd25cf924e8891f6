//! Where a credential rides, and the order in which the places are looked at.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName};
use auth_core::{Fault, Settings, VerifyError};
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
    Basic,
    SessionCookie,
    Token,
    Bearer,
    Header(HeaderName),
}

impl Credential {
    /// `Authorization: Basic …`: a user name and a password with each request (RFC 7617). Each costs
    /// the hashing of a password, so this is for tools and for tests; programs are better served by
    /// [`Credential::token`].
    pub const fn basic() -> Self {
        Self(Place::Basic)
    }

    /// The session cookie. Unsafe requests then need the CSRF token.
    pub const fn session_cookie() -> Self {
        Self(Place::SessionCookie)
    }

    /// `Authorization: Token <key>`: a personal token
    /// ([`Authority::create_personal_token`](auth_core::Authority::create_personal_token)).
    pub const fn token() -> Self {
        Self(Place::Token)
    }

    /// `Authorization: Bearer <token>`, or the header and the words that the settings
    /// `auth_header_name` and `auth_header_types` name.
    pub const fn bearer() -> Self {
        Self(Place::Bearer)
    }

    /// The one token of a login without refresh, alone in a header of this name (in lower case).
    pub const fn header(name: &'static str) -> Self {
        Self(Place::Header(HeaderName::from_static(name)))
    }

    /// What [`AuthBuilder::start`](crate::AuthBuilder::start) would refuse of these places, in this
    /// order, where tokens are issued: for a program that checks its settings before there is an
    /// authority.
    ///
    /// # Errors
    /// The first fault: that of a setting, or of `credentials`.
    pub fn check(order: &[Self], settings: &Settings) -> Result<(), Fault> {
        check_chain(order, settings, true)
    }

    /// Whether it can only be checked where the users are.
    pub(crate) fn needs_users(&self) -> bool {
        matches!(self.0, Place::Basic | Place::Token)
    }

    /// The word before the credential in `Authorization`, where it is not a setting.
    pub(crate) fn scheme(&self) -> Option<&'static str> {
        match self.0 {
            Place::Basic => Some(BASIC),
            Place::Token => Some(TOKEN),
            Place::SessionCookie | Place::Bearer | Place::Header(_) => None,
        }
    }
}

/// What a fault is called that is none of a setting.
pub(crate) const CHAIN: &str = "credentials";

/// Two places that claim the same header would leave one of them without effect.
pub(crate) fn check_chain(
    order: &[Credential],
    settings: &Settings,
    issues: bool,
) -> Result<(), Fault> {
    let fault = |problem: String| Err(Fault::new(CHAIN, problem));
    if order.is_empty() {
        return fault("there is none".into());
    }
    let defaults = Settings::default();
    for (is_changed, name, credential) in [
        (
            settings.auth_header_name != defaults.auth_header_name
                || settings.auth_header_types != defaults.auth_header_types,
            "auth_header_name or auth_header_types",
            Credential::bearer(),
        ),
        (
            settings.personal_token_prefix != defaults.personal_token_prefix
                || settings.personal_token_lifetime != defaults.personal_token_lifetime,
            "personal_token_prefix or personal_token_lifetime",
            Credential::token(),
        ),
    ] {
        if is_changed && !order.contains(&credential) {
            let problem = format!("has no effect: {credential:?} is not among the credentials");
            return Err(Fault::new(name, problem));
        }
    }
    for (i, credential) in order.iter().enumerate() {
        if order[..i].contains(credential) {
            return fault(format!("{credential:?} is there twice"));
        }
        if credential.needs_users() && !issues {
            return fault(format!("{credential:?} needs users, and this authority only verifies"));
        }
        if let Place::Header(name) = &credential.0 {
            if [AUTHORIZATION, COOKIE].contains(name) {
                return fault(format!("the header `{name}` means something else"));
            }
            if name.as_str().eq_ignore_ascii_case(&settings.auth_header_name) {
                let problem = "is a header that means something else: a single token rides there";
                return Err(Fault::new("auth_header_name", problem));
            }
        }
        let Some(scheme) = credential.scheme() else { continue };
        if settings.auth_header_name.eq_ignore_ascii_case(AUTHORIZATION.as_str())
            && order.contains(&Credential::bearer())
            && settings.auth_header_types.iter().any(|word| word.eq_ignore_ascii_case(scheme))
        {
            let problem = format!("has `{scheme}`, which means something else");
            return Err(Fault::new("auth_header_types", problem));
        }
    }
    Ok(())
}

const BASIC: &str = "Basic";
const TOKEN: &str = "Token";

/// A credential that is present, not checked yet.
#[derive(Clone, Copy)]
pub(crate) enum Found<'r> {
    /// What follows `Basic`.
    Basic(&'r str),
    Cookie(&'r str),
    Personal(&'r str),
    Bearer(&'r str),
    Single(&'r str),
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
                Place::Basic => own_scheme(headers, BASIC, &BASIC_FAULTS)?.map(Found::Basic),
                Place::SessionCookie => cookie(headers, self.session_cookie).map(Found::Cookie),
                Place::Token => own_scheme(headers, TOKEN, &TOKEN_FAULTS)?.map(Found::Personal),
                Place::Bearer => self.bearer(headers)?,
                Place::Header(name) => single(headers, name)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn bearer<'r>(&self, headers: &'r HeaderMap) -> Result<Option<Found<'r>>, Cause> {
        let Some((scheme, token)) = scheme_of(headers, &self.bearer_header)? else {
            return Ok(None);
        };
        let is_ours = |word: &String| word.as_bytes().eq_ignore_ascii_case(scheme);
        if !self.bearer_words.iter().any(is_ours) {
            return Ok(None);
        }
        if token.is_empty() || memchr2(b' ', b'\t', token).is_some() {
            return Err(Cause::AuthorizationHeader);
        }
        Ok(Some(Found::Bearer(text(token))))
    }
}

type SchemeAndRest<'r> = (&'r [u8], &'r [u8]);

/// The scheme of an authorization header, and what follows. It is read as bytes: `to_str` goes over a
/// token twice.
fn scheme_of<'r>(
    headers: &'r HeaderMap,
    name: &HeaderName,
) -> Result<Option<SchemeAndRest<'r>>, Cause> {
    let mut values = headers.get_all(name);
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value,
        // Which one counts is not ours to guess, whatever their schemes.
        (Some(_), Some(_)) => return Err(Cause::AuthorizationHeader),
    };
    let value = value.as_bytes().trim_ascii();
    let end_of_scheme = value.iter().position(|b| matches!(b, b' ' | b'\t'));
    let (scheme, credential) = value.split_at(end_of_scheme.unwrap_or(value.len()));
    Ok(Some((scheme, credential.trim_ascii())))
}

/// What is said, in Django REST framework's words, where nothing follows the scheme, and where too much.
pub(crate) struct SchemeFaults {
    pub(crate) nothing: &'static str,
    spaces: &'static str,
}

pub(crate) const BASIC_FAULTS: SchemeFaults = SchemeFaults {
    nothing: "Invalid basic header. No credentials provided.",
    spaces: "Invalid basic header. Credentials string should not contain spaces.",
};

pub(crate) const TOKEN_FAULTS: SchemeFaults = SchemeFaults {
    nothing: "Invalid token header. No credentials provided.",
    spaces: "Invalid token header. Token string should not contain spaces.",
};

/// The credential after `Basic` or `Token`.
fn own_scheme<'r>(
    headers: &'r HeaderMap,
    wanted: &str,
    faults: &SchemeFaults,
) -> Result<Option<&'r str>, Cause> {
    match scheme_of(headers, &AUTHORIZATION)? {
        Some((scheme, credential)) if scheme.eq_ignore_ascii_case(wanted.as_bytes()) => {
            if credential.is_empty() {
                return Err(Cause::CredentialHeader(faults.nothing));
            }
            if memchr2(b' ', b'\t', credential).is_some() {
                return Err(Cause::CredentialHeader(faults.spaces));
            }
            Ok(Some(text(credential)))
        }
        _ => Ok(None),
    }
}

/// The user name and the password of RFC 7617 §2: UTF-8, or else the Latin-1 that older clients send.
pub(crate) fn basic_parts(encoded: &str) -> Result<(String, String), Cause> {
    let wrong =
        Cause::CredentialHeader("Invalid basic header. Credentials not correctly base64 encoded.");
    let decoded = base64_simd::forgiving_decode_to_vec(encoded.as_bytes());
    let Ok(decoded) = decoded else { return Err(wrong) };
    let decoded = String::from_utf8(decoded)
        .unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect());
    match decoded.split_once(':') {
        Some((name, password)) => Ok((name.to_owned(), password.to_owned())),
        None => Err(wrong),
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
