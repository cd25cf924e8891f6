//! Requests with any credentials of the whole chain, to the route and with the method that the first
//! byte names. Each line after it is a header, `name: value`; placeholders stand for credentials.
#![no_main]

use actix_web::http::Method;
use actix_web::test::TestRequest;
use auth_core::token::csrf_token;
use fuzz::chain::{BASIL, BEA, BOSS, CORA, Chain, Credentials, HAL, LOGIN, PASSWORD, TOM, basic};
use fuzz::headers::Headers;
use fuzz::{fill, forgiving_base64};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static CHAIN: Chain = Chain::new();
}

fuzz_target!(|input: &[u8]| CHAIN.with(|chain| check(chain, input)));

/// Who sent a request, by the rules of the documentation.
#[derive(Debug, PartialEq, Eq)]
enum Sender {
    Nobody,
    /// Somebody whose credential is refused.
    Refused,
    Somebody(&'static str),
    /// Who shows a password, with a name that only the directory knows.
    Login {
        login: String,
        password: String,
    },
}

fn check(chain: &Chain, input: &[u8]) {
    let Some((which, lines)) = input.split_first() else { return };
    let held = &chain.credentials;
    let csrf = csrf_token(&held.cookie);
    let lines = filled(held, &csrf, lines);
    let method = if which % 2 == 0 { Method::GET } else { Method::POST };
    let is_safe = method == Method::GET;
    let path = ["/guard", "/user", "/maybe", "/staff"][usize::from(which / 2 % 4)];
    let request = TestRequest::default().method(method).uri(path);
    let (request, headers) = Headers::add(request, &lines);

    let sender = sender(&headers, held);
    let mut login = None;
    let by_cookie = sender == Sender::Somebody(CORA);
    let mut expected = match &sender {
        Sender::Nobody if path == "/maybe" => (200, "nobody"),
        Sender::Nobody | Sender::Refused => (401, ""),
        Sender::Somebody(user) => (200, *user),
        Sender::Login { login: name, password } => {
            login = Some(name.clone());
            match (name.as_str(), password.as_str()) {
                (LOGIN, _) if !chain.is_time_for_a_password() => return,
                (LOGIN, PASSWORD) => (200, BASIL),
                (LOGIN, _) => (401, ""),
                _ => (503, ""),
            }
        }
    };
    // Only a browser sends its credential without being told to.
    if by_cookie {
        let site_needed = !is_safe || !headers.all("upgrade").is_empty();
        let shown = headers.all("x-csrftoken").first() == Some(&csrf.as_bytes());
        if site_needed && !headers.are_of_site(None) || !is_safe && !shown {
            expected = (403, "");
        }
    }
    if path == "/staff" && expected.0 == 200 && expected.1 != BOSS {
        expected = (403, "");
    }

    let answer = chain.ask(request);
    let body = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, expected.0, "{path}, {sender:?}: {body}");
    if answer.status == 200 {
        assert_eq!(body, expected.1);
    }
    assert_eq!(chain.asked_for(), login, "the directory is asked for who shows a password only");
}

fn filled(held: &Credentials, csrf: &str, lines: &[u8]) -> Vec<u8> {
    let latin1 = |text: &str| text.chars().map(|letter| letter as u8).collect::<Vec<_>>();
    let (_, unprefixed) = held.personal.split_once('_').expect("it has a prefix");
    fill(
        lines,
        &[
            (b'B', basic(LOGIN.as_bytes(), PASSWORD.as_bytes()).as_bytes()),
            (b'L', basic(&latin1(LOGIN), &latin1(PASSWORD)).as_bytes()),
            (b'W', basic(LOGIN.as_bytes(), b"wrong").as_bytes()),
            (b'Z', basic(b"zoe", PASSWORD.as_bytes()).as_bytes()),
            (b'C', held.cookie.as_bytes()),
            (b'K', csrf.as_bytes()),
            (b'P', held.personal.as_bytes()),
            (b'I', unprefixed.as_bytes()),
            (b'M', held.limited.as_bytes()),
            (b'E', held.ended_personal.as_bytes()),
            (b'X', held.expired_personal.as_bytes()),
            (b'T', held.access.as_bytes()),
            (b'R', held.refresh.as_bytes()),
            (b'A', held.boss.as_bytes()),
            (b'S', held.single.as_bytes()),
        ],
    )
}

/// The first that is present decides: Basic, cookie, Token, Bearer, header.
fn sender(headers: &Headers, held: &Credentials) -> Sender {
    let one_of = |known: &[(&str, &'static str)], shown: &str| {
        let found = known.iter().find(|(text, _)| *text == shown);
        found.map_or(Sender::Refused, |(_, user)| Sender::Somebody(user))
    };
    let values = headers.all("authorization");
    // Which one counts is not to be guessed.
    if values.len() > 1 {
        return Sender::Refused;
    }
    let value = values.first().map(|value| String::from_utf8_lossy(value).into_owned());
    let value = value.unwrap_or_default();
    let mut words = value.split([' ', '\t']).filter(|word| !word.is_empty());
    let scheme = words.next().unwrap_or_default().to_ascii_lowercase();
    // One word, or a fault.
    let credential = words.next().filter(|_| words.next().is_none());

    if scheme == "basic" {
        return credential.and_then(login).unwrap_or(Sender::Refused);
    }
    if let Some(cookie) = headers.cookie("sessionid") {
        return one_of(&[(&held.cookie, CORA)], &String::from_utf8_lossy(&cookie));
    }
    match (scheme.as_str(), credential) {
        ("token" | "bearer", None) => return Sender::Refused,
        ("token", Some(token)) => {
            return one_of(&[(&held.personal, TOM), (&held.limited, TOM)], token);
        }
        ("bearer", Some(token)) => {
            return one_of(&[(&held.access, BEA), (&held.boss, BOSS)], token);
        }
        _ => {}
    }
    match headers.all("jwt-auth").as_slice() {
        [] | [b""] => Sender::Nobody,
        [token] => one_of(&[(&held.single, HAL)], &String::from_utf8_lossy(token)),
        _ => Sender::Refused,
    }
}

/// RFC 7617: a name, a colon, a password, in UTF-8 or else in Latin-1. No name has a NUL.
fn login(encoded: &str) -> Option<Sender> {
    let bytes = forgiving_base64(encoded)?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    let (login, password) = text.split_once(':')?;
    let (login, password) = (login.to_owned(), password.to_owned());
    (!login.contains('\0')).then_some(Sender::Login { login, password })
}
