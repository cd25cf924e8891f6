//! The demo application in this process, with a clock that the test sets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_jwt::Auth;
use actix_web::dev::ServerHandle;
use actix_web::rt::System;
use auth_core::{Authority, Clock, ManualClock};
use demo_app::users::{Rights, Users};
use demo_app::{Config, Running, StartError};
use serde_json::{Value, json};

use crate::token::SIGNING_KEY;
use crate::{Anonymous, ApiClient, Browser, Database, TestDb};

/// The password of everybody who is not given another.
const PASSWORD: &str = "correct horse battery staple";

/// A running application. It stops when it is dropped, and its database goes with it.
pub struct TestApp {
    // In the order in which they have to go.
    node: Node,
    hands: ManualClock,
    anonymous: Anonymous,
    db: Arc<TestDb>,
}

/// A server on a thread of its own.
struct Node {
    address: SocketAddr,
    auth: Auth,
    users: Users,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

/// Somebody who can log in.
#[derive(Clone, Debug)]
pub struct User {
    /// The row's id.
    pub id: i64,
    /// The name to log in with.
    pub username: String,
    /// The password to log in with.
    pub password: &'static str,
}

impl User {
    /// The body of a login.
    pub fn credentials(&self) -> Value {
        json!({ "username": self.username, "password": self.password })
    }

    /// The same user, who types something else.
    pub fn with_password(self, password: &'static str) -> Self {
        Self { password, ..self }
    }
}

/// Somebody to be created.
pub struct NewUser {
    /// The name to log in with.
    pub username: &'static str,
    /// The password.
    pub password: &'static str,
    /// Whether they may log in.
    pub is_active: bool,
    /// Whether they are staff.
    pub is_staff: bool,
}

impl NewUser {
    /// An active user with a password like everybody's.
    pub fn named(username: &'static str) -> Self {
        Self { username, password: PASSWORD, is_active: true, is_staff: false }
    }

    /// The same as staff.
    pub fn staff(username: &'static str) -> Self {
        Self { is_staff: true, ..Self::named(username) }
    }
}

impl TestApp {
    /// Starts one with an empty database and the default settings.
    pub async fn start(database: Database) -> Self {
        Self::with(database, &[]).await
    }

    /// Starts one with some settings, by the names that they have in the environment.
    pub async fn with(database: Database, settings: &[(&str, &str)]) -> Self {
        let db = Arc::new(TestDb::create(database));
        let url = db.url().to_owned();
        Self::on(db, &url, settings).await
    }

    /// The same by the clock of the machine, which cannot be set: beside other servers, whose tokens
    /// are of this moment.
    pub async fn by_the_clock(database: Database, settings: &[(&str, &str)]) -> Self {
        let db = Arc::new(TestDb::create(database));
        let url = db.url().to_owned();
        Self::timed(db, &url, settings, ManualClock::starting_now(), Clock::system())
    }

    /// Starts one on a database that has a life of its own, which it finds at `url`.
    pub async fn on(db: Arc<TestDb>, url: &str, settings: &[(&str, &str)]) -> Self {
        let hands = ManualClock::starting_now();
        let clock = hands.clock();
        Self::timed(db, url, settings, hands, clock)
    }

    fn timed(
        db: Arc<TestDb>,
        url: &str,
        settings: &[(&str, &str)],
        hands: ManualClock,
        clock: Clock,
    ) -> Self {
        let node = Node::start(url, settings, clock);
        let node = node.unwrap_or_else(|error| panic!("the application does not start: {error}"));
        let anonymous = Anonymous::of(format!("http://{}", node.address));
        Self { node, hands, anonymous, db }
    }

    /// Why the application does not start with these settings.
    pub async fn refusal(database: Database, settings: &[(&str, &str)]) -> String {
        let db = TestDb::create(database);
        match Node::start(db.url(), settings, ManualClock::starting_now().clock()) {
            Ok(_) => panic!("the application started with {settings:?}"),
            Err(error) => error,
        }
    }

    /// Somebody without any credential.
    pub fn anonymous(&self) -> &Anonymous {
        &self.anonymous
    }

    /// Somebody in front of a browser without cookies.
    pub fn browser(&self) -> Browser {
        Browser::of(self.anonymous.clone())
    }

    /// The site that its pages come from.
    pub fn origin(&self) -> String {
        format!("http://{}", self.node.address)
    }

    /// Creates an active user. Their address is `name@example.com`.
    pub async fn user(&self, username: &'static str) -> User {
        self.create(NewUser::named(username)).await
    }

    /// Creates a user.
    pub async fn create(&self, new: NewUser) -> User {
        let created = demo_app::users::NewUser {
            email: format!("{}@example.com", new.username),
            is_active: new.is_active,
            is_staff: new.is_staff,
            ..demo_app::users::NewUser::new(new.username, new.password)
        };
        let created = self.node.users.create(self.authority(), created).await;
        let created = created.expect("the user can be created");
        User { id: created.id, username: created.username, password: new.password }
    }

    /// Logs in for a token pair.
    pub async fn log_in(&self, user: &User) -> ApiClient {
        ApiClient::log_in(self.anonymous.clone(), &user.username, user.password).await
    }

    /// Logs in for a session cookie.
    pub async fn sign_in(&self, user: &User) -> Browser {
        let mut browser = self.browser();
        browser.log_in(&user.username, user.password).await.expect_status(200);
        browser
    }

    /// Gives a user another password, as the application does it.
    pub async fn set_password(&self, user: &User, password: &str) {
        let done = self.node.users.set_password(self.authority(), &user.username, password).await;
        done.expect("the password can be set");
    }

    /// Locks a user out, as the application does it.
    pub async fn deactivate(&self, user: &User) {
        self.set_active(user, false).await;
    }

    /// Lets a user in again, as the application does it.
    pub async fn activate(&self, user: &User) {
        self.set_active(user, true).await;
    }

    /// Gives a user other rights, as the application does it.
    pub async fn set_rights(&self, user: &User, is_staff: bool, role: Option<&str>) {
        let rights = Rights { is_staff, role: role.map(str::to_owned), ..Rights::default() };
        let done = self.node.users.set_rights(self.authority(), &user.username, rights).await;
        done.expect("the user can be changed");
    }

    /// Gives a user these scopes and no other right, as the application does it.
    pub async fn set_scopes(&self, user: &User, scopes: &[&str]) {
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        let rights = Rights { scopes, ..Rights::default() };
        let done = self.node.users.set_rights(self.authority(), &user.username, rights).await;
        done.expect("the user can be changed");
    }

    async fn set_active(&self, user: &User, active: bool) {
        let done = self.node.users.set_active(self.authority(), &user.username, active).await;
        done.expect("the user can be changed");
    }

    /// Deletes a user behind the application's back.
    pub fn delete(&self, user: &User) {
        let deleted = self.db.execute(&format!("DELETE FROM users WHERE id = {}", user.id));
        assert_eq!(deleted, 1, "rows of {}", user.username);
    }

    /// The time that the application believes, in seconds since 1970.
    pub fn now(&self) -> i64 {
        self.authority().clock().now_seconds()
    }

    /// Lets time pass for the application, as if it had been at work meanwhile.
    pub async fn advance(&self, by: Duration) {
        self.advance_alone(by);
        self.authority().sync().await.expect("the database is there");
    }

    /// Lets time pass without a word from the database.
    pub fn advance_alone(&self, by: Duration) {
        self.hands.advance(by);
    }

    /// Its database.
    pub fn db(&self) -> &TestDb {
        &self.db
    }

    fn authority(&self) -> &Authority {
        self.node.auth.authority()
    }

    /// Sends bytes that no HTTP client would, and reads until the server closes.
    pub fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.node.address).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("sockets have time-outs");
        // A server that has said what it has to say need not read to the end.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let mut part = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut part) {
            answer.extend_from_slice(&part[..length]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Node {
    fn start(url: &str, settings: &[(&str, &str)], clock: Clock) -> Result<Self, String> {
        let own = [("LISTEN", "127.0.0.1:0"), ("DATABASE_URL", url), ("SIGNING_KEY", SIGNING_KEY)];
        // The later one counts.
        let environment: Vec<_> = own
            .iter()
            .chain(settings)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let (sender, started) = mpsc::channel();
        let thread = thread::spawn(move || {
            System::new().block_on(async move {
                let running = match Config::load(None, environment) {
                    Ok(config) => demo_app::start(config, clock).await,
                    Err(error) => Err(StartError::Settings(error)),
                };
                let running = running.map_err(|error| error.to_string());
                let server = running.map(|Running { addr, server, auth, users, .. }| {
                    ((addr, server.handle(), auth, users), server)
                });
                match server {
                    Ok((parts, server)) => {
                        let _ = sender.send(Ok(parts));
                        server.await.expect("the server runs until it is stopped");
                    }
                    Err(error) => {
                        let _ = sender.send(Err(error));
                    }
                }
            });
        });
        let (address, handle, auth, users) = started.recv().expect("the server's thread lives")?;
        Ok(Self { address, auth, users, handle, thread: Some(thread) })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The command is sent by the call; what it answers is when it is done, and the end of
        // the thread says so too.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !thread::panicking() {
                ended.expect("the server did not panic");
            }
        }
    }
}
