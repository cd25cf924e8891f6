//! Where the two differ on purpose. Each difference belongs to a row of `docs/deviations.md`, which is quoted
//! by its first column.

mod requests;
mod tokens;

/// A row, and how it shows.
pub(crate) struct Row {
    /// Its first column.
    pub(crate) text: &'static str,
    pub(crate) differences: &'static [Difference],
}

/// Names of cases (`*` in front stands for anything), what they answer to them, and what we answer.
pub(crate) type Difference = (&'static [&'static str], Answer, Answer);

/// The status, and something that the body says.
pub(crate) type Answer = (u16, &'static str);

/// Whether a pattern stands for the name of a case.
pub(crate) fn stands_for(pattern: &str, name: &str) -> bool {
    pattern.strip_prefix('*').map_or(pattern == name, |end| name.ends_with(end))
}

const TOKENS: Answer = (200, "header");
const DONE: Answer = (200, "{}");
const ANNA: Answer = (200, "anna@example.com");
const INVALID: Answer = (401, "Token is invalid");
const EXPIRED: Answer = (401, "Token is expired");
const WRONG_TYPE: Answer = (401, "Token has wrong type");
const NO_TYPE: Answer = (401, "Token has no type");
const BLACKLISTED: Answer = (401, "Token is blacklisted");
const NO_LOGIN: Answer = (401, "No active account found with the given credentials");
const NO_ACCOUNT: Answer = (401, "No active account found for the given token.");
const NOT_FOUND: Answer = (401, "user_not_found");
const NO_CREDENTIALS: Answer = (401, "Authentication credentials were not provided.");
const BAD_HEADER: Answer = (401, "bad_authorization_header");
const UNSUPPORTED: Answer = (415, "Unsupported media type");
const PARSE_ERROR: Answer = (400, "JSON parse error");
const BROKEN: Answer = (500, "Server Error");

/// All rows that a case is about.
pub(crate) fn rows() -> impl Iterator<Item = &'static Row> + Clone {
    requests::ROWS.iter().chain(tokens::ROWS)
}
