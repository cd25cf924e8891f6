//! The published advisories of JWT libraries: each attack again, on this one.
//!
//! A test's documentation names the advisory, the library and what it did. Before the attack, the
//! same token without it is accepted: what is refused is the attack, and nothing else.

mod advisories {
    mod claims;
    mod confusion;
    mod encryption;
    mod header;
    mod secrets;
    mod server;
    mod shape;
    mod unsigned;
}
