//! Bodies of the contract that many tests expect, byte by byte.

/// Obtain: wrong password, unknown user, inactive user.
pub const NO_ACCOUNT: &str = r#"{"detail":"No active account found with the given credentials"}"#;
/// Refresh: the user is gone or inactive.
pub const NO_ACCOUNT_FOR_TOKEN: &str =
    r#"{"detail":"No active account found for the given token."}"#;
/// A protected route without a credential.
pub const NOT_PROVIDED: &str = r#"{"detail":"Authentication credentials were not provided."}"#;
/// A protected route, `Bearer` without exactly one token.
pub const BAD_HEADER: &str = r#"{"detail":"Authorization header must contain two space-delimited values","code":"bad_authorization_header"}"#;
/// A good token that does not say whose it is.
pub const NO_USER: &str =
    r#"{"detail":"Token contained no recognizable user identification","code":"token_not_valid"}"#;
/// The user of a good token is gone.
pub const USER_NOT_FOUND: &str = r#"{"detail":"User not found","code":"user_not_found"}"#;
/// The user of a good token is inactive.
pub const USER_INACTIVE: &str = r#"{"detail":"User is inactive","code":"user_inactive"}"#;
/// The password was changed since the token was issued.
pub const PASSWORD_CHANGED: &str =
    r#"{"detail":"The user's password has been changed.","code":"password_changed"}"#;
/// C2: a session login without both fields.
pub const MALFORMED: &str = r#"{"detail":"Malformed request."}"#;
/// C2: an unsafe request without the token.
pub const CSRF_MISSING: &str = r#"{"detail":"CSRF Failed: CSRF token missing."}"#;
/// C2: an unsafe request with another token.
pub const CSRF_INCORRECT: &str =
    r#"{"detail":"CSRF Failed: CSRF token from the 'X-Csrftoken' HTTP header incorrect."}"#;

/// What can be wrong with a token.
pub const INVALID: &str = "Token is invalid";
/// Its time is over.
pub const EXPIRED: &str = "Token is expired";
/// It is of another kind than the route takes.
pub const WRONG_TYPE: &str = "Token has wrong type";
/// It does not say what kind it is.
pub const NO_TYPE: &str = "Token has no type";
/// It was revoked.
pub const BLACKLISTED: &str = "Token is blacklisted";

/// A token route was handed a bad token.
pub fn token_not_valid(message: &str) -> String {
    format!(r#"{{"detail":"{message}","code":"token_not_valid"}}"#)
}

/// A protected route was shown a bad token.
pub fn given_token_not_valid(message: &str) -> String {
    format!(
        r#"{{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{{"token_class":"AccessToken","token_type":"access","message":"{message}"}}]}}"#
    )
}

/// `{"detail": …}`.
pub fn detail(text: &str) -> String {
    serde_json::json!({ "detail": text }).to_string()
}
