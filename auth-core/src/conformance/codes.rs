//! One-time codes and links.

use super::*;
use crate::otp::{CodePolicy, Errand, Purpose, StoredCode, StoredLink};
use crate::password::PasswordHash;

const CALLERS: u64 = 50;

/// Five minutes, five tries, a pause of 30 seconds.
const CODES: CodePolicy =
    CodePolicy { lifetime: Duration::from_secs(300), attempts: 5, pause: Duration::from_secs(30) };

fn errand() -> Errand {
    Errand { purpose: Purpose::LOGIN, principal: somebody() }
}

fn hash(text: impl ToString) -> PasswordHash {
    PasswordHash::from_stored(text.to_string())
}

async fn request(
    store: &Store,
    errand: &Errand,
    hash: &PasswordHash,
    now: DateTime<Utc>,
) -> Option<StoredCode> {
    store.request_code(errand, hash, now, &CODES).await.expect(AWAY)
}

async fn attempt(store: &Store, errand: &Errand) -> StoredCode {
    store.try_code(errand).await.expect(AWAY)
}

async fn uses(store: &Store, errand: &Errand, hash: &PasswordHash) -> bool {
    store.use_code(errand, hash).await.expect(AWAY)
}

/// Within the pause the code stays; then another takes its place, and of the tries only what is left.
pub async fn a_code_is_one_at_a_time_and_keeps_its_tries(store: &Store) {
    let errand = errand();
    let nothing = StoredCode::tried_for_nothing();
    assert_eq!(attempt(store, &errand).await, nothing);
    assert_eq!(attempt(store, &errand).await, StoredCode { tries: 2, ..nothing });
    assert!(!uses(store, &errand, &hash("a")).await);

    let first = StoredCode::first(hash("a"), at(0), &CODES);
    assert_eq!(request(store, &errand, &hash("a"), at(0)).await, Some(first.clone()));
    assert_eq!(request(store, &errand, &hash("b"), at(29)).await, None);
    for tries in 1..=3 {
        let tried = StoredCode { tries, requests: 2, ..first.clone() };
        assert_eq!(attempt(store, &errand).await, tried);
    }
    let second = StoredCode {
        hash: hash("c"),
        issued_at: at(30),
        expires_at: at(330),
        tries: 3,
        tries_until: at(300),
        requests: 3,
    };
    assert_eq!(request(store, &errand, &hash("c"), at(30)).await, Some(second));
    for _ in 0..2 {
        attempt(store, &errand).await;
    }
    assert_eq!(request(store, &errand, &hash("d"), at(60)).await, None, "no tries are left");
    let tried = attempt(store, &errand).await;
    assert_eq!((tried.tries, tried.requests, &tried.hash), (6, 4, &hash("c")));

    let anew = request(store, &errand, &hash("e"), at(300)).await;
    assert_eq!(anew, Some(StoredCode::first(hash("e"), at(300), &CODES)));
}

/// And only the one that is outstanding.
pub async fn a_code_is_used_once(store: &Store) {
    let errand = errand();
    request(store, &errand, &hash("a"), at(0)).await;
    request(store, &errand, &hash("b"), at(30)).await;
    assert!(!uses(store, &errand, &hash("a")).await, "another has taken its place");
    assert!(uses(store, &errand, &hash("b")).await);
    assert!(!uses(store, &errand, &hash("b")).await);
    assert_eq!(attempt(store, &errand).await, StoredCode::tried_for_nothing());
    let next = request(store, &errand, &hash("c"), at(31)).await;
    assert_eq!(next, Some(StoredCode::first(hash("c"), at(31), &CODES)));
}

/// The same id of another kind is somebody else, and so is every spelling of it.
pub async fn codes_of_other_errands_are_apart(store: &Store) {
    let me = somebody();
    let id = format!("{}a", me.user_id());
    let errands = [
        (Purpose::LOGIN, "user", id.clone()),
        (Purpose::LOGIN, "client", id.clone()),
        (Purpose::RESET_PASSWORD, "user", id.clone()),
        (Purpose::LOGIN, "user", format!("{id} ")),
        (Purpose::LOGIN, "user", id.to_uppercase()),
    ];
    let errands = errands.map(|(purpose, user_type, user_id)| Errand {
        purpose,
        principal: Principal::new(user_type, user_id),
    });
    for (number, errand) in errands.iter().enumerate() {
        assert!(request(store, errand, &hash(number), at(0)).await.is_some());
    }
    for (number, errand) in errands.iter().enumerate() {
        let code = attempt(store, errand).await;
        assert_eq!((code.tries, code.hash), (1, hash(number)));
    }
    assert!(uses(store, &errands[0], &hash(0)).await);
    for (number, errand) in errands.iter().enumerate().skip(1) {
        assert_eq!(attempt(store, errand).await.hash, hash(number));
    }
}

fn link(errand: &Errand) -> StoredLink {
    StoredLink {
        hash: SecretHash::of(&random::bytes::<32>()),
        errand: errand.clone(),
        subject: "alicé@example.org".into(),
        created_at: at(0),
        expires_at: at(3600),
        used_at: None,
    }
}

async fn created(store: &Store, errand: &Errand) -> StoredLink {
    let link = link(errand);
    store.create_link(&link).await.expect(AWAY);
    link
}

async fn find_link(store: &Store, hash: SecretHash) -> Option<StoredLink> {
    store.find_link(hash).await.expect(AWAY)
}

async fn use_links(store: &Store, errand: &Errand, now: DateTime<Utc>) -> Vec<SecretHash> {
    let mut used = store.use_links(errand, now).await.expect(AWAY);
    used.sort_by_key(|hash| *hash.as_bytes());
    used
}

/// All of an errand at once, and nobody else's.
pub async fn links_of_an_errand_are_used_together_and_once(store: &Store) {
    let errand = errand();
    let other_purpose = Errand { purpose: Purpose::VERIFY_ADDRESS, ..errand.clone() };
    let principal = Principal::new("client", errand.principal.user_id());
    let other_kind = Errand { principal, ..errand.clone() };
    let mut links = [created(store, &errand).await, created(store, &errand).await];
    links.sort_by_key(|link| *link.hash.as_bytes());
    let others = [created(store, &other_purpose).await, created(store, &other_kind).await];

    assert_eq!(find_link(store, links[0].hash).await.as_ref(), Some(&links[0]));
    assert_eq!(find_link(store, SecretHash::of(b"unknown")).await, None);
    assert_eq!(use_links(store, &errand, at(5)).await, links.each_ref().map(|link| link.hash));
    assert_eq!(use_links(store, &errand, at(6)).await, []);
    for link in links {
        let used = StoredLink { used_at: Some(at(5)), ..link };
        assert_eq!(find_link(store, used.hash).await, Some(used));
    }
    for link in others {
        assert_eq!(find_link(store, link.hash).await, Some(link));
    }
}

/// Each bound to the millisecond.
pub async fn pruning_removes_codes_and_links_that_are_over(store: &Store) {
    const LONG_AGO: i64 = -100_000;
    while store.prune(at(LONG_AGO), 100).await.expect(AWAY) >= 100 {}
    let end = at(LONG_AGO);
    let begin = end - CODES.lifetime;
    let (over, live) = (errand(), errand());
    request(store, &over, &hash("a"), begin).await;
    request(store, &live, &hash("a"), begin + millisecond()).await;
    let expiring = |expires_at| StoredLink { expires_at, ..link(&errand()) };
    let links = [expiring(end), expiring(end + millisecond())];
    for link in &links {
        store.create_link(link).await.expect(AWAY);
    }

    assert_eq!(store.prune(end, 100).await.expect(AWAY), 2);
    assert_eq!(attempt(store, &over).await, StoredCode::tried_for_nothing());
    assert_ne!(attempt(store, &live).await, StoredCode::tried_for_nothing());
    assert_eq!(find_link(store, links[0].hash).await, None);
    assert!(find_link(store, links[1].hash).await.is_some());

    for number in 0..25 {
        let link = expiring(end);
        store.create_link(&link).await.expect(AWAY);
        if number % 2 == 0 {
            request(store, &errand(), &hash(number), begin).await;
        }
    }
    let mut removed = 0;
    for _ in 0..10 {
        let count = store.prune(end, 10).await.expect(AWAY);
        removed += count;
        if count < 10 {
            break;
        }
    }
    assert_eq!(removed, 25 + 13 + 1, "the code that was tried for nothing too");
}

/// One of them gets the new code; nobody an error.
pub async fn simultaneous_requests_make_one_code(store: &Store) {
    for begun in [false, true] {
        let errand = errand();
        if begun {
            request(store, &errand, &hash("before"), at(-30)).await;
        }
        let issued = at_once((0..CALLERS).map(|caller| {
            let (store, errand) = (Arc::clone(store), errand.clone());
            async move { request(&store, &errand, &hash(caller), at(0)).await }
        }));
        let issued: Vec<_> = issued.await.into_iter().flatten().collect();
        assert_eq!(issued.len(), 1);
        let code = attempt(store, &errand).await;
        assert_eq!(code.hash, issued[0].hash);
        assert_eq!(code.requests, CALLERS + u64::from(begun));
    }
}

/// However many guess at once, so many may compare, and each try is counted.
pub async fn simultaneous_tries_are_all_counted(store: &Store) {
    let errand = errand();
    request(store, &errand, &hash("a"), at(0)).await;
    let tries = at_once((0..CALLERS).map(|_| {
        let (store, errand) = (Arc::clone(store), errand.clone());
        async move { attempt(&store, &errand).await }
    }));
    let mut tries = tries.await;
    assert_eq!(tries.iter().filter(|code| code.admits_try(at(1), &CODES)).count(), 5);
    tries.sort_by_key(|code| code.tries);
    assert!(tries.iter().map(|code| code.tries).eq(1..=CALLERS));
}

/// The right code, shown by many at once, is good for one.
pub async fn simultaneous_uses_of_a_code_succeed_once(store: &Store) {
    let errand = errand();
    request(store, &errand, &hash("a"), at(0)).await;
    let uses = at_once((0..CALLERS).map(|_| {
        let (store, errand) = (Arc::clone(store), errand.clone());
        async move { uses(&store, &errand, &hash("a")).await }
    }));
    assert_eq!(uses.await.into_iter().filter(|used| *used).count(), 1);
}

/// Each link is answered to one of the callers.
pub async fn simultaneous_uses_of_links_succeed_once(store: &Store) {
    let errand = errand();
    let mut hashes = Vec::new();
    for _ in 0..5 {
        hashes.push(created(store, &errand).await.hash);
    }
    let used = at_once((0..CALLERS).map(|_| {
        let (store, errand) = (Arc::clone(store), errand.clone());
        async move { use_links(&store, &errand, at(1)).await }
    }));
    let mut used: Vec<_> = used.await.into_iter().flatten().collect();
    used.sort_by_key(|hash| *hash.as_bytes());
    hashes.sort_by_key(|hash| *hash.as_bytes());
    assert_eq!(used, hashes);
}
