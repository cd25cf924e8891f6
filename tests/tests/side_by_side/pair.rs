//! Both servers, with the same users.

use std::collections::HashMap;
use std::time::Duration;

use auth_core::Clock;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use tests::token::{SIGNING_KEY, but, claims_of, mint_with};
use tests::{Anonymous, Answer, NewUser, TestApp, User};

use crate::cases::Case;
use crate::peer::Peer;

/// A little more than the time for which the token before the current one is answered here.
pub(crate) const PAST_GRACE: Duration = Duration::from_secs(11);

/// Django and our demo.
pub(crate) struct Pair {
    pub(crate) app: TestApp,
    pub(crate) django: Peer,
    pub(crate) theirs: Side,
    pub(crate) ours: Side,
    pub(crate) anna: User,
}

/// One of the two servers, and the tokens that it has issued so far, by what the cases call them.
pub(crate) struct Side {
    pub(crate) door: Anonymous,
    anna: User,
    tokens: HashMap<String, String>,
}

impl Pair {
    /// Starts both, SimpleJWT with these settings and ours with those that mean the same. `None`
    /// where there is no Django.
    pub(crate) async fn start(
        simple_jwt: Value,
        app: impl AsyncFnOnce() -> TestApp,
    ) -> Option<Self> {
        let mut common = json!({ "SIGNING_KEY": SIGNING_KEY });
        let names = common.as_object_mut().expect("it is one");
        names.extend(simple_jwt.as_object().expect("settings are an object").clone());
        let mut django = Peer::django(common)?;
        let app = app().await;
        let anna = create(&app, &mut django, NewUser::named("anna")).await;
        let side = |door: &Anonymous| Side {
            door: door.clone(),
            anna: anna.clone(),
            tokens: HashMap::new(),
        };
        let (theirs, ours) = (side(django.anonymous()), side(app.anonymous()));
        Some(Self { app, django, theirs, ours, anna })
    }

    /// Creates a user with the same id on both sides.
    pub(crate) async fn create(&mut self, new: NewUser) -> User {
        create(&self.app, &mut self.django, new).await
    }

    /// Creates somebody and logs them in, as `{{name.access}}`, `{{name.refresh}}` and
    /// `{{name.sliding}}`.
    pub(crate) async fn logged_in(&mut self, name: &'static str) -> User {
        let user = self.create(NewUser::named(name)).await;
        for side in [&mut self.theirs, &mut self.ours] {
            let (access, refresh) = side.log_in(&user).await;
            let sliding = side.log_in_sliding(&user).await;
            side.keep(&format!("{name}.access"), access);
            side.keep(&format!("{name}.refresh"), refresh);
            side.keep(&format!("{name}.sliding"), sliding);
        }
        user
    }

    /// Lets the clock of ours, which stands still, show the time that theirs shows.
    pub(crate) async fn catch_up(&self) {
        let late = Clock::system().now_seconds() + 1 - self.app.now();
        if late > 0 {
            self.app.advance(Duration::from_secs(late.unsigned_abs())).await;
        }
    }

    /// What they answer, and what we answer.
    pub(crate) async fn answers(&mut self, case: &Case) -> (Answer, Answer) {
        (self.theirs.answer(case).await, self.ours.answer(case).await)
    }
}

async fn create(app: &TestApp, django: &mut Peer, new: NewUser) -> User {
    let is_active = new.is_active;
    let user = app.create(new).await;
    django.order(json!({
        "do": "create",
        "id": user.id,
        "username": user.username,
        "email": format!("{}@example.com", user.username),
        "password": user.password,
        "is_active": is_active,
    }));
    user
}

impl Side {
    pub(crate) async fn log_in(&self, user: &User) -> (String, String) {
        let answer = self.door.post("/api/token/", user.credentials()).await;
        answer.expect_status(200);
        (answer.text("access"), answer.text("refresh"))
    }

    pub(crate) async fn log_in_sliding(&self, user: &User) -> String {
        let answer = self.door.post("/api/token/sliding/", user.credentials()).await;
        answer.expect_status(200).text("token")
    }

    fn keep(&mut self, name: &str, token: String) {
        self.tokens.insert(name.to_owned(), token);
    }

    /// A token of Anna's, made when it is first asked for. What follows `#` tells one login from
    /// another: tokens with the same are of one login.
    pub(crate) async fn token(&mut self, name: &str) -> String {
        // `{{access}}` is `{{access#}}`.
        let (what, login) = name.split_once('#').unwrap_or((name, ""));
        let is_of_anna = !name.contains('.') && name != "forged";
        let name = if is_of_anna { format!("{what}#{login}") } else { name.to_owned() };
        if let Some(token) = self.tokens.get(&name) {
            return token.clone();
        }
        if what == "sliding" {
            let sliding = self.log_in_sliding(&self.anna).await;
            self.keep(&name, sliding);
        } else {
            let (access, refresh) = self.log_in(&self.anna).await;
            match what {
                "access" | "refresh" => {
                    self.keep(&format!("access#{login}"), access);
                    self.keep(&format!("refresh#{login}"), refresh);
                }
                "spent" | "rotated" => {
                    let rotated =
                        self.door.refresh(&refresh).await.expect_status(200).text("refresh");
                    self.keep(&format!("spent#{login}"), refresh);
                    self.keep(&format!("rotated#{login}"), rotated);
                }
                "blacklisted" | "ended" => {
                    self.door.blacklist(&refresh).await.expect_status(200);
                    self.keep(&format!("blacklisted#{login}"), refresh);
                    self.keep(&format!("ended#{login}"), access);
                }
                unknown => panic!("there is no token {unknown}"),
            }
        }
        self.tokens[&name].clone()
    }

    /// `template` with the tokens in their places.
    async fn filled(&mut self, template: &[u8]) -> Vec<u8> {
        let Ok(mut rest) = std::str::from_utf8(template) else { return template.to_owned() };
        let mut filled = String::new();
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").expect("what is opened is closed");
            filled.push_str(before);
            filled.push_str(&self.token(name).await);
            rest = after;
        }
        filled.push_str(rest);
        filled.into()
    }

    async fn answer(&mut self, case: &Case) -> Answer {
        if let Some(forged) = &case.forged {
            let claims = but(claims_of(&self.token(forged.of).await), forged.claims.clone());
            let forged = mint_with(forged.header, &claims.to_string(), SIGNING_KEY);
            self.keep("forged", forged);
        }
        let mut request = self.door.request(case.method.clone(), &case.path);
        for (name, value) in &case.headers {
            let value = self.filled(value).await;
            let name: HeaderName = name.parse().expect("it is a name");
            request =
                request.header(name, HeaderValue::from_bytes(&value).expect("it can be sent"));
        }
        if let Some(body) = &case.body {
            request = request.body(self.filled(body).await);
        }
        let answer = Answer::try_to(request).await;
        answer.unwrap_or_else(|error| panic!("{}: {error:?}", case.name))
    }
}
