//! What a client holds after a login.

use reqwest::header::COOKIE;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tests::{Anonymous, Answer};

use crate::PASSWORD;

/// What a client holds after a login.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    Pair { access: String, refresh: String },
    Cookie { header: String, csrf: String },
}

/// How a client logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Pair,
    Cookie,
}

/// How a client ends its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logout {
    /// By its cookie, or by its access token.
    Session,
    /// By its refresh token.
    Blacklist,
    /// On all devices.
    All,
}

impl Carrier {
    /// A login.
    pub(crate) fn log_in(self, node: &Anonymous, user: &str) -> RequestBuilder {
        let path = match self {
            Self::Pair => "/api/token/",
            Self::Cookie => "/api/v1/users/login",
        };
        let body = json!({ "username": user, "password": PASSWORD });
        node.request(Method::POST, path).json(&body)
    }

    /// What the answer to a login gave.
    pub(crate) fn granted(self, answer: &Answer) -> Credential {
        answer.expect_status(200);
        match self {
            Self::Pair => {
                Credential::Pair { access: answer.text("access"), refresh: answer.text("refresh") }
            }
            Self::Cookie => {
                let pairs = answer.cookies().map(|c| format!("{}={}", c.name(), c.value()));
                let header = pairs.collect::<Vec<_>>().join("; ");
                Credential::Cookie { header, csrf: answer.cookie("csrftoken").value().to_owned() }
            }
        }
    }
}

impl Credential {
    /// A request to the protected route.
    pub(crate) fn me(&self, node: &Anonymous) -> RequestBuilder {
        self.show(node.request(Method::GET, "/api/v1/users/me"))
    }

    /// Adds the credential to a request, as a client of its kind does.
    pub(crate) fn show(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Pair { access, .. } => request.bearer_auth(access),
            Self::Cookie { header, csrf } => {
                request.header(COOKIE, header).header("X-CSRFToken", csrf)
            }
        }
    }

    /// A logout.
    pub(crate) fn log_out(&self, how: Logout, node: &Anonymous) -> RequestBuilder {
        let post = |path| node.request(Method::POST, path);
        match how {
            Logout::Session => self.show(post("/api/v1/users/logout")),
            Logout::All => self.show(post("/api/v1/users/logout/all")),
            Logout::Blacklist => {
                post("/api/token/blacklist/").json(&json!({ "refresh": self.refresh_token() }))
            }
        }
    }

    /// The exchange of the refresh token.
    pub(crate) fn refresh(&self, node: &Anonymous) -> RequestBuilder {
        let body = json!({ "refresh": self.refresh_token() });
        node.request(Method::POST, "/api/token/refresh/").json(&body)
    }

    /// The token of a pair.
    pub(crate) fn refresh_token(&self) -> &str {
        match self {
            Self::Pair { refresh, .. } => refresh,
            Self::Cookie { .. } => panic!("a cookie has no refresh token"),
        }
    }
}
