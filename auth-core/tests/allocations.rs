//! What checking a token asks of the allocator: a bound that a change does not pass unnoticed.

mod common;

use allocation_counter::measure;
use auth_core::keys::generate;
use auth_core::{Algorithm, Key, KeyRing, Settings};
use common::{SECRET, World};

fn settings(token_cache_bytes: usize) -> Settings {
    Settings {
        issuer: Some("https://issuer.example".into()),
        audience: vec!["api".into()],
        token_cache_bytes,
        ..Settings::with_signing_key(SECRET)
    }
}

fn allocations(world: &World, token: &str) -> u64 {
    // What is made once, such as the memory of a thread, does not count.
    world.authenticate(token).unwrap();
    world.authenticate(token).unwrap();
    measure(|| drop(world.authenticate(token).unwrap())).count_total
}

#[tokio::test]
async fn a_check_makes_one_allocation_whatever_the_algorithm() {
    for algorithm in [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let text = generate(algorithm).unwrap();
        let key = match algorithm {
            Algorithm::HS256 => Key::hmac(algorithm, text.as_bytes()),
            _ => Key::from_private_pem(algorithm, text.as_bytes()),
        };
        let world = World::with(settings(0)).await;
        world.authority.set_keys(KeyRing::new(key.unwrap())).unwrap();
        let (access, _) = world.pair().await;
        assert_eq!(allocations(&world, &access), 1, "{algorithm:?}");
    }
}

#[tokio::test]
async fn a_token_that_was_seen_costs_no_allocation() {
    let world = World::with(settings(1 << 20)).await;
    let (access, _) = world.pair().await;
    assert_eq!(allocations(&world, &access), 0);
}

#[tokio::test]
async fn a_forged_token_costs_no_allocation() {
    let world = World::with(settings(1 << 20)).await;
    let (access, _) = world.pair().await;
    let forged = format!("{}AAAA", &access[..access.len() - 4]);
    world.authenticate(&forged).unwrap_err();
    assert_eq!(measure(|| drop(world.authenticate(&forged))).count_total, 0);
}
