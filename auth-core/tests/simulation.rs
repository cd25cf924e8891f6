//! A deterministic simulation of two nodes over one store.
//!
//! A history is drawn by proptest: logins, refreshes, lost answers, many tabs, thieves, logouts,
//! revocations, changes of rights, outages, crashes, waiting. Real [`Authority`](auth_core::Authority)s
//! live through it, over a store that lets operations interleave between any two of its steps
//! and fails where the history says so; clocks are set, and nothing runs but what the history
//! picks. A model of its own knows what is true. Every answer, every row and every token is held
//! against it: `simulation/invariants` says what is promised.
//!
//! `SIMULATION_HISTORIES` is how many histories are played (10,000), `SIMULATION_SEED` the seed of
//! the first; the others follow from it. A history that breaks a promise is made as short as
//! possible, and printed with what happened in it and with the command that plays it again. For
//! millions: `SIMULATION_HISTORIES=1000000 cargo test --release -p auth-core --test simulation`.

use std::cell::Cell;
use std::env;
use std::fmt::Write as _;
use std::io::{Write as _, stderr};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use simulation::draw::histories;
use simulation::history::History;
use simulation::sights::Sights;
use simulation::world;

mod simulation {
    pub(crate) mod acts;
    pub(crate) mod claims;
    pub(crate) mod deeds;
    pub(crate) mod draw;
    pub(crate) mod history;
    pub(crate) mod invariants;
    pub(crate) mod judge;
    pub(crate) mod knowledge;
    pub(crate) mod operation;
    pub(crate) mod people;
    pub(crate) mod profile;
    pub(crate) mod rest;
    pub(crate) mod sights;
    pub(crate) mod standing;
    pub(crate) mod store;
    pub(crate) mod truth;
    pub(crate) mod users;
    pub(crate) mod world;
}

const HISTORIES: u64 = 10_000;

#[test]
fn simulation() {
    let asked_for = setting("SIMULATION_HISTORIES");
    let count = asked_for.unwrap_or(HISTORIES);
    let first = setting("SIMULATION_SEED")
        .unwrap_or_else(|| u64::from_ne_bytes(auth_core::random::bytes()));
    let (strategy, seen) = (histories(), Seen::default());
    for number in 0..count {
        let seed = first.wrapping_add(number);
        if let Err(failure) = play(seed, &strategy, &seen) {
            panic!("after {number} histories\n{}", report(seed, &failure));
        }
    }
    let steps = seen.steps.get();
    say(&format!("simulation: {count} histories, seed {first}, {steps} steps\n"));
    if asked_for.is_some() {
        say(&seen.sights.to_string());
    }
    if count >= HISTORIES {
        assert_eq!(seen.sights.missing(), [""; 0], "never seen in {count} histories");
    }
}

#[derive(Default)]
struct Seen {
    steps: Cell<usize>,
    sights: Sights,
}

/// Plays the history of this seed. If it fails, looks for a simpler one that fails as well.
fn play(
    seed: u64,
    strategy: &impl Strategy<Value = History>,
    seen: &Seen,
) -> Result<(), TestError<History>> {
    let config =
        Config { failure_persistence: None, max_shrink_iters: 100_000, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let tree = strategy.new_tree(&mut runner).expect("no history is filtered out");
    let played = runner.run_one(tree, |history| match world::play(&history) {
        Ok(sights) => {
            seen.steps.set(seen.steps.get() + history.steps.len());
            seen.sights.add(&sights);
            Ok(())
        }
        Err(violation) => {
            Err(TestCaseError::fail(format!("{}: {}", violation.invariant, violation.how)))
        }
    });
    played.map(|_| ())
}

/// Leaves out every step that the failure does not need. (Proptest tries each once, and not
/// below the shortest history that it draws.)
fn without_the_superfluous(mut history: History) -> History {
    let mut number = 0;
    while number < history.steps.len() {
        let mut shorter = history.clone();
        shorter.steps.remove(number);
        number += 1;
        if world::play(&shorter).is_err() {
            (history, number) = (shorter, 0);
        }
    }
    history
}

fn report(seed: u64, failure: &TestError<History>) -> String {
    let mut report = String::new();
    let TestError::Fail(why, history) = failure else { return failure.to_string() };
    let _ = writeln!(report, "simulation: seed {seed} breaks a promise: {why}");
    let history = &without_the_superfluous(history.clone());
    let _ = writeln!(report, "the shortest history found, with {:?}:", history.profile);
    for (number, step) in history.steps.iter().enumerate() {
        let _ = writeln!(report, "{:4}. {step:?}", number + 1);
    }
    let _ = writeln!(report, "what happens in it:");
    for line in world::tell(history) {
        let _ = writeln!(report, "    {line}");
    }
    let _ = writeln!(
        report,
        "again: SIMULATION_SEED={seed} SIMULATION_HISTORIES=1 cargo test -p auth-core --test \
         simulation"
    );
    report
}

/// Writes past the test harness, which would keep it to itself.
fn say(text: &str) {
    let _ = stderr().write_all(text.as_bytes());
}

fn setting(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a number, not {value:?}")))
}
