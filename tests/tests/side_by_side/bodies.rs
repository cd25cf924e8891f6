//! Cases of what a body may look like, and of logins.

use reqwest::Method;
use serde_json::{Value, json};

use crate::cases::{BLACKLIST, Case, ME, OBTAIN, REFRESH, ROUTES, Route, SLIDE, SLIDING, VERIFY};

/// `{"field":value,…}` of the fields of a route.
fn filled(route: Route, value: &Value) -> Value {
    route.fields.iter().map(|field| ((*field).to_owned(), value.clone())).collect()
}

/// A good login.
pub(crate) fn login() -> Value {
    json!({ "username": "anna", "password": "correct horse battery staple" })
}

/// The users that must exist besides Anna: one whose name and password are digits, one whose password has
/// blanks at its ends, one who is called unusually, one who never was active.
pub(crate) fn users() -> [tests::NewUser; 4] {
    use tests::NewUser;
    [
        NewUser { password: "1234567890", ..NewUser::named("42") },
        NewUser { password: "  padded  ", ..NewUser::named("blank") },
        NewUser::named("Zoë"),
        NewUser { is_active: false, ..NewUser::named("ivan") },
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(fields());
    cases.extend(logins());
    cases.extend(not_json());
    cases.extend(content_types());
    cases.extend(methods_and_paths());
    cases
}

fn fields() -> Vec<Case> {
    let mut cases = Vec::new();
    for route in ROUTES {
        for (what, value) in [
            ("null", json!(null)),
            ("an empty text", json!("")),
            ("blanks", json!(" \t\r\n ")),
            ("blanks of Unicode", json!("\u{a0}\u{2003}\u{3000}")),
            ("separators of ASCII", json!("\u{1c}\u{1d}\u{1e}\u{1f}")),
            ("a space without width", json!("\u{200b}")),
            ("a whole number", json!(42)),
            ("zero", json!(0)),
            ("a negative number", json!(-1)),
            ("a fraction", json!(1.5)),
            ("true", json!(true)),
            ("false", json!(false)),
            ("an empty list", json!([])),
            ("a list of a text", json!(["anna"])),
            ("an empty object", json!({})),
            ("an object", json!({ "a": { "b": null } })),
            ("a NUL", json!("an\0na")),
            ("a NUL alone", json!("\0")),
            ("a NUL between blanks", json!(" \0 ")),
            ("other control characters", json!("a\u{1}\u{7f}b")),
            ("unusual letters", json!("Žofie李🦀\u{202e}")),
            ("10,000 letters", json!("x".repeat(10_000))),
        ] {
            cases.push(Case::post(route, &format!("a field is {what}"), &filled(route, &value)));
        }
        for (what, text) in [
            ("a number with an exponent", "1e2"),
            ("a number of thirty digits", "123456789012345678901234567890"),
            ("half a surrogate pair", r#""\ud800""#),
            ("a whole surrogate pair", r#""\ud83e\udd80""#),
        ] {
            let members = route.fields.iter().map(|field| format!(r#""{field}":{text}"#));
            let body = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
            cases.push(Case::post_text(route, &format!("a field is {what}"), body));
        }
        cases.push(Case::post(route, "no field", &json!({})));
        cases.push(Case::post(route, "other fields", &json!({ "Username": "anna", "tok": 1 })));
    }
    for (what, body) in [
        ("no password", json!({ "username": "anna" })),
        ("no user name", json!({ "password": "x" })),
        ("one null, one blank", json!({ "username": null, "password": " " })),
        ("one list, one missing", json!({ "username": ["anna"] })),
        ("an e-mail address instead", json!({ "email": "anna@example.com", "password": "x" })),
    ] {
        cases.push(Case::post(OBTAIN, what, &body));
        cases.push(Case::post(SLIDING, what, &body));
    }
    cases
}

fn logins() -> Vec<Case> {
    let mut cases = Vec::new();
    for route in [OBTAIN, SLIDING] {
        let mut remembering = login();
        remembering["remember_me"] = json!({ "for": ["ever"] });
        for (what, body) in [
            ("a good login", login()),
            ("a field nobody knows", remembering),
            ("a wrong password", json!({ "username": "anna", "password": "wrong" })),
            ("an unknown user", json!({ "username": "nobody", "password": "wrong" })),
            ("an inactive user", but_name("ivan")),
            (
                "an inactive user, wrong password",
                json!({ "username": "ivan", "password": "wrong" }),
            ),
            ("another case of the name", but_name("Anna")),
            ("blanks around the name", but_name("  anna\n")),
            ("a separator after the name", but_name("anna\u{1f}")),
            ("the address as the name", but_name("anna@example.com")),
            ("an unusual name", but_name("Zoë")),
            ("an unusual name, decomposed", but_name("Zoe\u{308}")),
            ("digits as texts", json!({ "username": "42", "password": "1234567890" })),
            ("digits as numbers", json!({ "username": 42, "password": 1_234_567_890 })),
            (
                "blanks around the password",
                json!({ "username": "blank", "password": "  padded  " }),
            ),
            ("a password without its blanks", json!({ "username": "blank", "password": "padded" })),
        ] {
            cases.push(Case::post(route, what, &body));
        }
        let twice = r#"{"username":"nobody","password":"wrong","username":"anna","password":"correct horse battery staple"}"#;
        cases.push(Case::post_text(route, "each field twice, the good one last", twice));
        let spread = "\r\n\t { \"username\" : \"anna\" ,\n\"password\":\"correct\\u0020horse battery staple\"}\n\n ";
        cases.push(Case::post_text(route, "a good login, written unusually", spread));
    }
    cases
}

fn but_name(name: &str) -> Value {
    json!({ "username": name, "password": "correct horse battery staple" })
}

fn not_json() -> Vec<Case> {
    let mut cases = Vec::new();
    for route in ROUTES {
        for (what, body) in [
            ("nothing", ""),
            ("a blank", " "),
            ("half an object", "{"),
            ("a comma too many", r#"{"username":"anna",}"#),
            ("quotes of another kind", "{'token':'x'}"),
            ("a name without quotes", "{token:1}"),
            ("a word", "nonsense"),
            ("two values", "{} {}"),
            ("not a number", r#"{"token":NaN}"#),
            ("infinity", "Infinity"),
            ("a comment", "{} // no"),
            ("a line break within a text", "{\"token\":\"a\nb\"}"),
            ("an unknown escape", r#"{"token":"\x41"}"#),
            ("a form", "username=anna&password=x"),
            ("an empty list", "[]"),
            ("a list of objects", r#"[{"token":"x"}]"#),
            ("a text", r#""anna""#),
            ("a number", "42"),
            ("a fraction", "1.5"),
            ("true", "true"),
            ("null", "null"),
        ] {
            cases.push(Case::post_text(route, &format!("the body is {what}"), body));
        }
        let not_utf8 = b"{\"token\":\"\xff\xfe\"}".as_slice();
        cases.push(Case::post_text(route, "the body is not UTF-8", not_utf8));
        let marked = "\u{feff}{}";
        cases.push(Case::post_text(route, "the body has a byte order mark", marked));
    }
    let deep = format!(r#"{{"x":{}1{}}}"#, "[".repeat(100), "]".repeat(100));
    cases.push(Case::post_text(OBTAIN, "lists 100 deep", deep));
    let deeper = format!(r#"{{"x":{}1{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    cases.push(Case::post_text(OBTAIN, "lists 30,000 deep", deeper));
    let large = json!({ "username": "x".repeat(100_000), "password": "x" });
    cases.push(Case::post(OBTAIN, "100,000 letters", &large));
    let huge = json!({ "username": "x".repeat(4 << 20), "password": "x" });
    cases.push(Case::post(OBTAIN, "4 million letters", &huge));
    cases
}

fn content_types() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, content_type) in [
        ("with a charset", "application/json; charset=utf-8"),
        ("with a charset in capitals", "application/json;charset=UTF-8"),
        ("with a charset in quotes", r#"application/json; charset="utf-8""#),
        ("with an unknown charset", "application/json; charset=klingon"),
        ("with a parameter", "application/json; version=1"),
        ("with a semicolon", "application/json;"),
        ("in capitals", "APPLICATION/JSON"),
        ("between blanks", " application/json "),
        ("of ASCII", "application/json; charset=ascii"),
    ] {
        cases.push(Case::post_typed(
            OBTAIN,
            &format!("JSON {what}"),
            content_type,
            login().to_string(),
        ));
    }
    for (what, content_type) in [
        ("text", "text/plain"),
        ("text with a charset", "text/plain; charset=utf-8"),
        ("text/json", "text/json"),
        ("a kind of JSON", "application/vnd.api+json"),
        ("JSON, misspelt", "application/jsonp"),
        ("bytes", "application/octet-stream"),
        ("XML", "application/xml"),
        ("no type at all", "json"),
        ("an empty type", ""),
        ("a quotation mark", "text/\"x\""),
        ("any type", "*/*"),
        ("any type of an application", "application/*"),
    ] {
        for route in [OBTAIN, VERIFY] {
            let body = if route.name == OBTAIN.name { login() } else { json!({"token": "x"}) };
            let what = format!("JSON that says it is {what}");
            cases.push(Case::post_typed(route, &what, content_type, body.to_string()));
        }
    }
    for route in ROUTES {
        let what = "nothing that says it is text";
        cases.push(Case::post_typed(route, what, "text/plain", ""));
        cases.push(Case::new(route, "nothing of no type", Method::POST));
        let untyped = Case {
            body: Some(b"{}".to_vec()),
            ..Case::new(route, "JSON of no type", Method::POST)
        };
        cases.push(untyped);
    }
    let form = "username=anna&password=correct+horse+battery+staple";
    let url_encoded = "application/x-www-form-urlencoded";
    cases.push(Case::post_typed(OBTAIN, "a form", url_encoded, form));
    cases.push(Case::post_typed(REFRESH, "a form", url_encoded, "refresh={{refresh#form}}"));
    cases.push(Case::post_typed(VERIFY, "a form", url_encoded, "token={{access}}"));
    let parts =
        "--x\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n{{access}}\r\n--x--\r\n";
    cases.push(Case::post_typed(
        VERIFY,
        "a form in parts",
        "multipart/form-data; boundary=x",
        parts,
    ));
    let latin = b"{\"username\":\"Zo\xeb\",\"password\":\"x\"}".as_slice();
    let latin_type = "application/json; charset=latin-1";
    cases.push(Case::post_typed(OBTAIN, "JSON in Latin-1", latin_type, latin));
    let wide: Vec<u8> = login().to_string().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide_type = "application/json; charset=utf-16-le";
    cases.push(Case::post_typed(OBTAIN, "JSON in UTF-16", wide_type, wide));
    for (what, accept) in [
        ("JSON", "application/json"),
        ("JSON rather than HTML", "text/html;q=0.8, application/json"),
        ("HTML or anything", "text/html, */*;q=0.1"),
        ("HTML", "text/html"),
        ("nonsense", "nonsense"),
    ] {
        let case = Case::post(OBTAIN, &format!("the answer should be {what}"), &login());
        cases.push(case.header("Accept", accept));
        let case = Case::shown(&format!("the answer should be {what}"), "Bearer {{access}}");
        cases.push(case.header("Accept", accept));
    }
    cases
}

fn methods_and_paths() -> Vec<Case> {
    let mut cases = Vec::new();
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::TRACE,
        Method::OPTIONS,
        Method::from_bytes(b"BREW").expect("it could be one"),
    ];
    for route in ROUTES {
        for method in &methods {
            cases.push(Case::new(route, method.as_str(), method.clone()));
        }
        let without_slash = route.path.trim_end_matches('/');
        let case = Case::post(route, "the path without its slash", &json!({})).at(without_slash);
        cases.push(case);
        let query = format!("{}?username=anna&token=x&refresh=x", route.path);
        cases.push(Case::post(route, "fields in the query", &json!({})).at(&query));
    }
    for method in methods.iter().filter(|method| **method != Method::GET).chain([&Method::POST]) {
        let case = Case::new(ME, method.as_str(), method.clone());
        cases.push(case.header("Authorization", "Bearer {{access}}"));
        let what = format!("{method} by nobody");
        cases.push(Case::new(ME, &what, method.clone()));
    }
    let case = Case::shown("the path without its slash", "Bearer {{access}}");
    cases.push(case.at(ME.path.trim_end_matches('/')));
    for (what, path) in [
        ("an unknown path", "/api/token/nothing/"),
        ("a path in capitals", "/API/token/verify/"),
        ("a path with two slashes", "/api/token//verify/"),
        ("a path with an encoded letter", "/api/token/verif%79/"),
    ] {
        cases.push(Case::post(VERIFY, what, &json!({ "token": "x" })).at(path));
    }
    // What is spent is spent on both sides, whichever route it was.
    cases.push(Case::post(
        BLACKLIST,
        "a good token and more",
        &json!({ "refresh": "{{refresh#more}}", "all": true }),
    ));
    cases.push(Case::post(SLIDE, "another field", &json!({ "refresh": "{{sliding}}" })));
    cases
}
