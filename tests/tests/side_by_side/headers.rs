//! Cases of how a credential is shown.

use reqwest::Method;

use crate::cases::{Case, ME};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, value) in [
        ("a good access token", "Bearer {{access}}"),
        ("two blanks before the token", "Bearer  {{access}}"),
        ("a tab before the token", "Bearer\t{{access}}"),
        ("a blank after the token", "Bearer {{access}} "),
        ("an empty header", ""),
        ("the word alone", "Bearer"),
        ("the word and a blank", "Bearer "),
        ("the word twice", "Bearer Bearer"),
        ("the word twice, and a token", "Bearer Bearer {{access}}"),
        ("three parts", "Bearer {{access}} x"),
        ("four parts", "Bearer a b c"),
        ("a comma after the token", "Bearer {{access}},"),
        ("the token alone", "{{access}}"),
        ("another word", "Digest {{access}}"),
        ("another word alone", "Digest"),
        ("the word JWT", "JWT {{access}}"),
        ("a longer word", "BearerX {{access}}"),
        ("a shorter word", "Bear {{access}}"),
        ("a colon after the word", "Bearer: {{access}}"),
        ("no blank after the word", "Bearer{{access}}"),
        ("a comma after the word", "Bearer, {{access}}"),
        ("an equals sign after the word", "Bearer={{access}}"),
        ("the token in quotes", "Bearer \"{{access}}\""),
        ("the word in small letters", "bearer {{access}}"),
        ("the word in capitals", "BEARER {{access}}"),
        ("the word in small letters alone", "bearer"),
        ("a word in capitals, three parts", "BEARER a b"),
        ("two letters and a dot", "Bearer a.b"),
        ("null", "Bearer null"),
        ("undefined", "Bearer undefined"),
        ("a refresh token", "Bearer {{refresh}}"),
        ("a sliding token", "Bearer {{sliding}}"),
    ] {
        cases.push(Case::shown(what, value));
    }
    cases.push(Case::new(ME, "no credential", Method::GET));
    cases.push(Case::shown("bytes that are no text", b"Bearer \xff\xfe\x80".as_slice()));
    cases.push(Case::shown("a word that is no text", b"\xff \xfe".as_slice()));
    let twice = Case::shown("two headers", "Bearer {{access}}");
    cases.push(twice.header("Authorization", "Bearer {{access}}"));
    let twice = Case::shown("two headers, the first of another word", "Digest x");
    cases.push(twice.header("Authorization", "Bearer {{access}}"));
    let other = Case::new(ME, "another header", Method::GET);
    cases.push(other.header("X-Authorization", "Bearer {{access}}"));
    cases.push(
        Case::new(ME, "a token in the query", Method::GET).at("/api/v1/users/me/?token={{access}}"),
    );
    cases
}
