//! Second factors.

use super::*;
use crate::otp::{Changed, CodePolicy, FactorChange, SealedSecret, StoredFactor};

const CALLERS: u8 = 50;

/// Five minutes, five tries.
const TRIES: CodePolicy =
    CodePolicy { lifetime: Duration::from_secs(300), attempts: 5, pause: Duration::from_secs(30) };

fn secret(byte: u8) -> SealedSecret {
    SealedSecret::from_bytes(vec![byte; 49])
}

fn recovery(codes: impl IntoIterator<Item = u8>) -> Vec<SecretHash> {
    codes.into_iter().map(|code| SecretHash::of(&[code])).collect()
}

fn enrol(byte: u8) -> FactorChange {
    FactorChange::Enrol { secret: secret(byte), at: at(0) }
}

fn confirm(byte: u8) -> FactorChange {
    FactorChange::Confirm { secret: secret(byte), step: 7, recovery: recovery(0..10), at: at(1) }
}

fn accept(byte: u8, step: i64) -> FactorChange {
    FactorChange::Accept { secret: secret(byte), step, resealed: None }
}

fn recover(byte: u8, code: u8) -> FactorChange {
    FactorChange::Recover { secret: secret(byte), code: SecretHash::of(&[code]) }
}

fn attempt(seconds: i64) -> FactorChange {
    FactorChange::Try { now: at(seconds), policy: TRIES, confirmed: true }
}

fn attempt_to_confirm(seconds: i64) -> FactorChange {
    FactorChange::Try { now: at(seconds), policy: TRIES, confirmed: false }
}

async fn change(store: &Store, whose: &Principal, change: FactorChange) -> Option<StoredFactor> {
    let changed = store.change_factor(whose, &change).await.expect(AWAY);
    let found = store.find_factor(whose).await.expect(AWAY);
    match changed {
        Some(Changed::To(factor)) => {
            assert_eq!(found.as_ref(), Some(&factor), "as it was answered");
            Some(factor)
        }
        Some(Changed::Removed(factor)) => {
            assert_eq!(found, None);
            Some(factor)
        }
        None => None,
    }
}

/// A confirmed factor with ten recovery codes.
async fn confirmed(store: &Store, whose: &Principal) -> StoredFactor {
    change(store, whose, enrol(1)).await.expect("there was none");
    change(store, whose, confirm(1)).await.expect("it was enrolled")
}

/// And reads back as it was stored.
pub async fn a_factor_is_enrolled_confirmed_and_removed(store: &Store) {
    let me = somebody();
    assert_eq!(store.find_factor(&me).await.expect(AWAY), None);
    for without in [confirm(1), attempt(0), accept(1, 8), recover(1, 0), FactorChange::Remove] {
        assert_eq!(change(store, &me, without).await, None);
    }
    let enrolled = StoredFactor {
        secret: secret(1),
        created_at: at(0),
        confirmed_at: None,
        last_step: 0,
        tries: 0,
        tries_until: at(0),
        failures: 0,
        recovery: Vec::new(),
    };
    assert_eq!(change(store, &me, enrol(1)).await.as_ref(), Some(&enrolled));
    for unconfirmed in [accept(1, 8), recover(1, 0)] {
        assert_eq!(change(store, &me, unconfirmed).await, None);
    }
    // Tries at the confirmation count as well, and not after it.
    assert_eq!(change(store, &me, attempt(0)).await, None, "there is nothing to log in with");
    let tried = change(store, &me, attempt_to_confirm(0)).await.expect("it is there");
    assert_eq!((tried.tries, tried.confirmed_at), (1, None));
    let confirmed = StoredFactor {
        confirmed_at: Some(at(1)),
        last_step: 7,
        recovery: recovery(0..10),
        ..enrolled
    };
    assert_eq!(change(store, &me, confirm(1)).await.as_ref(), Some(&confirmed));
    assert_eq!(change(store, &me, confirm(1)).await, None);
    assert_eq!(change(store, &me, attempt_to_confirm(1)).await, None, "a login's try");
    assert_eq!(change(store, &me, enrol(2)).await, None, "it would replace one that is confirmed");
    let replaced = StoredFactor { recovery: recovery(20..30), ..confirmed };
    let replace = FactorChange::ReplaceRecovery { secret: secret(1), recovery: recovery(20..30) };
    assert_eq!(change(store, &me, replace).await.as_ref(), Some(&replaced));
    assert_eq!(change(store, &me, FactorChange::Remove).await, Some(replaced));
    assert_eq!(change(store, &me, FactorChange::Remove).await, None);
}

/// Of two pages that enrol, the last one counts.
pub async fn a_factor_that_was_replaced_is_not_confirmed(store: &Store) {
    let me = somebody();
    change(store, &me, enrol(1)).await.expect("there was none");
    change(store, &me, enrol(2)).await.expect("it was not confirmed");
    assert_eq!(change(store, &me, confirm(1)).await, None);
    assert_eq!(change(store, &me, confirm(2)).await.map(|factor| factor.secret), Some(secret(2)));
    assert_eq!(change(store, &me, accept(1, 8)).await, None);
    assert_eq!(change(store, &me, recover(1, 0)).await, None);
}

/// Or until some minutes after the first.
pub async fn tries_of_a_factor_count_until_one_is_right(store: &Store) {
    let me = somebody();
    confirmed(store, &me).await;
    for tries in 1..=6 {
        let factor = change(store, &me, attempt(10 + tries as i64)).await.expect("confirmed");
        assert_eq!((factor.tries, factor.tries_until), (tries, at(311)));
        assert_eq!(factor.admits_try(&TRIES), tries <= 5);
    }
    // Then for twice as long.
    let factor = change(store, &me, attempt(311)).await.expect("confirmed");
    assert_eq!((factor.tries, factor.failures, factor.tries_until), (1, 6, at(911)));
    let factor = change(store, &me, accept(1, 8)).await.expect("a later step");
    assert_eq!((factor.tries, factor.failures, factor.last_step), (0, 0, 8));
    change(store, &me, attempt(312)).await.expect("confirmed");
    let factor = change(store, &me, recover(1, 3)).await.expect("one that is left");
    assert_eq!((factor.tries, factor.failures), (0, 0));
}

/// A step also ends those before it.
pub async fn a_step_and_a_recovery_code_are_accepted_once(store: &Store) {
    let me = somebody();
    confirmed(store, &me).await;
    for (step, is_accepted) in [(7, false), (9, true), (9, false), (8, false), (10, true)] {
        assert_eq!(change(store, &me, accept(1, step)).await.is_some(), is_accepted, "{step}");
    }
    let factor = change(store, &me, recover(1, 3)).await.expect("one that is left");
    assert_eq!(factor.recovery, recovery([0, 1, 2, 4, 5, 6, 7, 8, 9]));
    assert_eq!(change(store, &me, recover(1, 3)).await, None);
    assert_eq!(change(store, &me, recover(1, 77)).await, None);
    let resealed = Some(secret(5));
    let accept = FactorChange::Accept { secret: secret(1), step: 11, resealed };
    assert_eq!(change(store, &me, accept).await.map(|factor| factor.secret), Some(secret(5)));
}

/// The same id of another kind is somebody else.
pub async fn factors_of_other_principals_are_apart(store: &Store) {
    let me = somebody();
    let other = Principal::new("client", me.user_id());
    let mine = confirmed(store, &me).await;
    assert_eq!(store.find_factor(&other).await.expect(AWAY), None);
    change(store, &other, enrol(2)).await.expect("there was none");
    change(store, &other, FactorChange::Remove).await.expect("there was one");
    assert_eq!(store.find_factor(&me).await.expect(AWAY), Some(mine));
}

/// All tries count, and a step or a recovery code is good for one caller.
pub async fn simultaneous_changes_of_a_factor_happen_one_after_the_other(store: &Store) {
    let me = somebody();
    let all = async |changes: Vec<FactorChange>| -> Vec<StoredFactor> {
        let calls = at_once(changes.into_iter().map(|change| {
            let (store, me) = (Arc::clone(store), me.clone());
            async move { store.change_factor(&me, &change).await.expect(AWAY) }
        }));
        calls.await.into_iter().flatten().map(Changed::into_factor).collect()
    };
    assert_eq!(all((0..CALLERS).map(enrol).collect()).await.len(), usize::from(CALLERS));
    let enrolled = store.find_factor(&me).await.expect(AWAY).expect("it was enrolled");
    let byte = enrolled.secret.as_bytes()[0];
    assert_eq!(all((0..CALLERS).map(|_| confirm(byte)).collect()).await.len(), 1);

    let tried = all((0..CALLERS).map(|_| attempt(10)).collect()).await;
    assert_eq!(tried.iter().filter(|factor| factor.admits_try(&TRIES)).count(), 5);
    let mut tries: Vec<_> = tried.iter().map(|factor| factor.tries).collect();
    tries.sort_unstable();
    assert!(tries.into_iter().eq(1..=u64::from(CALLERS)));
    assert_eq!(all((0..CALLERS).map(|_| accept(byte, 8)).collect()).await.len(), 1);
    let codes = (0..CALLERS).map(|caller| recover(byte, caller % 10));
    assert_eq!(all(codes.collect()).await.len(), 10);
    let left = store.find_factor(&me).await.expect(AWAY).expect("it was enrolled");
    assert_eq!(left.recovery, []);
}
