//! An application whose routes accept every credential, each of somebody else, so that an answer tells
//! which one has decided; and the routes about tokens.

use std::cell::Cell;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use actix_jwt::permission::IsStaff;
use actix_jwt::{Auth, Credential, JwtAuth};
use actix_web::test::TestRequest;
use actix_web::web::{self, ServiceConfig};
use auth_core::password::PasswordHash;
use auth_core::session::RevocationReason;
use auth_core::store::Revoke;
use auth_core::{
    Account, Authority, ManualClock, MemoryStore, NewPersonalToken, Outage, Principal, SessionId,
    Settings, UserDirectory, async_trait,
};

use crate::http::{who, who_if_anybody};
use crate::server::{Answer, Server};
use crate::world::{self, cookie_of, now, pair_of, single_of};

/// Who shows which credential: their ids.
pub const BASIL: &str = "1";
pub const CORA: &str = "2";
pub const TOM: &str = "3";
pub const BEA: &str = "4";
pub const HAL: &str = "5";
/// Staff, with an access token.
pub const BOSS: &str = "6";

/// The one who has a password, which is neither ASCII nor without a colon.
pub const LOGIN: &str = "bas\u{ef}l";
pub const PASSWORD: &str = "gr\u{fc}n: wei\u{df}";

/// What everybody may do.
pub const SCOPES: [&str; 2] = ["orders:read", "orders:write"];

/// After a login so long ago nothing is made that outlives it.
const LONG_AGO: Duration = Duration::from_secs(16 * 60);

static HASH: LazyLock<PasswordHash> = LazyLock::new(|| PasswordHash::create(PASSWORD).unwrap());

/// A password is hashed at first, and then once in so many inputs, or a run would do nothing else.
const PASSWORDS_AT_FIRST: u64 = 20;
const INPUTS_FOR_A_PASSWORD: u64 = 5_000;

thread_local! {
    static INPUTS: Cell<u64> = const { Cell::new(0) };
    static PASSWORDS: Cell<u64> = const { Cell::new(0) };
}

pub struct Chain {
    server: Server,
    clock: ManualClock,
    people: People,
    pub authority: Authority,
    pub credentials: Credentials,
}

/// What clients may hold.
pub struct Credentials {
    pub cookie: String,
    /// Of Tom.
    pub personal: String,
    /// Limited to the first scope.
    pub limited: String,
    pub ended_personal: String,
    pub expired_personal: String,
    /// That of Bea, who has an access token otherwise.
    pub other_personal: String,
    pub other_personal_id: String,
    pub personal_id: String,
    pub access: String,
    pub refresh: String,
    /// Of a login of Bea's that is long ago.
    pub old_access: String,
    pub single: String,
    pub boss: String,
}

impl Chain {
    pub fn new() -> Self {
        let (clock, people) = (world::clock(), People::default());
        let settings = Settings {
            // For an old login whose token still lives.
            access_token_lifetime: 2 * LONG_AGO,
            ..Settings::default()
        };
        let store = MemoryStore::new();
        let authority = world::authority_of(people.clone(), settings, store, &clock);
        let (server, ()) = Server::new(async {
            let auth = Auth::builder(authority.clone()).credentials([
                Credential::basic(),
                Credential::session_cookie(),
                Credential::token(),
                Credential::bearer(),
                Credential::header("jwt-auth"),
            ]);
            let auth = auth.start().await.unwrap();
            let routes = move |config: &mut ServiceConfig| {
                let scope = |name: &str| web::scope(name).app_data(auth.clone());
                config
                    .configure(auth.oauth_routes("/oauth", IsStaff))
                    .configure(auth.personal_token_routes("/tokens"))
                    .service(scope("/guard").wrap(JwtAuth).default_service(web::to(who)))
                    .service(scope("/user").default_service(web::to(who)))
                    .service(scope("/maybe").default_service(web::to(who_if_anybody)))
                    .service(
                        scope("/staff")
                            .wrap(JwtAuth::require(IsStaff))
                            .default_service(web::to(who)),
                    );
            };
            (routes, ())
        });
        let credentials = Credentials::new(&authority, &clock);
        let chain = Self { server, clock, people, authority, credentials };
        chain.check_itself();
        chain
    }

    pub fn ask(&self, request: TestRequest) -> Answer {
        self.people.asked.lock().unwrap().take();
        self.server.ask(request)
    }

    /// Whether an input that takes a password may be tried.
    pub fn is_time_for_a_password(&self) -> bool {
        let (inputs, passwords) = (INPUTS.get() + 1, PASSWORDS.get());
        INPUTS.set(inputs);
        let is_time = passwords < PASSWORDS_AT_FIRST + inputs / INPUTS_FOR_A_PASSWORD;
        PASSWORDS.set(passwords + u64::from(is_time));
        is_time
    }

    /// The login that the directory was asked for by the last request.
    pub fn asked_for(&self) -> Option<String> {
        self.people.asked.lock().unwrap().clone()
    }

    /// Gives everybody new credentials in the place of those that a request has ended.
    pub fn renew(&mut self) {
        self.credentials = Credentials::new(&self.authority, &self.clock);
    }

    /// The doors open for those who may enter: otherwise nothing that follows would mean anything.
    fn check_itself(&self) {
        let held = &self.credentials;
        let basic = basic(LOGIN.as_bytes(), PASSWORD.as_bytes());
        for (name, value, expected) in [
            ("authorization", format!("Basic {basic}"), BASIL),
            ("cookie", format!("sessionid={}", held.cookie), CORA),
            ("authorization", format!("Token {}", held.personal), TOM),
            ("authorization", format!("Token {}", held.limited), TOM),
            ("authorization", format!("Token {}", held.other_personal), BEA),
            ("authorization", format!("Bearer {}", held.access), BEA),
            ("authorization", format!("Bearer {}", held.old_access), BEA),
            ("authorization", format!("Bearer {}", held.boss), BOSS),
            ("jwt-auth", held.single.clone(), HAL),
        ] {
            let request = TestRequest::get().uri("/guard").insert_header((name, value));
            let answer = self.ask(request);
            assert_eq!((answer.status, &*answer.body), (200, expected.as_bytes()));
        }
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

/// What follows `Basic`.
pub fn basic(login: &[u8], password: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string([login, b":", password].concat())
}

fn somebody(id: &str) -> Principal {
    Principal::new("user", id)
}

impl Credentials {
    fn new(authority: &Authority, clock: &ManualClock) -> Self {
        let make = |id: &str, scopes: Option<Vec<String>>, lifetime: Option<Duration>| {
            let new = NewPersonalToken { name: "fuzz".into(), scopes, lifetime };
            let made = now(authority.create_personal_token_for(&somebody(id), new));
            let (token, session) = made.unwrap();
            (token.into_string(), session.id)
        };
        clock.set_back(LONG_AGO);
        let (old_access, _) = pair_of(authority, somebody(BEA));
        let (expired_personal, _) = make(TOM, None, Some(LONG_AGO));
        clock.advance(LONG_AGO);
        let (ended_personal, ended) = make(TOM, None, None);
        end(authority, ended);
        let (personal, personal_id) = make(TOM, None, None);
        let (other_personal, other_personal_id) = make(BEA, None, None);
        let (access, refresh) = pair_of(authority, somebody(BEA));
        Self {
            cookie: cookie_of(authority, somebody(CORA)),
            limited: make(TOM, Some(vec![SCOPES[0].to_owned()]), None).0,
            single: single_of(authority, somebody(HAL)),
            boss: pair_of(authority, somebody(BOSS)).0,
            personal_id: personal_id.to_string(),
            other_personal_id: other_personal_id.to_string(),
            personal,
            ended_personal,
            expired_personal,
            other_personal,
            access,
            refresh,
            old_access,
        }
    }
}

fn end(authority: &Authority, session: SessionId) {
    let ended = authority.revoke(Revoke::Session(session), RevocationReason::Logout);
    assert_eq!(now(ended).unwrap(), [session]);
}

/// Of those who log in, only Basil is known: for everybody else the directory is away, which costs
/// nothing where a password would cost as much as some hundred other requests.
#[derive(Clone, Default)]
struct People {
    asked: Arc<Mutex<Option<String>>>,
}

#[async_trait]
impl UserDirectory for People {
    async fn find_by_login(&self, login: &str) -> Result<Option<Account>, Outage> {
        *self.asked.lock().unwrap() = Some(login.to_owned());
        match login {
            LOGIN => self.load(BASIL).await,
            _ => Err(Outage::because("only one user is known")),
        }
    }

    async fn load(&self, user_id: &str) -> Result<Option<Account>, Outage> {
        let known = [BASIL, CORA, TOM, BEA, HAL, BOSS].contains(&user_id);
        Ok(known.then(|| Account {
            password_hash: (user_id == BASIL).then(|| HASH.clone()),
            is_staff: user_id == BOSS,
            scopes: SCOPES.map(str::to_owned).into(),
            ..Account::new(somebody(user_id), user_id)
        }))
    }
}
