//! Requests with a token in a header, to the route that the first byte names. Each line after it is
//! the value of one header; placeholders stand for tokens.
#![no_main]

use actix_web::http::header::HeaderValue;
use actix_web::test::TestRequest;
use fuzz::fill;
use fuzz::headers::{Sender, bearer, header};
use fuzz::http::Site;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static SITE: Site = Site::new();
}

fuzz_target!(|input: &[u8]| SITE.with(|site| check(site, input)));

fn check(site: &Site, input: &[u8]) {
    let Some((route, lines)) = input.split_first() else { return };
    let held = &site.credentials;
    let lines = fill(
        lines,
        &[
            (b'T', held.access.as_bytes()),
            (b'R', held.refresh.as_bytes()),
            (b'S', held.single.as_bytes()),
            (b'X', held.expired.as_bytes()),
            (b'E', held.ended.as_bytes()),
        ],
    );
    let route = route % 8;
    let path =
        ["/guard", "/user", "/maybe", "/staff", "/validator", "/words", "/alone", "/account"]
            [usize::from(route)];
    let name: &[u8] = match route {
        5 => b"x-token",
        6 => b"jwt-auth",
        _ => b"authorization",
    };
    let mut request = TestRequest::get().uri(path);
    let mut values = Vec::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let (next, added) = header(request, name, line);
        request = next;
        values.extend(added.map(|(_, value)| value));
    }
    let values: Vec<&[u8]> = values.iter().map(HeaderValue::as_bytes).collect();
    let answer = site.ask(request);

    let sender = match route {
        5 => bearer(&values, &["JWT", "Token"], &held.access),
        6 => match values.as_slice() {
            [] | [b""] => Sender::Nobody,
            [value] if *value == held.single.as_bytes() => Sender::User,
            _ => Sender::Refused,
        },
        _ => bearer(&values, &["Bearer"], &held.access),
    };
    // Of what actix-web-httpauth reads only that must be true that is ours to promise.
    if route == 4 {
        let holds = |value: &&[u8]| String::from_utf8_lossy(value).contains(&held.access);
        assert!(answer.status != 200 || values.iter().any(holds));
        return;
    }
    let expected = match (sender, route) {
        (Sender::User, 3) => 403,
        (Sender::User, _) => 200,
        (Sender::Nobody, 2) => 200,
        (Sender::Nobody | Sender::Refused, _) => 401,
    };
    assert_eq!(answer.status, expected, "{path}, {sender:?}");
    if answer.status == 200 {
        assert_eq!(answer.body == b"nobody", sender == Sender::Nobody);
    }
}
