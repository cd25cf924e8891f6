//! Bodies for the routes about tokens. The first byte names the route and who asks; the rest of the
//! line is the content type, and what follows is the body: a form to revoke or to introspect a token,
//! JSON to make a personal token, or the id of one to be ended. Placeholders stand for tokens and ids.
#![no_main]

use std::cell::RefCell;

use actix_web::test::TestRequest;
use auth_core::ClientInfo;
use fuzz::chain::{BEA, BOSS, Chain, Credentials, HAL, SCOPES, TOM};
use fuzz::headers::header;
use fuzz::json::Json;
use fuzz::server::Answer;
use fuzz::world::{NOW, now};
use fuzz::{fill, form_fields};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static CHAIN: RefCell<(Chain, u32)> = RefCell::default();
}

fuzz_target!(|input: &[u8]| CHAIN.with_borrow_mut(|(chain, changes)| {
    if check(chain, input) {
        chain.renew();
        *changes += 1;
    }
    // What has ended is kept by the store, and nobody may have more than a hundred personal tokens.
    if *changes == 25 {
        (*chain, *changes) = Default::default();
    }
}));

/// What no body may be longer than.
const MAX_BYTES: usize = 64 * 1024;

/// The longest life of a personal token, in seconds.
const LONGEST: u64 = 365 * 24 * 60 * 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Nobody,
    Bea,
    /// By the token of a login that is long ago: a password is asked for again, and she has none.
    BeaLongAgo,
    Boss,
    /// A program, with a personal token of his.
    Tom,
}

/// Answers whether a token was made or ended.
fn check(chain: &Chain, input: &[u8]) -> bool {
    let Some((which, rest)) = input.split_first() else { return false };
    let callers = [Caller::Nobody, Caller::Bea, Caller::BeaLongAgo, Caller::Boss, Caller::Tom];
    let caller = callers[usize::from(which / 4 % 5)];
    let end_of_line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (content_type, body) = (&rest[..end_of_line], rest.get(end_of_line + 1..));
    let body = filled(&chain.credentials, body.unwrap_or_default());
    let held = &chain.credentials;
    let show = |request: TestRequest| match caller {
        Caller::Nobody => request,
        Caller::Bea => request.insert_header(("authorization", format!("Bearer {}", held.access))),
        Caller::BeaLongAgo => {
            request.insert_header(("authorization", format!("Bearer {}", held.old_access)))
        }
        Caller::Boss => request.insert_header(("authorization", format!("Bearer {}", held.boss))),
        Caller::Tom => request.insert_header(("authorization", format!("Token {}", held.personal))),
    };
    if which % 4 == 3 {
        // What is much longer is no URI for the test's own client.
        let body = &body[..body.len().min(1000)];
        let path: String = body.iter().map(|byte| format!("%{byte:02x}")).collect();
        let answer = chain.ask(show(TestRequest::delete().uri(&format!("/tokens/{path}"))));
        return check_end(chain, caller, body, &answer);
    }
    let path = ["/oauth/revoke/", "/oauth/introspect", "/tokens"][usize::from(which % 4)];
    let request = show(TestRequest::post().uri(path)).set_payload(body.clone());
    let (request, content_type) = header(request, b"content-type", content_type);
    let content_type = content_type.map(|(_, value)| value.as_bytes().to_vec());
    let content_type = content_type.unwrap_or_default();
    let is_password = caller == Caller::BeaLongAgo && path == "/tokens" && {
        let body = Json::parse(&body);
        let password = body.as_ref().and_then(|body| member(body, "password"));
        matches!(password, Some(Json::Text(_) | Json::Number(_)))
    };
    if is_password && !chain.is_time_for_a_password() {
        return false;
    }
    let answer = chain.ask(request);

    match which % 4 {
        0 => check_revoke(chain, caller, &content_type, &body, &answer),
        1 => check_introspect(chain, caller, &content_type, &body, &answer),
        _ => check_make(chain, caller, &content_type, &body, &answer),
    }
}

fn filled(held: &Credentials, body: &[u8]) -> Vec<u8> {
    let long = [b'x'; MAX_BYTES / 2];
    let mut values: Vec<_> = tokens(held).into_iter().map(|t| (t.0, t.1.as_bytes())).collect();
    values.extend([
        (b'C', held.cookie.as_bytes()),
        (b'E', held.ended_personal.as_bytes()),
        (b'X', held.expired_personal.as_bytes()),
        (b'I', held.other_personal_id.as_bytes()),
        (b'J', held.personal_id.as_bytes()),
        (b'Z', &long),
    ]);
    fill(body, &values)
}

/// The tokens that are good: their letter, text, user, and kind.
fn tokens(held: &Credentials) -> [(u8, &str, &'static str, &'static str); 8] {
    [
        (b'T', &held.access, BEA, "access"),
        (b'R', &held.refresh, BEA, "refresh"),
        (b'O', &held.old_access, BEA, "access"),
        (b'Q', &held.other_personal, BEA, "personal"),
        (b'P', &held.personal, TOM, "personal"),
        (b'M', &held.limited, TOM, "personal"),
        (b'S', &held.single, HAL, "single"),
        (b'A', &held.boss, BOSS, "access"),
    ]
}

impl Caller {
    fn user(self) -> &'static str {
        match self {
            Self::Nobody => "",
            Self::Bea | Self::BeaLongAgo => BEA,
            Self::Boss => BOSS,
            Self::Tom => TOM,
        }
    }
}

/// What the status is because of the body as a whole, whatever is in it.
fn fault(content_type: &[u8], wanted: &str, body: &[u8]) -> Option<u16> {
    let content_type = String::from_utf8_lossy(content_type).to_ascii_lowercase();
    let essence = content_type.split(';').next().unwrap_or_default();
    let is_wanted = essence.trim_matches([' ', '\t']) == wanted;
    match body.len() {
        0 => None,
        1..=MAX_BYTES if is_wanted => None,
        1..=MAX_BYTES => Some(415),
        _ => Some(413),
    }
}

/// The good token that a form has in its one field `token`; `Err` without such a field.
fn token_in<'h>(
    held: &'h Credentials,
    body: &[u8],
) -> Result<Option<(&'h str, &'static str, &'static str)>, ()> {
    let fields = form_fields(body);
    let mut values = fields.iter().filter(|(name, _)| name == "token").map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(shown), None) if !shown.is_empty() => {
            let good = tokens(held).into_iter().find(|(_, text, ..)| text == shown);
            Ok(good.map(|(_, text, user, kind)| (text, user, kind)))
        }
        _ => Err(()),
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn check_introspect(
    chain: &Chain,
    caller: Caller,
    content_type: &[u8],
    body: &[u8],
    answer: &Answer,
) -> bool {
    let expected = match caller {
        Caller::Nobody => 401,
        Caller::Bea | Caller::BeaLongAgo | Caller::Tom => 403,
        Caller::Boss => fault(content_type, FORM, body).unwrap_or(200),
    };
    let said = String::from_utf8_lossy(&answer.body);
    match token_in(&chain.credentials, body) {
        _ if expected != 200 => assert_eq!(answer.status, expected, "{caller:?}: {said}"),
        Err(()) => expect_oauth_error(answer, "invalid_request"),
        Ok(None) => assert_eq!((answer.status, &*said), (200, r#"{"active":false}"#)),
        Ok(Some((_, user, kind))) => {
            assert_eq!(answer.status, 200);
            let said = Json::parse(&answer.body).unwrap();
            assert!(said.duplicates().is_empty());
            assert_eq!(said.get("active"), Some(&Json::Bool(true)));
            assert_eq!(said.get("sub").and_then(Json::text), Some(user));
            assert_eq!(said.get("token_use").and_then(Json::text), Some(kind));
        }
    }
    false
}

fn check_revoke(
    chain: &Chain,
    caller: Caller,
    content_type: &[u8],
    body: &[u8],
    answer: &Answer,
) -> bool {
    let held = &chain.credentials;
    let said = String::from_utf8_lossy(&answer.body);
    if caller == Caller::Nobody {
        assert_eq!(answer.status, 401, "{said}");
        return false;
    }
    if let Some(status) = fault(content_type, FORM, body) {
        assert_eq!(answer.status, status, "{said}");
        return false;
    }
    let found = token_in(held, body);
    let is_ended = |text: &str| now(chain.authority.introspect(text)).is_err();
    match found {
        Err(()) => expect_oauth_error(answer, "invalid_request"),
        Ok(None) => assert_eq!((answer.status, &*said), (200, "")),
        Ok(Some((text, user, _))) if caller == Caller::Boss || caller.user() == user => {
            assert_eq!((answer.status, &*said), (200, ""));
            // The login that it is of, and no other.
            let login = [&*held.access, &*held.refresh];
            for (_, other, ..) in tokens(held) {
                let is_of_it = other == text || login.contains(&text) && login.contains(&other);
                assert_eq!(is_ended(other), is_of_it);
            }
            return true;
        }
        Ok(Some(_)) => expect_oauth_error(answer, "unauthorized_client"),
    }
    // Each of them is looked up, so not at every input.
    let shown = found.ok().flatten().map_or(&*held.access, |(text, ..)| text);
    assert!(!is_ended(shown));
    false
}

fn expect_oauth_error(answer: &Answer, error: &str) {
    let said = Json::parse(&answer.body).unwrap();
    assert_eq!((answer.status, said.get("error").and_then(Json::text)), (400, Some(error)));
}

/// What a personal token is to be, by the rules of the documentation.
#[derive(Debug)]
struct Wanted {
    /// `None` for a number, of which there are several ways to write it.
    name: Option<String>,
    scopes: Option<Vec<String>>,
    seconds: u64,
}

fn check_make(
    chain: &Chain,
    caller: Caller,
    content_type: &[u8],
    body: &[u8],
    answer: &Answer,
) -> bool {
    let said = String::from_utf8_lossy(&answer.body);
    let refused = match caller {
        Caller::Nobody => Some(401),
        Caller::Tom => Some(403),
        Caller::Bea | Caller::BeaLongAgo | Caller::Boss => {
            fault(content_type, "application/json", body)
        }
    };
    if let Some(status) = refused {
        assert_eq!(answer.status, status, "{caller:?}: {said}");
        return false;
    }
    if caller == Caller::BeaLongAgo {
        check_password_again(body, answer);
        return false;
    }
    let Some(wanted) = wanted(body) else {
        assert_eq!(answer.status, 400, "{said}");
        return false;
    };
    // A strict reader refuses some texts and numbers that the other one reads.
    if answer.status == 400 && is_odd(body) {
        return false;
    }
    assert_eq!(answer.status, 201, "{wanted:?}: {said}");
    let made = Json::parse(&answer.body).unwrap();
    let text = |name: &str| made.get(name).and_then(Json::text).map(str::to_owned);
    let scopes = made.get("scopes").map(|scopes| texts(scopes).unwrap());
    assert_eq!(scopes, wanted.scopes);
    if let Some(name) = wanted.name.filter(|name| !name.contains('\u{fffd}')) {
        assert_eq!(text("name"), Some(name));
    }

    let token = text("token").unwrap();
    let client = ClientInfo::default();
    let verified = now(chain.authority.authenticate_personal(&token, &client)).unwrap();
    assert_eq!(verified.user_id(), caller.user());
    let ends = verified.expires_at().timestamp();
    assert_eq!(ends, NOW as i64 + wanted.seconds as i64);
    let may: Vec<&str> = verified.scopes().collect();
    let limited = wanted.scopes.unwrap_or_else(|| SCOPES.map(str::to_owned).into());
    assert_eq!(may, limited);
    assert_eq!(verified.is_staff(), caller == Caller::Boss && scopes.is_none());
    true
}

/// Of members that come twice the last one counts.
fn member<'b>(body: &'b Json, name: &str) -> Option<&'b Json> {
    let mut members = body.members()?.iter().rev();
    members.find(|(known, _)| known == name).map(|(_, value)| value)
}

/// After a login that is long ago nothing is made, whatever the body.
fn check_password_again(body: &[u8], answer: &Answer) {
    let said = String::from_utf8_lossy(&answer.body);
    let parsed = if body.is_empty() { Some(Json::Object(Vec::new())) } else { Json::parse(body) };
    let is_missing = |password: Option<&Json>| match password {
        None | Some(Json::Null) => true,
        Some(Json::Text(text)) => text.trim().is_empty(),
        Some(_) => false,
    };
    let (status, is_asked_for) = match parsed {
        None => (400, false),
        Some(parsed) if is_missing(member(&parsed, "password")) => (403, true),
        Some(parsed) => match member(&parsed, "password") {
            Some(Json::Text(text)) if text.contains('\0') => (400, false),
            Some(Json::Text(_) | Json::Number(_)) => (403, false),
            _ => (400, false),
        },
    };
    // A strict reader refuses some texts and numbers, and a code that is none.
    if answer.status == 400 && (is_odd(body) || status == 403 && !is_asked_for) {
        return;
    }
    assert_eq!(answer.status, status, "{said}");
    assert_eq!(said.contains("password_required"), is_asked_for, "{said}");
}

fn wanted(body: &[u8]) -> Option<Wanted> {
    let body = Json::parse(body)?;
    let member = |name: &str| member(&body, name);
    let is_blank = |letter: char| letter.is_whitespace() || ('\x1c'..='\x1f').contains(&letter);
    let name = match member("name")? {
        Json::Text(text) => {
            let name = text.trim_matches(is_blank);
            let is_name = (1..=100).contains(&name.chars().count());
            // Also where it would be cut off.
            if !is_name || text.contains('\0') || name.contains(char::is_control) {
                return None;
            }
            Some(name.to_owned())
        }
        Json::Number(_) => None,
        _ => return None,
    };
    let scopes = match member("scopes") {
        None | Some(Json::Null) => None,
        Some(list) => Some(texts(list)?),
    };
    if !scopes.iter().flatten().all(|scope| SCOPES.contains(&&**scope)) {
        return None;
    }
    let seconds = match member("expires_in") {
        None | Some(Json::Null) => LONGEST,
        Some(number) => number.whole().filter(|seconds| (1..=LONGEST).contains(seconds))?,
    };
    Some(Wanted { name, scopes, seconds })
}

fn texts(list: &Json) -> Option<Vec<String>> {
    let Json::List(list) = list else { return None };
    list.iter().map(|text| text.text().map(str::to_owned)).collect()
}

/// Whether a strict reader may refuse it: what is not UTF-8, half of a surrogate pair, a number that is too
/// great or has too many digits, what is nested deeply.
fn is_odd(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return true };
    let digits = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
    text.contains("\\u")
        || text.contains(['e', 'E']) && digits > Some(2)
        || digits > Some(99)
        || text.matches(['[', '{']).count() > 100
}

fn check_end(chain: &Chain, caller: Caller, id: &[u8], answer: &Answer) -> bool {
    let held = &chain.credentials;
    let is_bea = matches!(caller, Caller::Bea | Caller::BeaLongAgo);
    let is_own = is_bea && id == held.other_personal_id.as_bytes();
    let expected = match caller {
        // A path without an id is no route, whoever asks.
        _ if id.is_empty() => answer.status,
        Caller::Nobody => 401,
        Caller::Tom => 403,
        _ if is_own => 204,
        _ => 404,
    };
    assert_eq!(answer.status, expected, "{caller:?}");
    for token in [&held.other_personal, &held.personal] {
        let is_ended = now(chain.authority.introspect(token)).is_err();
        assert_eq!(is_ended, is_own && token == &held.other_personal);
    }
    is_own
}
