//! A request that both servers get.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

/// A route of the contract.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    /// What cases are named after.
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    /// The fields that it requires.
    pub(crate) fields: &'static [&'static str],
}

pub(crate) const OBTAIN: Route =
    Route { name: "obtain", path: "/api/token/", fields: &["username", "password"] };
pub(crate) const REFRESH: Route =
    Route { name: "refresh", path: "/api/token/refresh/", fields: &["refresh"] };
pub(crate) const VERIFY: Route =
    Route { name: "verify", path: "/api/token/verify/", fields: &["token"] };
pub(crate) const BLACKLIST: Route =
    Route { name: "blacklist", path: "/api/token/blacklist/", fields: &["refresh"] };
pub(crate) const SLIDING: Route =
    Route { name: "sliding", path: "/api/token/sliding/", fields: &["username", "password"] };
pub(crate) const SLIDE: Route =
    Route { name: "slide", path: "/api/token/sliding/refresh/", fields: &["token"] };

/// Those that take a body.
pub(crate) const ROUTES: [Route; 6] = [OBTAIN, REFRESH, VERIFY, BLACKLIST, SLIDING, SLIDE];

/// The protected route.
pub(crate) const ME: Route = Route { name: "me", path: "/api/v1/users/me/", fields: &[] };

/// A request. In its body and its headers `{{name}}` stands for a token, which each server has issued
/// itself ([`Side::token`](crate::pair::Side::token) knows the names), and `{{forged}}` for a forged one.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// `route · what`, unique.
    pub(crate) name: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) forged: Option<Forged>,
}

/// A token that a server issued, signed anew after a change.
#[derive(Clone, Debug)]
pub(crate) struct Forged {
    /// The name of the token.
    pub(crate) of: &'static str,
    /// Instead of its header.
    pub(crate) header: &'static str,
    /// Claims that replace its own; what is null is left out.
    pub(crate) claims: Value,
}

impl Case {
    pub(crate) fn new(route: Route, what: &str, method: Method) -> Self {
        let name = format!("{} · {what}", route.name);
        Self {
            name,
            method,
            path: route.path.into(),
            headers: Vec::new(),
            body: None,
            forged: None,
        }
    }

    /// A body of JSON.
    pub(crate) fn post(route: Route, what: &str, body: &Value) -> Self {
        Self::post_text(route, what, body.to_string())
    }

    /// A body that says it is JSON.
    pub(crate) fn post_text(route: Route, what: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::post_typed(route, what, "application/json", body)
    }

    /// A body of another type.
    pub(crate) fn post_typed(
        route: Route,
        what: &str,
        content_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let case = Self::new(route, what, Method::POST);
        Self { body: Some(body.into()), ..case }.header(CONTENT_TYPE.as_str(), content_type)
    }

    /// A credential on the protected route.
    pub(crate) fn shown(what: &str, authorization: impl Into<Vec<u8>>) -> Self {
        Self::new(ME, what, Method::GET).header("Authorization", authorization)
    }

    /// A token where the route takes one.
    pub(crate) fn token(route: Route, what: &str, token: &str) -> Self {
        match route.fields {
            [field] => Self::post(route, what, &serde_json::json!({ *field: token })),
            _ => Self::shown(what, format!("Bearer {token}")),
        }
    }

    /// A forged token where the route takes one.
    pub(crate) fn forged(route: Route, what: &str, forged: Forged) -> Self {
        Self { forged: Some(forged), ..Self::token(route, what, "{{forged}}") }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn at(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }
}
