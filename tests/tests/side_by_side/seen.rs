//! What is compared of an answer: status, body, and the headers that clients act upon. A token in the body
//! becomes what it says.

use serde_json::{Map, Value, json};
use tests::Answer;
use tests::token::{claims_of, header_of};

/// Claims that only ours have.
pub(crate) const ADDED_CLAIMS: &[&str] = &["sid", "gen", "auth_time", "amr", "username", "email"];
/// A claim that only theirs have.
pub(crate) const LEFT_OUT_CLAIM: &str = "hash_password";

/// An answer, comparable.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    /// What is no JSON is a text.
    pub(crate) body: Value,
    pub(crate) challenge: Option<String>,
    pub(crate) allow: Option<String>,
    pub(crate) content_type: Option<String>,
    /// Of a success of the token routes.
    pub(crate) cache_control: Option<String>,
    /// Whether it is one.
    pub(crate) is_of_tokens: bool,
    /// Claims that only one of the two sides writes, and that were left out of `body`.
    pub(crate) own_claims: Vec<String>,
}

impl Seen {
    pub(crate) fn of(answer: &Answer, path: &str) -> Self {
        let header = |name| answer.header(name).map(str::to_owned);
        let mut own_claims = Vec::new();
        let body = serde_json::from_str(&answer.body)
            .map_or_else(|_| json!(answer.body), |body| readable(body, &mut own_claims));
        own_claims.sort();
        own_claims.dedup();
        let is_of_tokens = answer.status == 200 && path.starts_with("/api/token");
        Self {
            status: answer.status,
            body,
            challenge: header("www-authenticate"),
            // They name the methods with every answer; only one has to (RFC 9110 §15.5.6).
            allow: (answer.status == 405).then(|| header("allow")).flatten(),
            content_type: header("content-type"),
            cache_control: is_of_tokens.then(|| header("cache-control")).flatten(),
            is_of_tokens,
            own_claims,
        }
    }

    /// The same, however many claims were left out.
    pub(crate) fn without_own_claims(&self) -> Self {
        Self { own_claims: Vec::new(), ..self.clone() }
    }

    /// Whether it is JSON, and has what its status asks for.
    pub(crate) fn is_whole(&self) -> bool {
        self.content_type.as_deref() == Some("application/json")
            && self.challenge.is_some() == (self.status == 401)
            && self.allow.is_some() == (self.status == 405)
    }

    /// Whether it has this status, and this in its body.
    pub(crate) fn says(&self, (status, text): (u16, &str)) -> bool {
        self.status == status && self.text().contains(text)
    }

    /// For a message.
    pub(crate) fn told(&self) -> String {
        let text: String = self.text().trim().chars().take(300).collect();
        // Of a page for people the first line is enough.
        let text = text.lines().next().unwrap_or_default();
        let headers = [&self.challenge, &self.allow, &self.content_type, &self.cache_control];
        let headers: Vec<_> = headers.into_iter().flatten().map(String::as_str).collect();
        format!("{} {text} [{}]", self.status, headers.join(" | "))
    }

    fn text(&self) -> String {
        match &self.body {
            Value::String(text) => text.clone(),
            body => body.to_string(),
        }
    }
}

fn readable(body: Value, own_claims: &mut Vec<String>) -> Value {
    match body {
        Value::Object(members) => {
            let readable = |(name, value)| (name, readable(value, own_claims));
            Value::Object(members.into_iter().map(readable).collect())
        }
        Value::String(text) if text.starts_with("ey") && text.matches('.').count() == 2 => {
            token(&text, own_claims)
        }
        // What follows is the parser's own.
        Value::String(text) if text.starts_with("JSON parse error - ") => {
            json!("JSON parse error - …")
        }
        other => other,
    }
}

/// The header, and the claims: those that say who and what by their values, the others by their kinds.
fn token(token: &str, own_claims: &mut Vec<String>) -> Value {
    let header: Value = serde_json::from_str(&header_of(token)).expect("a header is JSON");
    let claims = claims_of(token);
    let begins = claims["iat"].as_i64().expect("every token says when it was issued");
    let mut shapes = Map::new();
    for (name, value) in claims.as_object().expect("claims are an object") {
        let shape = match name.as_str() {
            own if ADDED_CLAIMS.contains(&own) || own == LEFT_OUT_CLAIM => {
                own_claims.push(own.to_owned());
                continue;
            }
            "iat" => json!("a time"),
            // They take the time anew for each claim, so that it can be a second less.
            "exp" | "refresh_exp" => {
                let seconds = value.as_i64().expect("a time is a number") - begins;
                json!(format!("{} minutes later", (seconds + 20) / 60))
            }
            "jti" | "token_id" => {
                let id = value.as_str().unwrap_or_default();
                let is_hex = |b| matches!(b, b'0'..=b'9' | b'a'..=b'f');
                json!(format!("{} digits: {}", id.len(), id.bytes().all(is_hex)))
            }
            _ => value.clone(),
        };
        shapes.insert(name.clone(), shape);
    }
    json!({ "header": header, "claims": shapes })
}
