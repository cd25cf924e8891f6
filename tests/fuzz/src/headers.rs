//! The headers of a request, and what they say by the rules of the documentation.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::test::TestRequest;

/// The headers of a request, with those that come twice, in their order.
pub struct Headers(Vec<(HeaderName, HeaderValue)>);

impl Headers {
    /// Adds those of `lines`, each `name: value`, that a server would have let through.
    pub fn add(mut request: TestRequest, lines: &[u8]) -> (TestRequest, Self) {
        let mut headers = Vec::new();
        for line in lines.split(|byte| *byte == b'\n') {
            let middle = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            let value = line.get(middle + 1..).unwrap_or_default();
            let (next, added) = header(request, &line[..middle], value);
            request = next;
            headers.extend(added);
        }
        (request, Self(headers))
    }

    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        let named = self.0.iter().filter(|(known, _)| known.as_str() == name);
        named.map(|(_, value)| value.as_bytes()).collect()
    }

    pub fn first(&self, name: &str) -> Option<String> {
        self.all(name).first().map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The value of the first cookie of this name that has one.
    pub fn cookie(&self, name: &str) -> Option<Vec<u8>> {
        let lines = self.all("cookie").join(&b';');
        let pairs = lines.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let values = pairs.filter_map(|pair| {
            let middle = pair.iter().position(|byte| *byte == b'=')?;
            let (known, value) = (&pair[..middle], &pair[middle + 1..]);
            (known == name.as_bytes() && !value.is_empty()).then(|| value.to_vec())
        });
        values.into_iter().next()
    }

    /// Whether a browser says that the request comes from a page of the site itself, of whose host
    /// only `trusted` is, where that is given.
    pub fn are_of_site(&self, trusted: Option<&str>) -> bool {
        let is_cross_site = self.first("sec-fetch-site").as_deref() == Some("cross-site");
        let Some(origin) = self.first("origin") else { return !is_cross_site };
        if self.all("origin").len() > 1 {
            return false;
        }
        if trusted.is_some_and(|trusted| origin.eq_ignore_ascii_case(trusted)) {
            return true;
        }
        if is_cross_site {
            return false;
        }
        let Some(host) = self.first("host") else { return false };
        let host = host.to_ascii_lowercase();
        let host = [":443", ":80"].iter().find_map(|port| host.strip_suffix(port)).unwrap_or(&host);
        let rest = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
        let is_host = rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host));
        is_host && !trusted.is_some_and(|trusted| trusted.ends_with(&format!("//{host}")))
    }
}

/// Adds a header to the request where a server would have let it through.
pub fn header(
    request: TestRequest,
    name: &[u8],
    value: &[u8],
) -> (TestRequest, Option<(HeaderName, HeaderValue)>) {
    let name = HeaderName::from_bytes(name).ok();
    let value = HeaderValue::from_bytes(value.trim_ascii()).ok();
    match name.zip(value) {
        Some((name, value)) => {
            (request.append_header((name.clone(), value.clone())), Some((name, value)))
        }
        None => (request, None),
    }
}

/// Who sent a request, by the rules of the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Nobody,
    /// Somebody whose credential is refused.
    Refused,
    User,
}

/// Who sent a request with these values of the header that carries a token after one of `words`.
pub fn bearer(values: &[&[u8]], words: &[&str], good: &str) -> Sender {
    let value = match values {
        [] => return Sender::Nobody,
        [value] => String::from_utf8_lossy(value).into_owned(),
        _ => return Sender::Refused,
    };
    let parts: Vec<&str> = value.split([' ', '\t']).filter(|part| !part.is_empty()).collect();
    let scheme = parts.first().map(|scheme| scheme.to_ascii_lowercase());
    if !words.iter().any(|word| Some(word.to_ascii_lowercase()) == scheme) {
        return Sender::Nobody;
    }
    if parts.len() == 2 && parts[1] == good { Sender::User } else { Sender::Refused }
}
