//! A small application: its users, and requests to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use actix_jwt::Auth;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::test::TestRequest;
use actix_web::{Error, test};
use async_trait::async_trait;
use auth_core::password::PasswordHash;
use auth_core::{
    Account, Authority, AuthorityBuilder, ClientInfo, ManualClock, MemoryStore, Outage, Principal,
    Proof, Settings, UserDirectory,
};
use tests::token::SIGNING_KEY;

/// The users of the shop: anybody can be added, changed and removed.
#[derive(Clone, Default)]
pub(crate) struct Users(Arc<Mutex<HashMap<String, Account>>>, Arc<Mutex<bool>>);

impl Users {
    pub(crate) fn put(&self, account: Account) {
        let id = account.principal.user_id().to_owned();
        self.0.lock().unwrap().insert(id, account);
    }

    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut Account)) {
        change(self.0.lock().unwrap().get_mut(id).unwrap());
    }

    pub(crate) fn remove(&self, id: &str) {
        self.0.lock().unwrap().remove(id);
    }

    /// From now on the directory does not answer.
    pub(crate) fn go_away(&self) {
        *self.1.lock().unwrap() = true;
    }

    fn find(&self, is_it: impl Fn(&Account) -> bool) -> Result<Option<Account>, Outage> {
        if *self.1.lock().unwrap() {
            return Err(Outage::because("the directory of 10.0.0.7 is away"));
        }
        Ok(self.0.lock().unwrap().values().find(|account| is_it(account)).cloned())
    }
}

#[async_trait]
impl UserDirectory for Users {
    async fn find_by_login(&self, login: &str) -> Result<Option<Account>, Outage> {
        self.find(|account| account.username == login)
    }

    async fn load(&self, user_id: &str) -> Result<Option<Account>, Outage> {
        self.find(|account| account.principal.user_id() == user_id)
    }

    async fn upgrade_password_hash(
        &self,
        _: &str,
        _: &PasswordHash,
        _: &PasswordHash,
    ) -> Result<(), Outage> {
        Ok(())
    }
}

/// The authority of the shop, its users and its clock.
pub(crate) struct Shop {
    pub(crate) auth: Auth,
    pub(crate) users: Users,
    pub(crate) hands: ManualClock,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(|builder| builder).await
    }

    pub(crate) async fn open_with(
        customise: impl FnOnce(AuthorityBuilder) -> AuthorityBuilder,
    ) -> Self {
        let (users, hands) = (Users::default(), ManualClock::starting_now());
        let builder = Authority::builder(Settings::with_signing_key(SIGNING_KEY))
            .store(MemoryStore::new())
            .users(users.clone())
            .clock(hands.clock())
            .claims(|account, claims| {
                claims.insert("username".into(), account.username.as_str().into());
            });
        let authority = customise(builder).build().unwrap();
        Self { auth: Auth::start(authority).await.unwrap(), users, hands }
    }

    /// Adds an account and answers an access token for it.
    pub(crate) async fn token(&self, id: &str, change: impl FnOnce(&mut Account)) -> String {
        let principal = Principal::new("user", id);
        let mut account = Account::new(principal.clone(), format!("user-{id}"));
        change(&mut account);
        self.users.put(account);
        let proof = Proof::vouched(principal, []);
        let login = self.auth.authority().start_pair(proof, &ClientInfo::default()).await.unwrap();
        login.granted.access.into_string()
    }

    /// An access token of a user without any right.
    pub(crate) async fn customer(&self) -> String {
        self.token("1", |_| {}).await
    }

    /// An access token of a member of the staff.
    pub(crate) async fn staff(&self) -> String {
        self.token("2", |account| account.is_staff = true).await
    }
}

/// What an application answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Sends a request, with a bearer token where there is one.
pub(crate) async fn ask<S, B>(service: &S, request: TestRequest, token: Option<&str>) -> Reply
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let request = match token {
        Some(token) => request.insert_header((AUTHORIZATION, format!("Bearer {token}"))),
        None => request,
    };
    let response = test::call_service(service, request.to_request()).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = String::from_utf8(test::read_body(response).await.to_vec()).unwrap();
    Reply { status, headers, body }
}

/// The status of a GET.
pub(crate) async fn status<S, B>(service: &S, path: &str, token: Option<&str>) -> u16
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    ask(service, TestRequest::get().uri(path), token).await.status
}
