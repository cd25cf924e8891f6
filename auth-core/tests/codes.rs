//! One-time codes and links, from the request to the login.

mod common;

use std::sync::{Arc, Barrier};
use std::time::Duration;

use auth_core::otp::{Errand, IssuedCode};
use auth_core::session::Method;
use auth_core::{
    Account, AuthEvent, Authority, ClientInfo, LinkError, LoginError, MemoryStore, Outage,
    Principal, Purpose, SessionStore, Settings,
};
use common::{SECRET, World, seconds};

const ALICE: &str = "alice";

fn alice() -> Principal {
    Principal::new("user", "1")
}

async fn request(world: &World, login: &str) -> Option<IssuedCode> {
    let client = ClientInfo::default();
    world.authority.request_code(&Purpose::LOGIN, "user", login, &client).await.unwrap()
}

/// A code for Alice, and another one, which is wrong.
async fn codes(world: &World) -> (String, String) {
    let right = request(world, ALICE).await.expect("a code").code.into_string();
    let wrong = if right == "000000" { "111111" } else { "000000" };
    (right, wrong.into())
}

async fn prove(world: &World, login: &str, code: &str) -> Result<auth_core::Proof, LoginError> {
    world.authority.prove_code("user", login, code, &ClientInfo::default()).await
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, LoginError>) {
    assert!(matches!(result, Err(LoginError::InvalidCredentials)), "{result:?}");
}

fn count(world: &World, which: impl Fn(&AuthEvent) -> bool) -> usize {
    world.events.lock().unwrap().iter().filter(|event| which(event)).count()
}

#[tokio::test]
async fn a_code_logs_in_once() {
    let world = World::new().await;
    let issued = request(&world, ALICE).await.unwrap();
    assert_eq!(issued.account.principal, alice());
    assert_eq!(issued.expires_at, world.authority.clock().now() + seconds(300));
    let code = issued.code.expose();
    assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()), "six digits");

    let proof = prove(&world, ALICE, code).await.unwrap();
    let login = world.authority.start_pair(proof, &ClientInfo::default()).await.unwrap();
    let access = world.authenticate(login.granted.access.expose()).unwrap();
    assert_eq!(access.principal(), &alice());
    assert!(access.has_method(Method::OneTimeCode) && !access.has_method(Method::Password));
    assert_refused(prove(&world, ALICE, code).await);
}

#[tokio::test]
async fn a_code_may_be_typed_with_blanks() {
    let world = World::new().await;
    let (right, _) = codes(&world).await;
    let typed = format!(" {} {}\n", &right[..3], &right[3..]);
    assert!(prove(&world, ALICE, &typed).await.is_ok());
}

#[tokio::test]
async fn a_code_has_as_many_digits_as_are_set() {
    let ten = Settings { otp_digits: 10, ..Settings::with_signing_key(SECRET) };
    let world = World::with(ten).await;
    assert_eq!(request(&world, ALICE).await.unwrap().code.expose().len(), 10);
}

#[tokio::test]
async fn a_code_expires() {
    let world = World::new().await;
    let (right, _) = codes(&world).await;
    world.wait(seconds(300)).await;
    assert_refused(prove(&world, ALICE, &right).await);

    let (right, _) = codes(&world).await;
    world.wait(Duration::from_millis(299_999)).await;
    assert!(prove(&world, ALICE, &right).await.is_ok());
}

#[tokio::test]
async fn after_five_wrong_codes_the_right_one_is_refused_too() {
    let world = World::new().await;
    let (right, wrong) = codes(&world).await;
    for _ in 0..4 {
        assert_refused(prove(&world, ALICE, &wrong).await);
    }
    assert_eq!(count(&world, |event| matches!(event, AuthEvent::CodesExhausted { .. })), 0);
    assert_refused(prove(&world, ALICE, &wrong).await);
    assert_refused(prove(&world, ALICE, &right).await);
    assert_eq!(count(&world, |event| matches!(event, AuthEvent::CodesExhausted { .. })), 1);
    assert_eq!(count(&world, |event| matches!(event, AuthEvent::CodeRefused { .. })), 5);
}

#[tokio::test]
async fn the_fifth_try_may_succeed() {
    let world = World::new().await;
    let (right, wrong) = codes(&world).await;
    for _ in 0..4 {
        assert_refused(prove(&world, ALICE, &wrong).await);
    }
    assert!(prove(&world, ALICE, &right).await.is_ok());
}

#[tokio::test]
async fn to_ask_again_within_half_a_minute_makes_no_other_code() {
    let world = World::new().await;
    let (first, _) = codes(&world).await;
    world.wait(seconds(29)).await;
    assert!(request(&world, ALICE).await.is_none());
    world.wait(seconds(1)).await;
    let (second, _) = codes(&world).await;
    if first != second {
        assert_refused(prove(&world, ALICE, &first).await);
    }
    assert!(prove(&world, ALICE, &second).await.is_ok());
}

#[tokio::test]
async fn to_ask_again_gives_no_other_tries() {
    let world = World::new().await;
    let (_, wrong) = codes(&world).await;
    for _ in 0..4 {
        assert_refused(prove(&world, ALICE, &wrong).await);
    }
    world.wait(seconds(30)).await;
    let (right, wrong) = codes(&world).await;
    assert_refused(prove(&world, ALICE, &wrong).await);
    assert_refused(prove(&world, ALICE, &right).await);
    world.wait(seconds(30)).await;
    assert!(request(&world, ALICE).await.is_none(), "a code without a try is good for nothing");
    world.wait(seconds(240)).await;
    let (right, _) = codes(&world).await;
    assert!(prove(&world, ALICE, &right).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_with_the_right_code_at_once_one_logs_in() {
    let many = Settings { otp_attempts: 20, ..Settings::with_signing_key(SECRET) };
    let world = World::with(many).await;
    let (right, _) = codes(&world).await;
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (authority, right) = (world.authority.clone(), right.clone());
            let prove = async move {
                authority.prove_code("user", ALICE, &right, &ClientInfo::default()).await
            };
            tokio::spawn(prove)
        })
        .collect();
    let mut proven = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => proven += 1,
            refused => assert_refused(refused),
        }
    }
    assert_eq!(proven, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_wrong_codes_at_once_no_more_than_five_count_and_then_none() {
    let world = World::new().await;
    let (right, wrong) = codes(&world).await;
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (authority, wrong) = (world.authority.clone(), wrong.clone());
            let prove = async move {
                authority.prove_code("user", ALICE, &wrong, &ClientInfo::default()).await
            };
            tokio::spawn(prove)
        })
        .collect();
    for call in calls {
        assert_refused(call.await.unwrap());
    }
    assert_refused(prove(&world, ALICE, &right).await);
    assert_eq!(count(&world, |event| matches!(event, AuthEvent::CodesExhausted { .. })), 1);
}

#[tokio::test]
async fn nobody_gets_a_code_who_could_not_log_in() {
    let world = World::new().await;
    assert!(request(&world, "nobody").await.is_none());
    let client = ClientInfo::default();
    let robot = world.authority.request_code(&Purpose::LOGIN, "robot", ALICE, &client).await;
    assert!(robot.unwrap().is_none());
    world.users.change(|alice| alice.is_active = false);
    assert!(request(&world, ALICE).await.is_none());

    let issued = |event: &AuthEvent| matches!(event, AuthEvent::CodeRequested { issued: true, .. });
    assert_eq!(count(&world, issued), 0);
    assert_eq!(count(&world, |event| matches!(event, AuthEvent::CodeRequested { .. })), 3);
}

/// Else what strangers type would fill the store, or who exists would be told by a write.
#[tokio::test]
async fn what_is_asked_about_strangers_is_written_to_one_row() {
    let store = MemoryStore::new();
    let world = World::over(store.clone(), Settings::with_signing_key(SECRET)).await;
    let nobody = Errand { purpose: Purpose::LOGIN, principal: Principal::new("", "") };
    for requests in 1..=3 {
        assert!(request(&world, &format!("nobody {requests}")).await.is_none());
        assert_refused(prove(&world, "somebody else", "000000").await);
        let tried = store.try_code(&nobody).await.unwrap();
        assert_eq!((tried.requests, tried.tries), (requests, 2 * requests));
    }
    assert!(request(&world, ALICE).await.is_some(), "which keeps nobody else from a code");
}

/// Else the time would tell who there is, and who has asked for a code.
#[tokio::test]
async fn a_code_that_nobody_asked_for_is_tried_with_a_write_too() {
    let store = MemoryStore::new();
    let world = World::over(store.clone(), Settings::with_signing_key(SECRET)).await;
    let alice = Errand { purpose: Purpose::LOGIN, principal: alice() };
    for tries in [1, 3] {
        assert_refused(prove(&world, ALICE, "000000").await);
        assert_eq!(store.try_code(&alice).await.unwrap().tries, tries + 1);
    }
    let code = request(&world, ALICE).await.expect("the tries before were for nothing");
    assert!(prove(&world, ALICE, code.code.expose()).await.is_ok());
}

#[tokio::test]
async fn every_way_to_fail_with_a_code_is_the_same_error() {
    let world = World::new().await;
    let (right, wrong) = codes(&world).await;
    for (login, code) in [
        (ALICE, wrong.as_str()),
        ("nobody", &right),
        (ALICE, ""),
        (ALICE, "not a code"),
        (ALICE, &"9".repeat(10_000)),
    ] {
        assert_refused(prove(&world, login, code).await);
    }
    let robot = world.authority.prove_code("robot", ALICE, &right, &ClientInfo::default()).await;
    assert!(matches!(robot, Err(LoginError::UnknownUserType)));
}

#[tokio::test]
async fn a_code_is_refused_to_who_was_deactivated_or_deleted_meanwhile() {
    let world = World::new().await;
    let (right, _) = codes(&world).await;
    world.users.change(|alice| alice.is_active = false);
    assert_refused(prove(&world, ALICE, &right).await);
    world.users.change(|alice| alice.is_active = true);
    let proof = prove(&world, ALICE, &right).await.unwrap();
    world.users.delete();
    let started = world.authority.start_pair(proof, &ClientInfo::default()).await;
    assert_refused(started.map(|login| login.session));
    assert_refused(prove(&world, ALICE, &right).await);
}

#[tokio::test]
async fn a_code_is_good_for_its_purpose_only() {
    const CLOSE: Purpose = Purpose::new("close_account");
    let world = World::new().await;
    let client = ClientInfo::default();
    let authority = &world.authority;
    let issued = authority.request_code(&CLOSE, "user", ALICE, &client).await.unwrap().unwrap();
    let code = issued.code.expose();
    assert_refused(prove(&world, ALICE, code).await);
    let account = authority.redeem_code(&CLOSE, "user", ALICE, code, &client).await.unwrap();
    assert_eq!(account.principal, alice());
    assert_refused(authority.redeem_code(&CLOSE, "user", ALICE, code, &client).await);
}

#[tokio::test]
async fn no_event_and_no_debug_text_has_a_code_or_a_link() {
    let world = World::new().await;
    let issued = request(&world, ALICE).await.unwrap();
    assert!(!format!("{issued:?}").contains(issued.code.expose()));
    let _ = prove(&world, ALICE, issued.code.expose()).await.unwrap();
    let link = world
        .authority
        .issue_link(&Purpose::VERIFY_ADDRESS, &alice(), "a@example.org", seconds(60))
        .await
        .unwrap();
    assert_eq!(format!("{link:?}"), "LinkToken(…)");
    let events = format!("{:?}", world.events.lock().unwrap());
    assert!(!events.contains(issued.code.expose()), "{events}");
}

fn is_address(account: &Account, address: &str) -> bool {
    account.email == address
}

/// A world whose Alice has an address, and a link that was sent there.
async fn with_link(purpose: &Purpose) -> (World, String) {
    let world = World::new().await;
    world.users.change(|alice| alice.email = "alice@example.org".into());
    let link = issue(&world, purpose).await;
    (world, link)
}

async fn issue(world: &World, purpose: &Purpose) -> String {
    let hour = seconds(3600);
    let link = world.authority.issue_link(purpose, &alice(), "alice@example.org", hour).await;
    link.unwrap().into_string()
}

async fn redeem(world: &World, purpose: &Purpose, link: &str) -> Result<Principal, LinkError> {
    let link = world.authority.redeem_link(purpose, link, is_address).await?;
    assert_eq!(link.subject, "alice@example.org");
    Ok(link.account.principal)
}

#[tokio::test]
async fn a_link_works_once() {
    let (world, link) = with_link(&Purpose::VERIFY_ADDRESS).await;
    assert_eq!(link.len(), 43);
    assert_eq!(redeem(&world, &Purpose::VERIFY_ADDRESS, &link).await.unwrap(), alice());
    let again = redeem(&world, &Purpose::VERIFY_ADDRESS, &link).await;
    assert!(matches!(again, Err(LinkError::Used)), "{again:?}");
    assert_eq!(count(&world, |event| matches!(event, AuthEvent::LinkRedeemed { .. })), 1);
}

#[tokio::test]
async fn a_link_expires() {
    let (world, link) = with_link(&Purpose::VERIFY_ADDRESS).await;
    world.wait(seconds(3600)).await;
    let late = redeem(&world, &Purpose::VERIFY_ADDRESS, &link).await;
    assert!(matches!(late, Err(LinkError::Expired)), "{late:?}");
    let link = issue(&world, &Purpose::VERIFY_ADDRESS).await;
    world.wait(Duration::from_millis(3_599_999)).await;
    assert!(redeem(&world, &Purpose::VERIFY_ADDRESS, &link).await.is_ok());
}

#[tokio::test]
async fn a_link_to_verify_an_address_resets_no_password() {
    let (world, link) = with_link(&Purpose::VERIFY_ADDRESS).await;
    let other = redeem(&world, &Purpose::RESET_PASSWORD, &link).await;
    assert!(matches!(other, Err(LinkError::Invalid)), "{other:?}");
    assert!(redeem(&world, &Purpose::VERIFY_ADDRESS, &link).await.is_ok());
}

#[tokio::test]
async fn what_is_no_link_of_ours_is_invalid() {
    let (world, link) = with_link(&Purpose::VERIFY_ADDRESS).await;
    let one_off = link[..42].to_owned() + if link.ends_with('A') { "Q" } else { "A" };
    for text in ["", "x", &link[1..], &format!("{link}="), &"!".repeat(43), &one_off] {
        let unknown = redeem(&world, &Purpose::VERIFY_ADDRESS, text).await;
        assert!(matches!(unknown, Err(LinkError::Invalid)), "{text}: {unknown:?}");
    }
}

#[tokio::test]
async fn a_link_proves_nothing_about_an_address_that_changed_or_an_account_that_is_gone() {
    let (world, link) = with_link(&Purpose::VERIFY_ADDRESS).await;
    world.users.change(|alice| alice.email = "other@example.org".into());
    let outdated = redeem(&world, &Purpose::VERIFY_ADDRESS, &link).await;
    assert!(matches!(outdated, Err(LinkError::Outdated)), "{outdated:?}");
    world.users.delete();
    let gone = redeem(&world, &Purpose::VERIFY_ADDRESS, &link).await;
    assert!(matches!(gone, Err(LinkError::Outdated)), "{gone:?}");
}

#[tokio::test]
async fn to_use_a_link_or_to_change_the_password_ends_the_others_that_reset_it() {
    let (world, first) = with_link(&Purpose::RESET_PASSWORD).await;
    let second = issue(&world, &Purpose::RESET_PASSWORD).await;
    let other = issue(&world, &Purpose::VERIFY_ADDRESS).await;
    assert!(redeem(&world, &Purpose::RESET_PASSWORD, &second).await.is_ok());
    let first = redeem(&world, &Purpose::RESET_PASSWORD, &first).await;
    assert!(matches!(first, Err(LinkError::Used)), "{first:?}");

    let third = issue(&world, &Purpose::RESET_PASSWORD).await;
    world.authority.password_changed(alice()).await.unwrap();
    let third = redeem(&world, &Purpose::RESET_PASSWORD, &third).await;
    assert!(matches!(third, Err(LinkError::Used)), "{third:?}");
    assert!(redeem(&world, &Purpose::VERIFY_ADDRESS, &other).await.is_ok());
}

/// All have seen that it is not used yet before one of them uses it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_with_one_link_at_once_one_succeeds() {
    let (world, link) = with_link(&Purpose::RESET_PASSWORD).await;
    let all_have_seen_it = Arc::new(Barrier::new(3));
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let (authority, link) = (world.authority.clone(), link.clone());
            let all_have_seen_it = Arc::clone(&all_have_seen_it);
            tokio::spawn(async move {
                let holds = |_: &Account, _: &str| {
                    all_have_seen_it.wait();
                    true
                };
                authority.redeem_link(&Purpose::RESET_PASSWORD, &link, holds).await
            })
        })
        .collect();
    let mut redeemed = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => redeemed += 1,
            Err(error) => assert!(matches!(error, LinkError::Used), "{error}"),
        }
    }
    assert_eq!(redeemed, 1);
}

#[tokio::test]
async fn a_service_that_only_verifies_makes_and_takes_no_codes_and_links() {
    let settings = Settings::with_signing_key(SECRET);
    let verifier = Authority::verifier(settings).store(MemoryStore::new()).build().unwrap();
    let client = ClientInfo::default();
    let (purpose, hour) = (Purpose::LOGIN, seconds(3600));
    let code = verifier.request_code(&purpose, "user", ALICE, &client).await;
    assert!(matches!(code, Err(Outage::Unavailable(_))));
    let proof = verifier.prove_code("user", ALICE, "000000", &client).await;
    assert!(matches!(proof, Err(LoginError::Outage(_))));
    let link = verifier.issue_link(&purpose, &alice(), "", hour).await;
    assert!(matches!(link, Err(Outage::Unavailable(_))));
    let redeemed = verifier.redeem_link(&purpose, &"A".repeat(43), is_address).await;
    assert!(matches!(redeemed, Err(LinkError::Outage(_))));
}
