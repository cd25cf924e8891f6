//! Who sends requests.

use std::collections::BTreeMap;

use actix_web::cookie::time::Duration;
use reqwest::header::{CONTENT_TYPE, COOKIE, ORIGIN};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::Answer;

/// Somebody without any credential.
#[derive(Clone)]
pub struct Anonymous {
    http: Client,
    base: String,
}

impl Anonymous {
    /// Knocks at the door of any server, such as `http://127.0.0.1:8000`.
    pub fn of(base: String) -> Self {
        // A proxy of the machine has no business between a test and its server.
        let http = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(30))
            // The server ends a connection that says nothing for five seconds, and the client
            // may have opened one too many.
            .pool_idle_timeout(std::time::Duration::from_secs(2))
            .build()
            .expect("an HTTP client can be built");
        Self { http, base }
    }

    /// The address of the door: `http://127.0.0.1:8000`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether both knock at the same door.
    pub fn is_at(&self, door: &Self) -> bool {
        self.base == door.base
    }

    /// A request that the test completes itself.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Reads a page.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path)).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::to(self.request(Method::POST, path).json(&body)).await
    }

    /// Posts a body that claims to be JSON.
    pub async fn post_text(&self, path: &str, body: &str) -> Answer {
        let request = self.request(Method::POST, path);
        Answer::to(request.header(CONTENT_TYPE, "application/json").body(body.to_owned())).await
    }

    /// Shows `value` in the header `Authorization`.
    pub async fn get_with(&self, path: &str, value: &str) -> Answer {
        self.get_with_header(path, "Authorization", value).await
    }

    /// Shows a header.
    pub async fn get_with_header(&self, path: &str, name: &str, value: &str) -> Answer {
        Answer::to(self.request(Method::GET, path).header(name, value)).await
    }

    /// Shows an access token on the protected route.
    pub async fn me(&self, access: &str) -> Answer {
        self.get_with("/api/v1/users/me", &format!("Bearer {access}")).await
    }

    /// Presents a refresh token.
    pub async fn refresh(&self, refresh: &str) -> Answer {
        self.post("/api/token/refresh/", json!({ "refresh": refresh })).await
    }

    /// Hands over a token to be verified.
    pub async fn verify(&self, token: &str) -> Answer {
        self.post("/api/token/verify/", json!({ "token": token })).await
    }

    /// Hands over a refresh token to be blacklisted.
    pub async fn blacklist(&self, refresh: &str) -> Answer {
        self.post("/api/token/blacklist/", json!({ "refresh": refresh })).await
    }
}

/// A program that holds a token pair and refreshes it.
#[derive(Clone)]
pub struct ApiClient {
    anonymous: Anonymous,
    /// The current access token.
    pub access: String,
    /// The current refresh token.
    pub refresh: String,
}

impl ApiClient {
    /// Logs in.
    pub async fn log_in(anonymous: Anonymous, username: &str, password: &str) -> Self {
        let body = json!({ "username": username, "password": password });
        let answer = anonymous.post("/api/token/", body).await;
        answer.expect_status(200);
        Self { access: answer.text("access"), refresh: answer.text("refresh"), anonymous }
    }

    /// Asks who it is.
    pub async fn me(&self) -> Answer {
        self.anonymous.me(&self.access).await
    }

    /// Reads a page.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path)).await
    }

    /// A request with its access token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous.request(method, path).bearer_auth(&self.access)
    }

    /// Refreshes, and keeps what it is given.
    pub async fn refresh(&mut self) -> Answer {
        let answer = self.anonymous.refresh(&self.refresh).await;
        if answer.status == 200 {
            self.access = answer.text("access");
            if let Some(refresh) = answer.json()["refresh"].as_str() {
                self.refresh = refresh.to_owned();
            }
        }
        answer
    }
}

/// What a browser's page sends as `X-CSRFToken`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Csrf {
    /// What the cookie `csrftoken` says, as a script of our own site reads it.
    Echo,
    /// Nothing.
    Omit,
    /// Something else.
    Send(String),
}

/// Somebody in front of a browser: cookies are kept and sent by themselves.
#[derive(Clone)]
pub struct Browser {
    anonymous: Anonymous,
    /// The cookies, by name.
    pub cookies: BTreeMap<String, String>,
    /// What its pages send as `X-CSRFToken` with unsafe requests.
    pub csrf: Csrf,
    /// The site that the page comes from.
    pub origin: Option<String>,
}

impl Browser {
    pub(crate) fn of(anonymous: Anonymous) -> Self {
        Self { anonymous, cookies: BTreeMap::new(), csrf: Csrf::Echo, origin: None }
    }

    /// Logs in with a session cookie.
    pub async fn log_in(&mut self, username: &str, password: &str) -> Answer {
        let body = json!({ "username": username, "password": password });
        self.post("/api/v1/users/login", body).await
    }

    /// Asks who it is.
    pub async fn me(&mut self) -> Answer {
        self.get("/api/v1/users/me").await
    }

    /// Reads a page.
    pub async fn get(&mut self, path: &str) -> Answer {
        let request = self.anonymous.request(Method::GET, path);
        self.send(request).await
    }

    /// Posts JSON, as a script of the page does.
    pub async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.act(Method::POST, path, Some(body)).await
    }

    /// Sends an unsafe request, as a script of the page does.
    pub async fn act(&mut self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.anonymous.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let token = match &self.csrf {
            Csrf::Echo => self.cookies.get("csrftoken").cloned(),
            Csrf::Omit => None,
            Csrf::Send(token) => Some(token.clone()),
        };
        if let Some(token) = token {
            request = request.header("X-CSRFToken", token);
        }
        self.send(request).await
    }

    /// A request that the test completes itself; [`Browser::send`] adds the cookies.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous.request(method, path)
    }

    /// Sends a request with the cookies, and keeps what the answer sets.
    pub async fn send(&mut self, mut request: RequestBuilder) -> Answer {
        if !self.cookies.is_empty() {
            let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
            request = request.header(COOKIE, pairs.collect::<Vec<_>>().join("; "));
        }
        if let Some(origin) = &self.origin {
            request = request.header(ORIGIN, origin);
        }
        let answer = Answer::to(request).await;
        for cookie in answer.cookies() {
            let gone = cookie.value().is_empty() || cookie.max_age() == Some(Duration::ZERO);
            if gone {
                self.cookies.remove(cookie.name());
            } else {
                self.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
        answer
    }

    /// One of its cookies.
    pub fn cookie(&self, name: &str) -> &str {
        self.cookies.get(name).unwrap_or_else(|| panic!("the browser has no cookie {name}"))
    }
}
