//! Sends every case to both, and compares.

use std::collections::BTreeSet;

use auth_core::Clock;
use serde_json::json;
use tests::{Database, TestApp, on_each_database, say};

use crate::cases::Case;
use crate::listed::{self, Row, stands_for};
use crate::pair::{PAST_GRACE, Pair};
use crate::seen::{ADDED_CLAIMS, LEFT_OUT_CLAIM, Seen};
use crate::{bodies, headers, with_settings, with_tokens};

pub(crate) const NEW_PASSWORD: &str = "another horse, another battery";

on_each_database! {
    every_answer_is_the_same_or_a_listed_deviation,
    with_every_setting_changed_it_is_the_same,
}

async fn every_answer_is_the_same_or_a_listed_deviation(database: Database) {
    let rotating = json!({ "ROTATE_REFRESH_TOKENS": true, "BLACKLIST_AFTER_ROTATION": true });
    let app = async || TestApp::start(database).await;
    let Some(mut pair) = Pair::start(rotating, app).await else { return };
    for new in bodies::users() {
        pair.create(new).await;
    }
    change_users(&mut pair).await;
    for side in [&mut pair.theirs, &mut pair.ours] {
        side.token("spent").await;
    }
    pair.catch_up().await;
    pair.app.advance(PAST_GRACE).await;
    let mut cases = bodies::cases();
    cases.extend(headers::cases());
    cases.extend(with_tokens::cases(&pair.anna, Clock::system().now_seconds()));
    let general = [REFUSED_TOKEN, ALLOW, NOT_KEPT, OWN_CLAIMS];
    compare(&mut pair, cases, |pattern| !is_of_settings(pattern), &general, 1_000).await;
}

async fn with_every_setting_changed_it_is_the_same(database: Database) {
    let app = async || TestApp::with(database, with_settings::OURS).await;
    let Some(mut pair) = Pair::start(with_settings::simple_jwt(), app).await else { return };
    change_users(&mut pair).await;
    pair.catch_up().await;
    let hash = pair.django.ask(json!({ "do": "hash_password", "id": pair.anna.id }));
    let cases =
        with_settings::cases(&pair.anna, Clock::system().now_seconds(), &hash["hash_password"]);
    let general = [REFUSED_TOKEN, NOT_KEPT, OWN_CLAIMS, NO_HASH];
    compare(&mut pair, cases, is_of_settings, &general, 100).await;
}

/// Three who were logged in are no longer what they were.
async fn change_users(pair: &mut Pair) {
    let [dora, ina, paula] =
        [pair.logged_in("dora").await, pair.logged_in("ina").await, pair.logged_in("paula").await];
    pair.app.delete(&dora);
    pair.app.deactivate(&ina).await;
    pair.app.set_password(&paula, NEW_PASSWORD).await;
    pair.django.order(json!({ "do": "delete", "id": dora.id }));
    pair.django.order(json!({ "do": "deactivate", "id": ina.id }));
    pair.django.order(json!({ "do": "set_password", "id": paula.id, "password": NEW_PASSWORD }));
}

/// What differs between all answers of a kind, by the row that says so.
const REFUSED_TOKEN: &str = "a token that was refused";
const ALLOW: &str = "`Allow` on 405";
const NOT_KEPT: &str = "answers with tokens";
const OWN_CLAIMS: &str = "what a token says";
const NO_HASH: &str = "a change of password";

/// What we ought to answer where they answer `theirs`, and the rows because of which it is not the same.
fn expected(theirs: &Seen) -> (Seen, Vec<&'static str>) {
    let mut ours = theirs.clone();
    let mut rows = Vec::new();
    let is_about_a_token = matches!(
        theirs.body["code"].as_str(),
        Some("token_not_valid" | "user_not_found" | "user_inactive" | "password_changed")
    );
    if let Some(challenge) = ours.challenge.as_mut().filter(|_| is_about_a_token) {
        challenge.push_str(r#", error="invalid_token""#);
        rows.push(REFUSED_TOKEN);
    }
    if let Some(others) = theirs.allow.as_deref().and_then(|allow| allow.strip_suffix(", OPTIONS"))
    {
        ours.allow = Some(others.to_owned());
        rows.push(ALLOW);
    }
    if theirs.status == 200 && theirs.is_of_tokens {
        ours.cache_control = Some("no-store".to_owned());
        rows.push(NOT_KEPT);
    }
    (ours, rows)
}

/// The rows of claims that only one of the two writes.
fn claim_rows(theirs: &Seen, ours: &Seen) -> Vec<&'static str> {
    let mut rows = Vec::new();
    if ours.own_claims.iter().any(|claim| ADDED_CLAIMS.contains(&claim.as_str())) {
        rows.push(OWN_CLAIMS);
    }
    if theirs.own_claims.iter().any(|claim| claim == LEFT_OUT_CLAIM) {
        rows.push(NO_HASH);
    }
    rows
}

fn is_of_settings(pattern: &str) -> bool {
    pattern.contains("set: ")
}

async fn compare(
    pair: &mut Pair,
    cases: Vec<Case>,
    is_of_these_cases: impl Fn(&str) -> bool,
    general: &[&str],
    at_least: usize,
) {
    let rows = rows_of_deviations();
    let listed: Vec<_> = listed::rows()
        .flat_map(|row| row.differences.iter())
        .flat_map(|(patterns, theirs, ours)| patterns.iter().map(move |p| (*p, *theirs, *ours)))
        .filter(|(pattern, ..)| is_of_these_cases(pattern))
        .collect();
    let mut problems = Vec::new();
    let mut used = BTreeSet::new();
    let mut names = BTreeSet::new();
    let (mut same, mut in_part, mut deviating) = (0, 0, 0);
    for case in &cases {
        assert!(names.insert(&case.name), "two cases are called {}", case.name);
        let (theirs, ours) = pair.answers(case).await;
        let (theirs, ours) = (Seen::of(&theirs, &case.path), Seen::of(&ours, &case.path));
        if !ours.is_whole() {
            problems.push(format!("{}: ours lacks a header: {}", case.name, ours.told()));
        }
        let named: Vec<_> =
            listed.iter().filter(|(pattern, ..)| stands_for(pattern, &case.name)).collect();
        let (wanted, mut in_general) = expected(&theirs);
        in_general.extend(claim_rows(&theirs, &ours));
        let as_expected = ours.without_own_claims() == wanted.without_own_claims();
        match named.as_slice() {
            [] if as_expected => {
                for row in &in_general {
                    used.insert((*row).to_owned());
                }
                if in_general.is_empty() { same += 1 } else { in_part += 1 }
            }
            [] => problems.push(format!(
                "{}: not listed\n      theirs {}\n        ours {}",
                case.name,
                theirs.told(),
                ours.told()
            )),
            [(pattern, as_theirs, as_ours)] => {
                deviating += 1;
                used.insert((*pattern).to_owned());
                if as_expected {
                    problems.push(format!("{}: listed, and no longer differs", case.name));
                } else if !theirs.says(*as_theirs) || !ours.says(*as_ours) {
                    problems.push(format!(
                        "{}: listed as something else\n      theirs {}\n        ours {}",
                        case.name,
                        theirs.told(),
                        ours.told()
                    ));
                }
            }
            several => {
                let several: Vec<_> = several.iter().map(|(pattern, ..)| pattern).collect();
                problems.push(format!("{}: listed by each of {several:?}", case.name));
            }
        }
    }
    for (pattern, ..) in &listed {
        if !used.contains(*pattern) {
            problems.push(format!("no case is called {pattern:?}"));
        }
    }
    for Row { text, .. } in listed::rows() {
        if !rows.contains(text) {
            problems.push(format!("docs/deviations.md has no row {text:?}"));
        }
    }
    for row in general {
        if !rows.contains(row) || !used.contains(*row) {
            problems.push(format!("{row:?} is no row, or nothing differs by it any more"));
        }
    }
    say(&format!(
        "side by side with Django {} and SimpleJWT {}: {} cases, {same} equal, {} listed deviations \
         ({in_part} of them in a header or in the claims of a token alone)",
        pair.django.version("Django"),
        pair.django.version("djangorestframework-simplejwt"),
        cases.len(),
        in_part + deviating,
    ));
    assert!(problems.is_empty(), "{} problems:\n  {}", problems.len(), problems.join("\n  "));
    assert!(cases.len() >= at_least, "{} cases, which is less than {at_least}", cases.len());
}

/// The first column of the table.
fn rows_of_deviations() -> BTreeSet<&'static str> {
    let page = include_str!("../../../docs/deviations.md");
    page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).collect()
}
