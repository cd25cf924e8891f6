//! Tokens that nobody may accept.

use auth_core::{Algorithm, Authority};
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use serde_json::json;

use crate::keys::{Keys, sibling};
use crate::ours::{access_token, authority, authority_of, good_claims, kid, segment};
use crate::peer::Peer;

pub(crate) async fn tampered_tokens_are_refused_by_both(peer: Peer, alg: Algorithm) {
    let keys = Keys::of(alg);
    let authority = authority(alg).await;
    let ours = access_token(&authority).await;
    let theirs = peer.sign(alg, &keys.private, &json!({}), &good_claims());
    for token in [ours, theirs] {
        assert!(authority.authenticate(&token).is_ok());
        assert!(peer.verify(alg, &keys.public, &token).is_ok());
        for (what, forged) in forgeries(&token) {
            assert_refused(peer, alg, &authority, &forged, what);
        }
    }
}

fn forgeries(token: &str) -> Vec<(&'static str, String)> {
    let parts: Vec<_> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("not three: {token}") };
    let bytes = BASE64.decode_to_vec(signature).unwrap();
    let signed = |bytes: &[u8]| format!("{header}.{payload}.{}", BASE64.encode_to_string(bytes));
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        signed(&bytes)
    };
    let last = bytes.len() - 1;

    let mut other_user = segment(token, 1);
    other_user["user_id"] = json!("2");
    let other_user = BASE64.encode_to_string(other_user.to_string());
    let mut no_algorithm = segment(token, 0);
    no_algorithm["alg"] = json!("none");
    let no_algorithm = BASE64.encode_to_string(no_algorithm.to_string());
    let mut other_header = segment(token, 0);
    other_header["x"] = json!(1);
    let other_header = BASE64.encode_to_string(other_header.to_string());

    vec![
        ("another user", format!("{header}.{other_user}.{signature}")),
        ("another header", format!("{other_header}.{payload}.{signature}")),
        ("the first bit", flipped(0)),
        ("the last bit", flipped(last)),
        ("a byte less", signed(&bytes[..last])),
        ("a byte more", signed(&[&bytes[..], &[0]].concat())),
        ("a zero in front", signed(&[&[0], &bytes[..]].concat())),
        // CVE-2022-21449: r = s = 0 solves the equation of ECDSA.
        ("zeros", signed(&vec![0; bytes.len()])),
        // RFC 7518 §3.4 has the two numbers one after the other, X.509 has them in DER.
        ("in DER", signed(&der(&bytes))),
        ("no signature", format!("{header}.{payload}.")),
        ("alg none", format!("{no_algorithm}.{payload}.")),
        ("alg none, signed", format!("{no_algorithm}.{payload}.{signature}")),
        ("two segments", format!("{header}.{payload}")),
        ("four segments", format!("{token}.{signature}")),
    ]
}

/// The two halves of a signature as a SEQUENCE of two INTEGERs.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |half: &[u8]| {
        let mut bytes: Vec<u8> = half.iter().copied().skip_while(|byte| *byte == 0).collect();
        if bytes.first().is_none_or(|first| *first >= 0x80) {
            bytes.insert(0, 0);
        }
        [&[2], &length(bytes.len())[..], &bytes].concat()
    };
    let (r, s) = signature.split_at(signature.len() / 2);
    let content = [integer(r), integer(s)].concat();
    [&[0x30], &length(content.len())[..], &content].concat()
}

fn length(length: usize) -> Vec<u8> {
    let [high, low] = u16::try_from(length).expect("signatures are short").to_be_bytes();
    match (high, low) {
        (0, 0..0x80) => vec![low],
        (0, _) => vec![0x81, low],
        _ => vec![0x82, high, low],
    }
}

pub(crate) async fn tokens_of_another_key_are_refused_by_both(peer: Peer, alg: Algorithm) {
    let keys = Keys::of(alg);
    let authority = authority(alg).await;
    let stranger = authority_of(keys.stranger.ours(alg)).await;
    let token = access_token(&stranger).await;
    assert!(stranger.authenticate(&token).is_ok());
    assert_refused(peer, alg, &authority, &token, "of ours");

    let kid = kid(&authority);
    for header in [json!({}), json!({"kid": kid.as_deref().unwrap_or("2026")})] {
        let token = peer.sign(alg, &keys.stranger, &header, &good_claims());
        assert_refused(peer, alg, &authority, &token, "of theirs");
    }
    if kid.is_some() {
        let token = peer.sign(alg, &keys.private, &json!({"kid": "stranger"}), &good_claims());
        assert!(authority.authenticate(&token).is_err(), "the key by another name");
    }
}

/// The algorithm belongs to the key (RFC 8725 §3.1), not to what else the key could do.
pub(crate) async fn tokens_of_another_algorithm_are_refused_by_both(peer: Peer, alg: Algorithm) {
    let Some(other) = sibling(alg) else { return };
    let keys = Keys::of(alg);
    let here = authority(alg).await;
    let elsewhere = authority(other).await;
    let ours = access_token(&elsewhere).await;
    let theirs = peer.sign(other, &keys.private, &json!({}), &good_claims());
    for token in [ours, theirs] {
        assert!(elsewhere.authenticate(&token).is_ok());
        assert!(peer.verify(other, &keys.public, &token).is_ok());
        assert_refused(peer, alg, &here, &token, "another algorithm");
    }
}

#[track_caller]
fn assert_refused(peer: Peer, alg: Algorithm, authority: &Authority, token: &str, what: &str) {
    assert!(authority.authenticate(token).is_err(), "{alg:?}, {what}, accepted here: {token}");
    let there = peer.verify(alg, &Keys::of(alg).public, token);
    assert!(there.is_err(), "{alg:?}, {what}, accepted by {peer:?}: {token}");
}
