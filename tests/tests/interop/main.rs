//! Tokens of other libraries are accepted here and ours are accepted there, for every algorithm: with
//! PyJWT (Python), jose (JavaScript) and jsonwebtoken (Rust) as the other side.
//!
//! Each test is a function of the peer and the algorithm; `with_each_peer!` makes a test of each pair.
//! jsonwebtoken is always at hand. The two others are separate processes ([`peer`]):
//!
//! * `TEST_PYTHON`: a Python that has PyJWT with its `crypto` extra
//! * `TEST_NODE_MODULES`: a folder whose `node_modules` has jose; `node` must be in `PATH`
//!
//! `eval "$(.ci/peers)"` installs both at the versions in `peers/` and sets the two. A peer that is not
//! there is skipped aloud; with `REQUIRE_PEERS=1` its tests fail instead.

mod exchange;
mod forgeries;
mod jsonwebtoken_peer;
mod key_forms;
mod keys;
mod lenience;
mod ours;
mod peer;

use exchange::{
    issuer_and_audience_mean_the_same, our_tokens_are_accepted_there,
    signatures_that_begin_with_zero_are_accepted_by_both, their_tokens_are_accepted_here,
    when_a_token_ends_is_the_same,
};
use forgeries::{
    tampered_tokens_are_refused_by_both, tokens_of_another_algorithm_are_refused_by_both,
    tokens_of_another_key_are_refused_by_both,
};
use key_forms::{
    a_key_has_the_name_that_they_compute, keys_made_here_are_keys_there,
    keys_made_there_are_keys_here, our_key_set_has_the_key_of_each_token, their_jwks_are_keys_here,
    their_key_set_is_a_ring_here,
};
use lenience::what_they_accept_of_odd_tokens_is_as_noted;
use peer::run;

/// Makes a test of each function, each peer and each of the algorithms: `name::peer::algorithm`.
macro_rules! with_each_peer {
    ($algorithms:ident: $($test:ident),+ $(,)?) => { $(
        mod $test {
            mod pyjwt { $algorithms!(PyJwt, $test); }
            mod jose { $algorithms!(Jose, $test); }
            mod jsonwebtoken { $algorithms!(JsonWebToken, $test); }
        }
    )+ };
}

macro_rules! tests {
    ($peer:ident, $test:ident: $($name:ident = $algorithm:ident),+ $(,)?) => { $(
        #[test]
        fn $name() {
            let algorithm = auth_core::Algorithm::$algorithm;
            crate::run(crate::peer::Peer::$peer, algorithm, crate::$test);
        }
    )+ };
}

macro_rules! secrets {
    ($peer:ident, $test:ident) => {
        tests! { $peer, $test: hs256 = HS256, hs384 = HS384, hs512 = HS512 }
    };
}

macro_rules! key_pairs {
    ($peer:ident, $test:ident) => {
        tests! { $peer, $test:
            rs256 = RS256, rs384 = RS384, rs512 = RS512,
            ps256 = PS256, ps384 = PS384, ps512 = PS512,
            es256 = ES256, es384 = ES384, eddsa = EdDSA,
        }
    };
}

macro_rules! one_of_each_shape {
    ($peer:ident, $test:ident) => {
        tests! { $peer, $test: rs256 = RS256, ps256 = PS256, es256 = ES256, es384 = ES384 }
    };
}

macro_rules! one_of_each_pair {
    ($peer:ident, $test:ident) => {
        tests! { $peer, $test: rs256 = RS256, es256 = ES256, es384 = ES384, eddsa = EdDSA }
    };
}

macro_rules! one_of_each_key {
    ($peer:ident, $test:ident) => {
        tests! { $peer, $test: hs256 = HS256 }
        one_of_each_pair!($peer, $test);
    };
}

macro_rules! one_algorithm {
    ($peer:ident, $test:ident) => {
        tests! { $peer, $test: hs256 = HS256 }
    };
}

macro_rules! all_algorithms {
    ($peer:ident, $test:ident) => {
        secrets!($peer, $test);
        key_pairs!($peer, $test);
    };
}

with_each_peer! { all_algorithms:
    their_tokens_are_accepted_here,
    our_tokens_are_accepted_there,
    issuer_and_audience_mean_the_same,
    when_a_token_ends_is_the_same,
    tampered_tokens_are_refused_by_both,
    tokens_of_another_key_are_refused_by_both,
    tokens_of_another_algorithm_are_refused_by_both,
    their_jwks_are_keys_here,
}

with_each_peer! { key_pairs:
    a_key_has_the_name_that_they_compute,
    our_key_set_has_the_key_of_each_token,
    their_key_set_is_a_ring_here,
}

with_each_peer! { one_of_each_shape:
    signatures_that_begin_with_zero_are_accepted_by_both,
}

with_each_peer! { one_of_each_key:
    keys_made_here_are_keys_there,
}

with_each_peer! { one_of_each_pair:
    keys_made_there_are_keys_here,
}

with_each_peer! { one_algorithm:
    what_they_accept_of_odd_tokens_is_as_noted,
}
