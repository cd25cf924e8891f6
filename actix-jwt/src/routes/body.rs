//! Request bodies, read and refused as Django REST framework does.

use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use serde_json::{Map, Value};

use crate::problem::{Cause, Problem};

/// More than any credential needs.
const MAX_BYTES: usize = 64 * 1024;

/// A JSON body, of any shape.
pub(super) struct Json(Value);

impl FromRequest for Json {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let content_type = request.headers().get(CONTENT_TYPE);
        let content_type = content_type.map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        let mut payload = payload.take();
        Box::pin(async move {
            let mut bytes = Vec::new();
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|_| Problem::malformed())?;
                if bytes.len() + chunk.len() > MAX_BYTES {
                    return Err(Problem::plain(Cause::TooLarge));
                }
                bytes.extend_from_slice(&chunk);
            }
            // No body is no data, whatever type it says it has.
            if bytes.is_empty() {
                return Ok(Self(Value::Object(Map::new())));
            }
            let content_type = content_type.unwrap_or_default();
            let media_type = content_type.split(';').next().unwrap_or_default().trim();
            if !media_type.eq_ignore_ascii_case("application/json") {
                return Err(Problem::plain(Cause::MediaType(content_type)));
            }
            let value = serde_json::from_slice(&bytes);
            value.map(Self).map_err(|error| Problem::plain(Cause::Json(error.to_string())))
        })
    }
}

impl Json {
    /// The text fields `names`. Every fault of every field is reported at once.
    pub(super) fn fields<const N: usize>(
        self,
        names: [&'static str; N],
    ) -> Result<[String; N], Problem> {
        let mut object = match self.0 {
            Value::Object(object) => object,
            Value::Null => return Err(Problem::plain(Cause::Body("No data provided".into()))),
            other => {
                let kind = python_type(&other);
                let problem = format!("Invalid data. Expected a dictionary, but got {kind}.");
                return Err(Problem::plain(Cause::Body(problem)));
            }
        };
        let mut faults = Vec::new();
        let texts = names.map(|name| {
            text(object.remove(name), name == "password").unwrap_or_else(|fault| {
                faults.push((name, fault));
                String::new()
            })
        });
        if faults.is_empty() { Ok(texts) } else { Err(Problem::plain(Cause::Fields(faults))) }
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
    if text.trim().is_empty() {
        return Err("This field may not be blank.");
    }
    if text.contains('\0') {
        return Err("Null characters are not allowed.");
    }
    // A password is taken as it was typed (NIST SP 800-63B-4 §3.1.1.2).
    Ok(if is_password { text } else { text.trim().to_owned() })
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
