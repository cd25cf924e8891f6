//! Our demo beside the servers that it promises to answer like: Django with SimpleJWT, and Flask with PyJWT
//! and Flask-JWT-Extended. They are started with the same key and the same users.
//!
//! * [`cases`]: the same requests to Django and to us. What differs has to be in [`listed`], under its row of
//!   `docs/deviations.md`; what is there and differs no longer fails too.
//! * [`exchange`]: tokens of a running Django are used here, and ours there.
//! * [`hand_made`], [`flask`]: the same with a hand-made JWT (PyJWT) and with Flask-JWT-Extended.
//!
//! `TEST_PYTHON` names a Python that has them: `eval "$(.ci/peers)"` installs the versions in `peers/` and
//! sets it. Without it the tests are skipped aloud; with `REQUIRE_PEERS=1` they fail instead.

mod bodies;
mod cases;
mod compare;
mod exchange;
mod flask;
mod hand_made;
mod headers;
mod listed;
mod pair;
mod peer;
mod seen;
mod with_settings;
mod with_tokens;
