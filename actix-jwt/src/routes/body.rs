//! Request bodies, read and refused as Django REST framework does.

use std::borrow::Cow;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::rt::time::timeout;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::problem::{Cause, Problem};

/// More than any credential needs.
const MAX_BYTES: usize = 64 * 1024;

const MAX_WAIT: Duration = Duration::from_secs(30);

/// A JSON body, of any shape.
pub(super) struct Json(Value);

impl FromRequest for Json {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media_type = MediaType::of(request);
        let payload = payload.take();
        Box::pin(async move {
            let bytes = read(payload).await?;
            // No body is no data, whatever type it says it has.
            if bytes.is_empty() {
                return Ok(Self(Value::Object(Map::new())));
            }
            media_type.must_be("application/json")?;
            let value = serde_json::from_slice(&bytes);
            value.map(Self).map_err(|error| Problem::plain(Cause::Json(error.to_string())))
        })
    }
}

/// In the time that the slowest of clients needs for so little: what waits for a body holds a request, and the end of
/// the server. (actix then closes the connection, but of a chunked body it waits for the rest: a proxy has to.)
async fn read(payload: Payload) -> Result<Vec<u8>, Problem> {
    timeout(MAX_WAIT, read_all(payload)).await.unwrap_or_else(|_| Err(Problem::malformed()))
}

async fn read_all(mut payload: Payload) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::malformed())?;
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(Problem::plain(Cause::TooLarge));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The `Content-Type`, as it was sent.
struct MediaType(String);

impl MediaType {
    fn of(request: &HttpRequest) -> Self {
        let content_type = request.headers().get(CONTENT_TYPE);
        let content_type = content_type.map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        Self(content_type.unwrap_or_default())
    }

    fn must_be(self, expected: &str) -> Result<(), Problem> {
        let media_type = self.0.split(';').next().unwrap_or_default().trim();
        match media_type.eq_ignore_ascii_case(expected) {
            true => Ok(()),
            false => Err(Problem::plain(Cause::MediaType(self.0))),
        }
    }
}

impl From<Map<String, Value>> for Json {
    fn from(object: Map<String, Value>) -> Self {
        Self(Value::Object(object))
    }
}

impl Json {
    /// The members, of an object.
    pub(super) fn object(self) -> Result<Map<String, Value>, Problem> {
        match self.0 {
            Value::Object(object) => Ok(object),
            Value::Null => Err(Problem::plain(Cause::Body("No data provided".into()))),
            other => {
                let kind = python_type(&other);
                let problem = format!("Invalid data. Expected a dictionary, but got {kind}.");
                Err(Problem::plain(Cause::Body(problem)))
            }
        }
    }

    /// The text fields `names`. Every fault of every field is reported at once.
    pub(super) fn fields<const N: usize>(
        self,
        names: [&'static str; N],
    ) -> Result<[String; N], Problem> {
        self.fields_and(names, Vec::new())
    }

    /// The same where faults of other fields are known.
    pub(super) fn fields_and<const N: usize>(
        self,
        names: [&'static str; N],
        mut faults: Vec<(&'static str, Cow<'static, str>)>,
    ) -> Result<[String; N], Problem> {
        let mut object = self.object()?;
        let texts = names.map(|name| {
            text(object.remove(name), name == "password").unwrap_or_else(|fault| {
                faults.push((name, fault.into()));
                String::new()
            })
        });
        if faults.is_empty() { Ok(texts) } else { Err(Problem::plain(Cause::Fields(faults))) }
    }

    /// Takes the text field `name` out; what is missing, null or blank is none.
    pub(super) fn take(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let Value::Object(object) = &mut self.0 else { return Ok(None) };
        match object.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(blank)) if blank.trim().is_empty() => Ok(None),
            value => text(value, name == "password")
                .map(Some)
                .map_err(|fault| Problem::plain(Cause::Fields(vec![(name, fault.into())]))),
        }
    }

    /// The text fields `names`; whatever is missing, empty or something else is a malformed
    /// request.
    pub(super) fn plain_fields<const N: usize>(
        self,
        names: [&'static str; N],
    ) -> Result<[String; N], Problem> {
        self.fields(names).map_err(|_| Problem::malformed())
    }
}

/// A body of the type `application/x-www-form-urlencoded`.
pub(super) struct Form(Vec<u8>);

impl FromRequest for Form {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media_type = MediaType::of(request);
        let payload = payload.take();
        Box::pin(async move {
            let bytes = read(payload).await?;
            if !bytes.is_empty() {
                media_type.must_be("application/x-www-form-urlencoded")?;
            }
            Ok(Self(bytes))
        })
    }
}

impl Form {
    /// The parameter of this name; `None` also where it is empty or there twice (RFC 6749 §3.2).
    pub(super) fn only(&self, name: &str) -> Option<String> {
        let parameters = form_urlencoded::parse(&self.0);
        let mut values = parameters.filter(|(n, _)| n == name).map(|(_, value)| value);
        let value = values.next().filter(|value| !value.is_empty())?;
        values.next().is_none().then(|| value.into_owned())
    }
}

/// What DRF's `CharField` makes of a value.
fn text(value: Option<Value>, is_password: bool) -> Result<String, &'static str> {
    let text = match value {
        None => return Err("This field is required."),
        Some(Value::Null) => return Err("This field may not be null."),
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            return Err("Not a valid string.");
        }
    };
    let trimmed = text.trim_matches(is_blank);
    if trimmed.is_empty() {
        return Err("This field may not be blank.");
    }
    if text.contains('\0') {
        return Err("Null characters are not allowed.");
    }
    // A password is taken as it was typed (NIST SP 800-63B-4 §3.1.1.2).
    Ok(if is_password { text } else { trimmed.to_owned() })
}

/// As Python's `str.strip` sees it: the separators of ASCII are blanks too.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::web::Bytes;
    use futures_util::stream;

    use super::*;

    #[actix_web::test]
    async fn who_never_sends_the_rest_of_a_body_is_not_waited_for() {
        tokio::time::pause();
        let begun = Bytes::from_static(b"{");
        let body = stream::once(async { Ok(begun) }).chain(stream::pending());
        let payload = Payload::Stream { payload: body.boxed_local() };
        assert!(matches!(read(payload).await, Err(problem) if problem.status_code() == 400));
    }
}
