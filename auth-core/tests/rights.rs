//! Changed rights apply at once, and nobody is logged out by them.

use std::sync::Arc;
use std::time::Duration;

use auth_core::session::RevocationReason::{self, RightsChanged};
use auth_core::store::Revoke;
use auth_core::{
    Account, Authority, ClientInfo, ManualClock, MemoryStore, Outage, Principal, Proof, Settings,
    TokenKind, UserDirectory, VerifyError,
};
use tokio::sync::Notify;

mod common;

use common::{SECRET, Users, World, assert_revoked, seconds};

fn alice() -> Principal {
    Principal::new("user", "1")
}

impl World {
    async fn change_role(&self, role: &str) {
        self.users.change(|account| account.role = Some(role.into()));
        self.revoke_access().await;
    }

    async fn revoke_access(&self) {
        let ended = self.authority.revoke(Revoke::AccessTokens(alice()), RightsChanged).await;
        assert_eq!(ended.unwrap(), [], "no login ends");
    }

    async fn cookie(&self) -> String {
        let proof = Proof::vouched(alice(), []);
        let login = self.authority.start_cookie(proof, &ClientInfo::default()).await.unwrap();
        login.granted.into_string()
    }

    async fn show(&self, cookie: &str) -> Result<auth_core::Verified, VerifyError> {
        self.authority.authenticate_cookie(cookie, &ClientInfo::default()).await
    }
}

#[tokio::test]
async fn access_tokens_with_old_rights_are_refused_and_the_next_refresh_has_the_new_ones() {
    let world = World::new().await;
    let (access, refresh) = world.pair().await;
    let (other_device, _) = world.pair().await;
    world.change_role("editor").await;
    assert_revoked(world.authenticate(&access), RightsChanged);
    assert_revoked(world.authenticate(&other_device), RightsChanged);
    assert_revoked(world.authority.verify(&access).await, RightsChanged);
    assert!(world.authority.verify(&refresh).await.is_ok());

    // In the same millisecond.
    let (access, refresh) = world.refresh(&refresh).await.unwrap();
    assert_eq!(world.authenticate(&access).unwrap().role(), Some("editor"));
    let (new_login, _) = world.pair().await;
    assert!(world.authenticate(&new_login).is_ok());

    world.change_role("admin").await;
    assert_revoked(world.authenticate(&access), RightsChanged);
    let (access, _) = world.refresh(&refresh).await.unwrap();
    assert_eq!(world.authenticate(&access).unwrap().role(), Some("admin"));
}

#[tokio::test]
async fn it_does_not_matter_whose_clock_is_ahead() {
    let store = MemoryStore::new();
    let users = Users::with_alice();
    let settings = || Settings::with_signing_key(SECRET);
    let clock = ManualClock::at_unix_seconds;
    let ahead = World::of(store.clone(), users.clone(), clock(1_800_000_030), settings()).await;
    let behind = World::of(store, users, clock(1_800_000_000), settings()).await;

    for (changer, issuer) in [(&ahead, &behind), (&behind, &ahead), (&behind, &behind)] {
        let (access, refresh) = issuer.pair().await;
        changer.change_role("editor").await;
        issuer.authority.sync().await.unwrap();
        assert_revoked(issuer.authenticate(&access), RightsChanged);
        let (access, _) = issuer.refresh(&refresh).await.unwrap();
        assert!(issuer.authenticate(&access).is_ok());
        assert!(changer.authenticate(&access).is_ok());
    }
}

#[tokio::test]
async fn another_process_refuses_old_rights_from_its_next_sync() {
    let store = MemoryStore::new();
    let users = Users::with_alice();
    let clock = || ManualClock::at_unix_seconds(1_800_000_000);
    let settings = || Settings::with_signing_key(SECRET);
    let one = World::of(store.clone(), users.clone(), clock(), settings()).await;
    let other = World::of(store, users, clock(), settings()).await;
    let (access, refresh) = one.pair().await;
    let cookie = one.cookie().await;
    assert!(other.show(&cookie).await.is_ok());
    one.change_role("editor").await;
    assert!(other.authenticate(&access).is_ok(), "not heard yet");
    other.authority.sync().await.unwrap();
    assert_revoked(other.authenticate(&access), RightsChanged);
    assert_eq!(other.show(&cookie).await.unwrap().role(), Some("editor"));
    let (access, _) = other.refresh(&refresh).await.unwrap();
    assert!(other.authenticate(&access).is_ok());
    assert!(one.authenticate(&access).is_ok());
}

#[tokio::test]
async fn what_is_logged_out_stays_logged_out_when_rights_change_before_or_after() {
    for logout_first in [true, false] {
        let world = World::new().await;
        let (access, refresh) = world.pair().await;
        let session = world.authenticate(&access).unwrap().session();
        let logout = world.authority.revoke(Revoke::Session(session), RevocationReason::Logout);
        if logout_first {
            logout.await.unwrap();
            world.revoke_access().await;
        } else {
            world.revoke_access().await;
            logout.await.unwrap();
        }
        assert_revoked(world.authenticate(&access), RevocationReason::Logout);
        assert_revoked(world.refresh(&refresh).await, RevocationReason::Logout);
    }
}

#[tokio::test]
async fn sliding_tokens_are_exchanged_for_new_rights_and_single_ones_end() {
    let settings = Settings {
        auth_token_classes: vec![TokenKind::Access, TokenKind::Sliding],
        ..Settings::with_signing_key(SECRET)
    };
    let world = World::with(settings).await;
    let (authority, client) = (&world.authority, ClientInfo::default());
    let proof = || Proof::vouched(alice(), []);
    let sliding = authority.start_sliding(proof(), &client).await.unwrap().granted;
    let single = authority.start_single(proof(), &client).await.unwrap().granted;
    world.change_role("editor").await;
    assert_revoked(world.authenticate(sliding.expose()), RightsChanged);
    assert_revoked(authority.authenticate_single(single.expose()), RightsChanged);
    let sliding = authority.refresh_sliding(sliding.expose(), &client).await.unwrap();
    assert_eq!(world.authenticate(sliding.expose()).unwrap().role(), Some("editor"));
}

#[tokio::test]
async fn nobody_elses_tokens_are_concerned() {
    let world = World::new().await;
    let (access, _) = world.pair().await;
    let somebody_else = Revoke::AccessTokens(Principal::new("client", "1"));
    world.authority.revoke(somebody_else, RightsChanged).await.unwrap();
    assert!(world.authenticate(&access).is_ok());
}

/// A directory that lets a test change the rights while an account is on its way.
#[derive(Clone)]
struct SlowUsers {
    users: Users,
    read: Arc<Notify>,
    go_on: Arc<Notify>,
}

#[async_trait::async_trait]
impl UserDirectory for SlowUsers {
    async fn find_by_login(&self, login: &str) -> Result<Option<Account>, Outage> {
        self.users.find_by_login(login).await
    }

    async fn load(&self, user_id: &str) -> Result<Option<Account>, Outage> {
        let account = self.users.load(user_id).await;
        self.read.notify_one();
        self.go_on.notified().await;
        account
    }
}

#[tokio::test]
async fn a_refresh_that_read_the_account_before_the_change_does_not_answer_the_old_rights() {
    let (read, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let users = Users::with_alice();
    let slow =
        SlowUsers { users: users.clone(), read: Arc::clone(&read), go_on: Arc::clone(&go_on) };
    let hands = ManualClock::at_unix_seconds(1_800_000_000);
    let authority = Authority::builder(Settings::with_signing_key(SECRET))
        .store(MemoryStore::new())
        .users(slow)
        .clock(hands.clock())
        .build()
        .unwrap();
    authority.sync().await.unwrap();
    let client = ClientInfo::default();
    go_on.notify_one();
    let proof = Proof::vouched(alice(), []);
    let pair = authority.start_pair(proof, &client).await.unwrap().granted;
    read.notified().await;

    let refreshing = {
        let authority = authority.clone();
        let refresh = pair.refresh.into_string();
        tokio::spawn(async move { authority.refresh(&refresh, &ClientInfo::default()).await })
    };
    read.notified().await;
    users.change(|account| account.role = Some("editor".into()));
    authority.revoke(Revoke::AccessTokens(alice()), RightsChanged).await.unwrap();
    go_on.notify_one();
    read.notified().await;
    go_on.notify_one();
    let access = refreshing.await.unwrap().unwrap().access;
    assert_eq!(authority.authenticate(access.expose()).unwrap().role(), Some("editor"));
}

#[tokio::test]
async fn a_cookie_goes_on_with_the_new_rights_and_gets_a_new_secret() {
    let world = World::new().await;
    let old = world.cookie().await;
    assert!(!world.show(&old).await.unwrap().has_new_cookie());
    assert!(world.authority.renew_cookie(&old).await.unwrap().is_none(), "nothing to renew");

    world.change_role("editor").await;
    let verified = world.show(&old).await.unwrap();
    assert_eq!(verified.role(), Some("editor"));
    assert!(verified.has_new_cookie());
    let new = world.authority.renew_cookie(&old).await.unwrap().unwrap();
    assert_ne!(new.expose(), old);
    assert!(!world.show(new.expose()).await.unwrap().has_new_cookie());

    // Another tab, or an answer that was lost.
    world.wait(seconds(10)).await;
    assert!(world.show(&old).await.unwrap().has_new_cookie());
    assert_eq!(world.authority.renew_cookie(&old).await.unwrap().as_ref(), Some(&new));

    world.wait(Duration::from_millis(2)).await;
    assert!(matches!(world.show(&old).await, Err(VerifyError::Invalid(_))));
    assert_eq!(world.authority.renew_cookie(&old).await.unwrap(), None);
    assert!(world.show(new.expose()).await.is_ok());
}

#[tokio::test]
async fn a_cookie_is_renewed_at_every_change_by_a_node_whose_clock_is_ahead_too() {
    let store = MemoryStore::new();
    let users = Users::with_alice();
    let settings = || Settings::with_signing_key(SECRET);
    let clock = ManualClock::at_unix_seconds;
    let ahead = World::of(store.clone(), users.clone(), clock(1_800_000_030), settings()).await;
    let behind = World::of(store, users, clock(1_800_000_000), settings()).await;
    let mut cookie = behind.cookie().await;
    for (changer, renewer) in [(&behind, &ahead), (&behind, &ahead), (&ahead, &behind)] {
        changer.change_role("editor").await;
        renewer.authority.sync().await.unwrap();
        assert!(renewer.show(&cookie).await.unwrap().has_new_cookie());
        let new = renewer.authority.renew_cookie(&cookie).await.unwrap();
        cookie = new.unwrap().into_string();
        assert!(!renewer.show(&cookie).await.unwrap().has_new_cookie());
    }
}

#[tokio::test]
async fn a_cookie_that_ended_is_not_renewed() {
    let world = World::new().await;
    let cookie = world.cookie().await;
    world.change_role("editor").await;
    let session = world.show(&cookie).await.unwrap().session();
    world.authority.revoke(Revoke::Session(session), RevocationReason::Logout).await.unwrap();
    assert_eq!(world.authority.renew_cookie(&cookie).await.unwrap(), None);
    assert_revoked(world.show(&cookie).await, RevocationReason::Logout);
}
