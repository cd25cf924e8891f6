//! What holds of every token, every key and every input, whatever it is.

mod common;
mod properties {
    pub(crate) mod inputs;
    pub(crate) mod issuers;
    mod keys;
    mod tokens;
}
