//! Tokens of another issuer with our key that become sessions here: what was spent or ended stays so.

mod common;

use auth_core::session::RevocationReason;
use auth_core::store::Revoke;
use auth_core::{ClientInfo, Principal, Settings, TokenKind, Verified, VerifyError};
use common::{SECRET, World, seconds};
use serde_json::{Value, json};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn settings() -> Settings {
    Settings {
        auth_token_classes: vec![TokenKind::Access, TokenKind::Sliding],
        ..Settings::with_signing_key(SECRET)
    }
}

fn mint(claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

impl World {
    fn foreign_refresh(&self, lifetime: i64) -> String {
        let now = self.authority.clock().now_seconds();
        mint(&json!({
            "token_type": "refresh", "exp": now + lifetime, "iat": now, "jti": "a", "user_id": "1",
        }))
    }

    fn foreign_sliding(&self, lifetime: i64, exchanged_for: i64) -> String {
        let now = self.authority.clock().now_seconds();
        mint(&json!({
            "token_type": "sliding", "exp": now + lifetime, "refresh_exp": now + exchanged_for,
            "iat": now, "jti": "a", "user_id": "1",
        }))
    }

    async fn slide(&self, token: &str) -> Option<Verified> {
        let slid = self.authority.refresh_sliding(token, &ClientInfo::default()).await.ok()?;
        Some(self.authenticate(slid.expose()).unwrap())
    }
}

#[tokio::test]
async fn a_sliding_token_is_exchanged_until_its_own_end_and_no_longer() {
    let world = World::with(settings()).await;
    let token = world.foreign_sliding(300, DAY);
    let first = world.slide(&token).await.unwrap();
    assert_eq!(first.principal(), &Principal::new("user", "1"));
    world.wait(seconds(200)).await;
    let again = world.slide(&token).await.unwrap();
    assert_eq!(first.session(), again.session());

    // A minute is for an issuer whose clock is ahead.
    for (lifetime, exchanged_for) in [(361, DAY), (300, DAY + 61), (20 * DAY, HOUR)] {
        let token = world.foreign_sliding(lifetime, exchanged_for);
        assert!(world.slide(&token).await.is_none(), "{lifetime} {exchanged_for}");
    }
    world.users.change(|alice| alice.is_active = false);
    assert!(world.slide(&again_of(&world)).await.is_none());
}

#[tokio::test]
async fn a_refresh_token_of_a_user_with_a_second_factor_is_not_called_good() {
    let world = World::with(settings()).await;
    let (token, other) = (world.foreign_refresh(HOUR), world.foreign_refresh(2 * HOUR));
    assert!(world.authority.verify(&token).await.is_ok());
    let factor = world.authority.begin_second_factor(&world.users.account()).await.unwrap();
    let now = world.authority.clock().now();
    let code = auth_core::otp::totp_code(factor.unwrap().secret.expose(), now).unwrap();
    let alice = Principal::new("user", "1");
    world.authority.confirm_second_factor(&alice, &code).await.unwrap();
    assert!(matches!(world.authority.verify(&token).await, Err(VerifyError::Invalid(_))));
    // It can be ended all the same, and is not good again without the factor.
    let spent = world.authority.identify(&other).await.unwrap();
    world.authority.logout(&spent).await.unwrap();
    assert!(world.authority.introspect(&token).await.is_err());
    let client = ClientInfo::default();
    assert!(world.authority.refresh(&token, &client).await.is_err());
    assert!(world.authority.remove_second_factor(&alice).await.unwrap());
    assert!(world.authority.refresh(&other, &client).await.is_err());
}

fn again_of(world: &World) -> String {
    world.foreign_sliding(300, HOUR)
}

#[tokio::test]
async fn a_sliding_token_that_was_logged_out_opens_nothing_for_as_long_as_it_lives() {
    let world = World::with(settings()).await;
    let token = world.foreign_sliding(300, DAY);
    let slid = world.slide(&token).await.unwrap();
    world.authority.logout(&slid).await.unwrap();
    for _ in 0..10 {
        assert!(world.authenticate(&token).is_err());
        assert!(world.slide(&token).await.is_none());
        world.wait(seconds(60)).await;
        world.authority.prune().await.unwrap();
    }
}

/// The row that remembers them is gone when the session would have ended.
#[tokio::test]
async fn what_was_spent_does_not_come_back_where_sessions_end_early() {
    for logged_out in [false, true] {
        let session_lifetime = Some(seconds(8 * 3600));
        let single_token_lifetime = seconds(3600);
        let settings = Settings { session_lifetime, single_token_lifetime, ..settings() };
        let world = World::with(settings).await;
        let client = ClientInfo::default();
        let too_long = world.foreign_refresh(DAY);
        assert!(world.authority.refresh(&too_long, &client).await.is_err());

        let token = world.foreign_refresh(8 * HOUR);
        let refreshed = world.authority.refresh(&token, &client).await.unwrap();
        if logged_out {
            let session = Revoke::Session(refreshed.session);
            world.authority.revoke(session, RevocationReason::Logout).await.unwrap();
        }
        world.wait(seconds(60)).await;
        for _ in 0..20 {
            assert!(world.authority.refresh(&token, &client).await.is_err());
            world.wait(seconds(1800)).await;
            world.authority.prune().await.unwrap();
        }
    }
}
