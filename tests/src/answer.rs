//! What a server answered, and what a test says about it.

use actix_web::cookie::Cookie;
use reqwest::header::{HeaderMap, SET_COOKIE};
use serde_json::Value;

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Answer {
    /// Sends a request and reads the answer.
    pub async fn to(request: reqwest::RequestBuilder) -> Self {
        Self::try_to(request).await.expect("the server answers")
    }

    /// The same, where the server may be away.
    pub async fn try_to(request: reqwest::RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await?;
        let body = String::from_utf8(body.into()).expect("every body is text");
        Ok(Self { status, headers, body })
    }

    /// Asserts the status and the exact bytes of the body.
    #[track_caller]
    pub fn expect(&self, status: u16, body: &str) -> &Self {
        assert_eq!((self.status, self.body.as_str()), (status, body));
        self
    }

    /// Asserts the status alone.
    #[track_caller]
    pub fn expect_status(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// Asserts `{"detail": …}` with a text that is not part of the contract.
    #[track_caller]
    pub fn expect_detail(&self, status: u16) -> &Self {
        self.expect_status(status);
        let body = self.json();
        let members = body.as_object().map(serde_json::Map::len);
        assert!(members == Some(1) && body["detail"].is_string(), "{body}");
        self
    }

    /// Asserts the 503 of an outage, which says when to come again.
    #[track_caller]
    pub fn expect_outage(&self) -> &Self {
        self.expect_detail(503);
        let seconds = self.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
        assert!(seconds.is_some_and(|seconds| (1..=60).contains(&seconds)), "{:?}", self.headers);
        self
    }

    /// Asserts one header.
    #[track_caller]
    pub fn expect_header(&self, name: &str, value: &str) -> &Self {
        assert_eq!(self.header(name), Some(value), "{name}");
        self
    }

    /// Asserts the 401 of a route that was given no usable credential.
    #[track_caller]
    pub fn expect_challenge(&self, body: &str) -> &Self {
        self.expect(401, body).expect_header("www-authenticate", r#"Bearer realm="api""#)
    }

    /// Asserts the 401 of a token that was refused (RFC 6750 §3).
    #[track_caller]
    pub fn expect_refused_token(&self, body: &str) -> &Self {
        let challenge = r#"Bearer realm="api", error="invalid_token""#;
        self.expect(401, body).expect_header("www-authenticate", challenge)
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("headers are ASCII"))
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|_| panic!("{} is not JSON: {:?}", self.status, self.body))
    }

    /// A text in the body.
    #[track_caller]
    pub fn text(&self, member: &str) -> String {
        let body = self.json();
        let text = body[member].as_str();
        text.unwrap_or_else(|| panic!("no text `{member}` in {}", self.body)).to_owned()
    }

    /// The names of the body's members, in order.
    #[track_caller]
    pub fn members(&self) -> Vec<String> {
        let body = self.json();
        let object = body.as_object().unwrap_or_else(|| panic!("not an object: {}", self.body));
        object.keys().cloned().collect()
    }

    /// The cookies that it sets.
    pub fn cookies(&self) -> impl Iterator<Item = Cookie<'static>> {
        self.headers.get_all(SET_COOKIE).iter().map(|value| {
            let text = value.to_str().expect("cookies are ASCII").to_owned();
            Cookie::parse(text).expect("a cookie as RFC 6265 writes it")
        })
    }

    /// One cookie that it sets.
    #[track_caller]
    pub fn cookie(&self, name: &str) -> Cookie<'static> {
        let cookie = self.cookies().find(|cookie| cookie.name() == name);
        cookie.unwrap_or_else(|| panic!("no cookie `{name}` in {:?}", self.headers))
    }
}
