//! What a session's refreshes and cookies tell about who holds them.

use auth_core::session::{BindSession, RevocationReason};
use auth_core::{
    AuthEvent, ClientInfo, Principal, Proof, Settings, TokenKind, Verified, VerifyError,
};

mod common;

use common::{SECRET, World, assert_revoked, seconds};

fn client(ip: &str, agent: &str) -> ClientInfo {
    ClientInfo::new(Some(ip), Some(agent))
}

fn home() -> ClientInfo {
    client("192.0.2.1", "fox")
}

fn proof() -> Proof {
    Proof::vouched(Principal::new("user", "1"), [])
}

async fn bound_to(bind_session: BindSession) -> World {
    let auth_token_classes = vec![TokenKind::Access, TokenKind::Sliding];
    let settings = Settings::with_signing_key(SECRET);
    World::with(Settings { bind_session, auth_token_classes, ..settings }).await
}

impl World {
    async fn pair_at(&self, client: &ClientInfo) -> String {
        let login = self.authority.start_pair(proof(), client).await.unwrap();
        login.granted.refresh.into_string()
    }

    async fn refresh_at(&self, token: &str, client: &ClientInfo) -> Result<String, VerifyError> {
        match self.authority.refresh(token, client).await {
            Ok(refreshed) => Ok(refreshed.refresh.unwrap().into_string()),
            Err(auth_core::RefreshError::Token(error)) => Err(error),
            Err(other) => panic!("{other:?}"),
        }
    }

    async fn cookie_at(&self, client: &ClientInfo) -> String {
        self.authority.start_cookie(proof(), client).await.unwrap().granted.into_string()
    }

    async fn show(&self, cookie: &str, client: &ClientInfo) -> Result<Verified, VerifyError> {
        self.authority.authenticate_cookie(cookie, client).await
    }

    /// From which address to which, and whether that was refused.
    fn changes(&self) -> Vec<(String, String, bool)> {
        let mut events = self.events.lock().unwrap();
        let changes = events.drain(..).filter_map(|event| match event {
            AuthEvent::ClientChanged { before, now, refused, .. } => {
                Some((before.ip?, now.ip?, refused))
            }
            _ => None,
        });
        changes.collect()
    }
}

fn change(before: &str, now: &str, refused: bool) -> (String, String, bool) {
    (before.into(), now.into(), refused)
}

#[tokio::test]
async fn a_change_of_network_or_agent_is_an_event_and_a_change_within_a_network_is_not() {
    let world = World::new().await;
    let mut token = world.pair_at(&home()).await;
    let mut expected = Vec::new();
    for (next, is_news) in [
        (home(), false),
        (client("192.0.2.77", "fox"), false),
        (client("198.51.100.9", "fox"), true),
        (client("198.51.100.9", "fox"), false),
        (client("198.51.100.9", "owl"), true),
        (ClientInfo::default(), false),
    ] {
        world.wait(seconds(300)).await;
        token = world.refresh_at(&token, &next).await.unwrap();
        let changes = world.changes();
        assert_eq!(changes.len(), usize::from(is_news), "{next:?}");
        expected.extend(changes);
    }
    let there = "198.51.100.9";
    assert_eq!(expected, [change("192.0.2.77", there, false), change(there, there, false)]);
}

#[tokio::test]
async fn a_bound_refresh_token_is_of_no_use_elsewhere_and_its_session_lives_on() {
    for (binding, elsewhere) in [
        (BindSession::Address, client("192.0.2.2", "fox")),
        (BindSession::Network, client("198.51.100.9", "fox")),
        (BindSession::UserAgent, client("192.0.2.1", "owl")),
        (BindSession::UserAgent, ClientInfo::new(Some("192.0.2.1"), None)),
    ] {
        let world = bound_to(binding).await;
        let first = world.pair_at(&home()).await;
        world.events.lock().unwrap().clear();
        for _ in 0..2 {
            let refused = world.refresh_at(&first, &elsewhere).await;
            assert!(matches!(refused, Err(VerifyError::Invalid(_))), "{refused:?}");
        }
        let there = elsewhere.ip.as_deref().unwrap();
        assert_eq!(world.changes(), vec![change("192.0.2.1", there, true); 2]);

        let second = world.refresh_at(&first, &home()).await.unwrap();
        assert!(world.refresh_at(&first, &elsewhere).await.is_err(), "nor within the grace");
        assert_eq!(world.refresh_at(&first, &home()).await.unwrap(), second);
        world.wait(seconds(11)).await;
        let stolen = world.refresh_at(&first, &elsewhere).await;
        assert_revoked(stolen, RevocationReason::Reuse);
    }
}

#[tokio::test]
async fn bound_cookies_and_sliding_tokens_are_of_no_use_elsewhere() {
    let world = bound_to(BindSession::Network).await;
    let elsewhere = client("198.51.100.9", "fox");
    let cookie = world.cookie_at(&home()).await;
    assert!(world.show(&cookie, &home()).await.is_ok());
    for _ in 0..2 {
        let refused = world.show(&cookie, &elsewhere).await;
        assert!(matches!(refused, Err(VerifyError::Invalid(_))), "{refused:?}");
        assert!(world.show(&cookie, &client("192.0.2.9", "fox")).await.is_ok());
    }
    let sliding = world.authority.start_sliding(proof(), &home()).await.unwrap().granted;
    assert!(world.authority.refresh_sliding(sliding.expose(), &elsewhere).await.is_err());
    assert!(world.authority.refresh_sliding(sliding.expose(), &home()).await.is_ok());
    assert!(world.changes().iter().all(|(_, _, refused)| *refused));
}

#[tokio::test]
async fn a_cookie_shown_elsewhere_is_an_event_once_and_the_list_of_devices_knows() {
    let world = World::new().await;
    let cookie = world.cookie_at(&home()).await;
    let elsewhere = client("198.51.100.9", "owl");
    for _ in 0..3 {
        world.wait(seconds(61)).await;
        world.show(&cookie, &elsewhere).await.unwrap();
    }
    assert_eq!(world.changes(), [change("192.0.2.1", "198.51.100.9", false)]);
    let devices = world.authority.sessions(&Principal::new("user", "1")).await.unwrap();
    assert_eq!(devices[0].client, elsewhere);
}

#[tokio::test]
async fn a_session_that_is_refreshed_all_the_time_is_an_event_and_an_honest_one_is_none() {
    let world = World::new().await;
    let too_often = |world: &World| {
        let events = world.events.lock().unwrap();
        events.iter().filter(|event| matches!(event, AuthEvent::RefreshedTooOften { .. })).count()
    };
    let mut token = world.pair_at(&home()).await;
    for _ in 0..100 {
        // With a reload of the page now and then.
        for rest in [1, 299] {
            world.wait(seconds(rest)).await;
            token = world.refresh_at(&token, &home()).await.unwrap();
        }
    }
    assert_eq!(too_often(&world), 0);
    for _ in 0..100 {
        world.wait(seconds(1)).await;
        token = world.refresh_at(&token, &home()).await.unwrap();
    }
    assert_eq!(too_often(&world), 1);
}

#[tokio::test]
async fn without_rotation_a_refresh_is_a_sign_of_life_too() {
    let settings = Settings::with_signing_key(SECRET);
    let world = World::with(Settings { rotate_refresh_tokens: false, ..settings }).await;
    let token = world.pair_at(&home()).await;
    world.wait(seconds(600)).await;
    let elsewhere = client("198.51.100.9", "fox");
    world.authority.refresh(&token, &elsewhere).await.unwrap();
    let devices = world.authority.sessions(&Principal::new("user", "1")).await.unwrap();
    assert_eq!(devices[0].last_seen_at, world.authority.clock().now());
    assert_eq!(devices[0].client, elsewhere);
}
