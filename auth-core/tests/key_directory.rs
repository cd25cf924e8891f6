//! Keys in files: made, rotated, retired, and read by processes that may not trust the files.

#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use auth_core::keys::{KeyDirectoryError, KeyState};
use auth_core::{Algorithm, KeyDirectory, KeySource};
use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(86_400);
const MINUTES: Duration = Duration::from_secs(600);

fn new() -> (TempDir, KeyDirectory) {
    let home = tempfile::tempdir().unwrap();
    let directory = KeyDirectory::new(home.path().join("keys"));
    (home, directory)
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

/// The names of the keys and what they do, in the order in which they sign.
fn states(directory: &KeyDirectory, now: DateTime<Utc>) -> Vec<(String, KeyState)> {
    let ring = directory.ring().unwrap();
    let states = ring.states(now, DAY);
    states.map(|(key, state)| (key.kid().unwrap().to_owned(), state)).collect()
}

fn file_of(directory: &KeyDirectory, kid: &str) -> PathBuf {
    directory.path().join(format!("{kid}.json"))
}

#[test]
fn the_first_key_signs_at_once_and_the_next_one_when_it_is_told() {
    let (_home, directory) = new();
    assert!(directory.ring().is_err(), "there is no directory");
    let first = directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    assert_eq!(states(&directory, at(0)), [(first.clone(), KeyState::Active)]);

    let second = directory.generate(Algorithm::ES256, at(10)).unwrap();
    let next = (second.clone(), KeyState::Next(None));
    assert_eq!(states(&directory, at(99_999)), [(first.clone(), KeyState::Active), next]);

    // It has been seen for ten minutes when it begins.
    let (kid, begin) = directory.rotate(None, at(20), MINUTES, DAY).unwrap();
    assert_eq!((&kid, begin), (&second, at(610)));
    use KeyState::{Active, Next, Retired};
    let seen = |now| states(&directory, at(now)).into_iter().map(|(_, state)| state);
    assert!(seen(609).eq([Active, Next(Some(at(610)))]));
    let end = at(610) + TimeDelta::days(1);
    assert!(seen(610).eq([Retired(end), Active]));
    assert!(seen(610 + 86_400).eq([KeyState::Ended, Active]));

    // One that has been seen for long begins soon; without one a new one is made.
    let third = directory.generate(Algorithm::ES256, at(1_000)).unwrap();
    let (kid, begin) = directory.rotate(None, at(9_000), MINUTES, DAY).unwrap();
    assert_eq!((kid, begin), (third, at(9_005)));
    let (fourth, begin) = directory.rotate(None, at(10_000), MINUTES, DAY).unwrap();
    assert_eq!(begin, at(10_600));
    let ring = directory.ring().unwrap();
    let (key, _) = ring.states(at(0), DAY).last().unwrap();
    assert_eq!((key.kid().unwrap(), key.algorithm()), (&*fourth, Algorithm::ES256));
}

#[test]
fn files_of_keys_that_ended_long_ago_are_removed_at_a_rotation() {
    let (_home, directory) = new();
    let first = directory.generate(Algorithm::ES256, at(0)).unwrap();
    directory.rotate(None, at(0), MINUTES, DAY).unwrap();
    let ninety_days = 90 * 86_400;
    directory.rotate(None, at(ninety_days), MINUTES, DAY).unwrap();
    assert!(file_of(&directory, &first).exists(), "ended, not long ago");
    directory.rotate(None, at(ninety_days + 2 * 86_400), MINUTES, DAY).unwrap();
    assert!(!file_of(&directory, &first).exists());
    assert_eq!(directory.list().unwrap().len(), 3);
}

#[test]
fn a_key_in_use_is_not_removed_unless_at_once() {
    let (_home, directory) = new();
    let first = directory.generate(Algorithm::HS256, at(0)).unwrap();
    let (second, _) = directory.rotate(None, at(0), MINUTES, DAY).unwrap();
    let retire = |kid: &str, now, at_once| directory.retire(kid, at(now), DAY, at_once);
    let in_use = |outcome| matches!(outcome, Err(KeyDirectoryError::InUse));
    assert!(matches!(retire("unknown", 0, true), Err(KeyDirectoryError::Unknown)));
    assert!(in_use(retire(&first, 0, false)), "it signs");
    assert!(in_use(retire(&first, 700, false)), "its tokens are good");
    retire(&first, 700, true).unwrap();
    assert_eq!(states(&directory, at(700)), [(second.clone(), KeyState::Active)]);

    // The last one that signs makes place for a new one, never for one that came before.
    assert!(in_use(retire(&second, 800, false)));
    retire(&second, 800, true).unwrap();
    let now = states(&directory, at(800));
    assert_eq!(now.len(), 1);
    assert_eq!(now[0].1, KeyState::Active);
    assert!(now[0].0 != first && now[0].0 != second);

    // A next one takes the place, if there is one.
    let next = directory.generate(Algorithm::HS256, at(900)).unwrap();
    retire(&now[0].0, 901, true).unwrap();
    assert_eq!(states(&directory, at(901)), [(next.clone(), KeyState::Active)]);
    // And one that never signed goes without more ado.
    let unused = directory.generate(Algorithm::HS256, at(902)).unwrap();
    retire(&unused, 903, false).unwrap();
    assert_eq!(states(&directory, at(903)), [(next, KeyState::Active)]);
}

#[tokio::test]
async fn a_source_answers_what_has_changed_and_keeps_silent_about_what_has_not() {
    let (_home, directory) = new();
    assert!(directory.load().await.is_err());
    directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    assert!(directory.load().await.unwrap().is_some());
    assert!(directory.load().await.unwrap().is_none());
    directory.rotate(None, at(0), MINUTES, DAY).unwrap();
    assert!(directory.load().await.unwrap().is_some());
    assert!(directory.load().await.unwrap().is_none());
}

#[test]
fn several_processes_that_start_at_once_make_one_key() {
    let (_home, directory) = new();
    let made = std::thread::scope(|scope| {
        let start = || {
            let directory = KeyDirectory::new(directory.path());
            directory.ensure_active(Algorithm::EdDSA, at(0)).unwrap()
        };
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        starts.into_iter().filter_map(|start| start.join().unwrap()).count()
    });
    assert_eq!(made, 1);
    assert_eq!(directory.list().unwrap().len(), 1);
}

#[test]
fn several_people_who_rotate_at_once_each_make_a_key() {
    let (_home, directory) = new();
    directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| directory.rotate(None, at(0), MINUTES, DAY).unwrap());
        }
        // A reader sees whole files only.
        for _ in 0..50 {
            directory.ring().unwrap();
        }
    });
    assert_eq!(directory.list().unwrap().len(), 7);
}

#[test]
fn a_file_that_is_no_key_is_named_and_its_contents_are_not() {
    let (_home, directory) = new();
    let kid = directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    let file = file_of(&directory, &kid);
    let good = std::fs::read_to_string(&file).unwrap();
    let key = good.lines().find(|line| line.contains("PRIVATE")).unwrap();
    for bad in [
        String::new(),
        "[]".into(),
        good.replace("EdDSA", "ES256"),
        good.replace("EdDSA", "none"),
        good.replace("created_at", "made_at"),
        good.replace("\"alg\"", "\"kid\": \"x\", \"alg\""),
        good.replace(&kid, ""),
        good[..good.len() / 2].to_owned(),
    ] {
        std::fs::write(&file, &bad).unwrap();
        let error = directory.ring().unwrap_err().to_string();
        assert!(error.contains(&format!("{kid}.json")), "{error}");
        assert!(!error.contains(key) && !error.contains("PRIVATE"), "{error}");
    }
    std::fs::write(&file, &good).unwrap();
    // What is not ours to read is not read: editors' copies, our own unfinished files.
    std::fs::write(directory.path().join(".new-1.json"), "{").unwrap();
    std::fs::write(directory.path().join("key.json~"), "{").unwrap();
    assert!(directory.ring().is_ok());
    // The same key under another name would be one of two names.
    let copy = directory.path().join("copy.json");
    std::fs::copy(&file, &copy).unwrap();
    assert!(directory.ring().unwrap_err().to_string().contains("same kid"));
}

#[tokio::test]
async fn a_file_that_becomes_unreadable_is_as_it_was_and_one_that_goes_is_gone() {
    let (_home, directory) = new();
    let old = directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    let (new, _) = directory.rotate(None, at(0), MINUTES, DAY).unwrap();
    let kids = |ring: auth_core::KeyRing| -> Vec<String> {
        ring.jwks().keys.iter().map(|jwk| jwk.kid().to_owned()).collect()
    };
    assert_eq!(kids(directory.load().await.unwrap().unwrap()), [old.clone(), new.clone()]);
    assert_eq!(directory.problem(), None);

    // An editor's copy, a broken file, one that is no file: the others are still followed.
    std::fs::write(directory.path().join("zz.json"), "{}").unwrap();
    std::fs::write(file_of(&directory, &new), "{").unwrap();
    assert_eq!(kids(directory.load().await.unwrap().unwrap()), [old.clone(), new.clone()]);
    assert!(directory.problem().unwrap().contains(".json"));
    assert!(directory.load().await.unwrap().is_none());
    directory.retire(&old, at(1), DAY, true).unwrap();
    let now = kids(directory.load().await.unwrap().unwrap());
    assert!(!now.contains(&old) && now.contains(&new), "{now:?}");

    std::fs::remove_file(directory.path().join("zz.json")).unwrap();
    std::fs::remove_file(file_of(&directory, &new)).unwrap();
    assert!(!kids(directory.load().await.unwrap().unwrap()).contains(&new));
    assert_eq!(directory.problem(), None);
    // Nothing that signs is no news that could be followed.
    for stored in directory.list().unwrap() {
        std::fs::remove_file(file_of(&directory, stored.key.kid().unwrap())).unwrap();
    }
    assert!(directory.load().await.is_err());
}

#[tokio::test]
async fn whoever_follows_a_clone_hears_of_everything_too() {
    let (_home, directory) = new();
    directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    let other = directory.clone();
    assert!(directory.load().await.unwrap().is_some());
    assert!(other.load().await.unwrap().is_some());
}

#[test]
fn a_key_that_is_retired_at_once_gives_no_other_key_a_new_life() {
    let (_home, directory) = new();
    let first = directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    let (second, begin) = directory.rotate(None, at(0), MINUTES, DAY).unwrap();
    let long_after = 10 * 86_400;
    assert_eq!(states(&directory, at(long_after))[0].1, KeyState::Ended);
    directory.retire(&second, at(long_after), DAY, true).unwrap();
    // Also where the clock is behind.
    for now in [long_after, long_after - 60] {
        let states = states(&directory, at(now));
        assert_eq!(states[0], (first.clone(), KeyState::Ended), "{now}");
        assert_eq!(states[1].1, KeyState::Active, "{now}");
    }
    // And one that is retired keeps its end.
    let (_home, directory) = new();
    let first = directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    let (second, _) = directory.rotate(None, at(0), MINUTES, DAY).unwrap();
    directory.retire(&second, at(5_000), DAY, true).unwrap();
    let end = begin + TimeDelta::days(1);
    assert_eq!(states(&directory, at(5_000))[0], (first, KeyState::Retired(end)));
}

#[test]
fn a_next_key_that_is_given_up_leaves_the_active_one_active() {
    let (_home, directory) = new();
    let first = directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    let (second, _) = directory.rotate(None, at(0), MINUTES, DAY).unwrap();
    let almost = directory.retire(&second, at(590), DAY, false);
    assert!(matches!(almost, Err(KeyDirectoryError::InUse)), "by other clocks it signs");
    directory.retire(&second, at(10), DAY, false).unwrap();
    assert_eq!(states(&directory, at(99_999)), [(first.clone(), KeyState::Active)]);

    // Also when somebody removes the file by hand, or it cannot be read.
    let (second, _) = directory.rotate(None, at(0), MINUTES, DAY).unwrap();
    std::fs::remove_file(file_of(&directory, &second)).unwrap();
    for now in [0, 599, 601, 10 * 86_400] {
        assert_eq!(states(&directory, at(now)), [(first.clone(), KeyState::Active)], "{now}");
    }
    // The next rotation finds it at work, and lets it go on until then.
    let (third, begin) = directory.rotate(None, at(5_000), MINUTES, DAY).unwrap();
    for now in [5_001, 5_599] {
        let next = (third.clone(), KeyState::Next(Some(begin)));
        assert_eq!(states(&directory, at(now)), [(first.clone(), KeyState::Active), next], "{now}");
    }
    assert_eq!(states(&directory, at(5_600))[1], (third, KeyState::Active));
}

#[test]
fn a_key_that_goes_on_can_be_followed_by_another() {
    let (_home, directory) = new();
    let first = directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    let (given_up, _) = directory.rotate(None, at(0), MINUTES, DAY).unwrap();
    directory.retire(&given_up, at(10), DAY, false).unwrap();
    assert_eq!(directory.list().unwrap()[0].signs_until, None);
    let (second, begin) = directory.rotate(None, at(5_000), MINUTES, DAY).unwrap();
    let next = (second, KeyState::Next(Some(begin)));
    assert_eq!(states(&directory, at(5_001)), [(first, KeyState::Active), next]);
}

#[cfg(unix)]
#[test]
fn in_a_sticky_directory_the_file_of_another_user_is_no_key() {
    let (_home, directory) = new();
    let kid = directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o1777)).unwrap();
    assert!(directory.ring().is_ok());
    if std::os::unix::fs::chown(file_of(&directory, &kid), Some(12_345), None).is_err() {
        // Only root can give a file to another user.
        return;
    }
    assert!(directory.ring().is_err());
}

#[test]
fn a_rotation_in_a_million_years_is_no_panic() {
    let (_home, directory) = new();
    directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    let age = Duration::from_secs(u64::MAX);
    directory.rotate(None, at(0), age, age).unwrap();
    directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    directory.rotate(None, at(0), age, age).unwrap();
    assert_eq!(states(&directory, at(0))[0].1, KeyState::Active);
}

#[cfg(unix)]
#[test]
fn a_file_is_shared_with_the_group_that_the_one_before_or_the_directory_is_shared_with() {
    let (_home, directory) = new();
    let first = directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    let mode =
        |kid: &str| file_of(&directory, kid).metadata().unwrap().permissions().mode() & 0o777;
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    set(&file_of(&directory, &first), 0o640);
    let (second, _) = directory.rotate(None, at(0), MINUTES, DAY).unwrap();
    assert_eq!(
        (mode(&first), mode(&second)),
        (0o640, 0o600),
        "the first was changed, and stays so"
    );
    set(directory.path(), 0o750);
    let third = directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    assert_eq!(mode(&third), 0o640);
    set(directory.path(), 0o755);
    let fourth = directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    assert_eq!(mode(&fourth), 0o600, "its group may be everybody");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_not_waited_for() {
    let (_home, directory) = new();
    directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    let pipe = directory.path().join("pipe.json");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(directory.ring().is_ok());
}

#[cfg(unix)]
#[test]
fn what_others_can_read_or_write_is_refused() {
    let (_home, directory) = new();
    let kid = directory.generate(Algorithm::EdDSA, at(0)).unwrap();
    let file = file_of(&directory, &kid);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(directory.path())), (0o600, 0o700));
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    for (mode, is_good) in [(0o644, false), (0o604, false), (0o620, false), (0o440, true)] {
        set(&file, mode);
        assert_eq!(directory.ring().is_ok(), is_good, "{mode:o}");
    }
    for (mode, is_good) in [(0o777, false), (0o720, false), (0o1777, true), (0o755, true)] {
        set(directory.path(), mode);
        assert_eq!(directory.ring().is_ok(), is_good, "{mode:o}");
    }
}
