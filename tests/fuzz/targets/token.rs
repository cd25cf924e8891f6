//! A token: as text, and with any header and payload behind a good signature.
//!
//! The first byte says which (by its lowest bits, so that any byte says something): `t` a text with
//! placeholders for good tokens; `s`, `q` and `r` a header up to the first line feed and a payload
//! after it, signed for an authority with default settings, the same with its second key, and one
//! with an issuer, an audience and claims of other names.
#![no_main]

use std::sync::LazyLock;

use auth_core::session::{Method, RevocationReason};
use auth_core::store::Revoke;
use auth_core::{
    Algorithm, Authority, MemoryStore, SessionId, Settings, TokenKind, Verified, VerifyError,
};
use fuzz::json::Json;
use fuzz::world::{NOW, SECOND_SECRET, SECRET, authority, now, pair, signed, single};
use fuzz::{fill, from_base64url};
use jsonwebtoken::{DecodingKey, Validation};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

static PLAIN: LazyLock<World> = LazyLock::new(|| World::new(Settings::default()));

static STRICT: LazyLock<World> = LazyLock::new(|| {
    World::new(Settings {
        issuer: Some("https://issuer.example".into()),
        audience: vec!["shop".into(), "till".into()],
        leeway: std::time::Duration::from_secs(30),
        auth_token_classes: vec![TokenKind::Access, TokenKind::Sliding],
        foreign_token_lifetime: std::time::Duration::from_secs(3600),
        token_type_claim: "kind".into(),
        jti_claim: "tid".into(),
        user_id_claim: "sub".into(),
        user_type_claim: "who".into(),
        ..Settings::default()
    })
});

struct World {
    authority: Authority,
    access: String,
    refresh: String,
    single: String,
    /// Of a session that has ended.
    ended: String,
    session: String,
    ended_session: String,
}

impl World {
    fn new(settings: Settings) -> Self {
        let authority = authority(settings, MemoryStore::new());
        let (ended, _) = pair(&authority);
        let ended_session = authority.authenticate(&ended).unwrap().session();
        let revoked = authority.revoke(Revoke::Session(ended_session), RevocationReason::Logout);
        now(revoked).unwrap();
        let (access, refresh) = pair(&authority);
        let session = authority.authenticate(&access).unwrap().session().to_string();
        let single = single(&authority);
        let ended_session = ended_session.to_string();
        let world = Self { authority, access, refresh, single, ended, session, ended_session };
        world.check_itself();
        world
    }

    /// A good token is taken: otherwise nothing that follows would mean anything.
    fn check_itself(&self) {
        let Settings { token_type_claim, jti_claim, user_id_claim, .. } = self.authority.settings();
        let payload = format!(
            r#"{{"{token_type_claim}":"access","exp":{},"{jti_claim}":"a","{user_id_claim}":"1""#,
            NOW + 300
        );
        let ending = match self.authority.settings().issuer {
            Some(_) => r#","iss":"https://issuer.example","aud":"shop"}"#,
            None => "}",
        };
        let header = br#"{"alg":"HS256"}"#;
        let token = signed(Algorithm::HS256, SECRET, header, (payload + ending).as_bytes());
        assert_eq!(self.check(&token), [true, false, false]);
    }

    fn check_text(&self, input: &[u8]) {
        let filled = fill(
            input,
            &[
                (b'A', self.access.as_bytes()),
                (b'R', self.refresh.as_bytes()),
                (b'S', self.single.as_bytes()),
                (b'E', self.ended.as_bytes()),
            ],
        );
        let Ok(token) = std::str::from_utf8(&filled) else { return };
        // What the harness did not make, nobody could sign.
        let is_accepted = self.check(token);
        let expected = [token == self.access, token == self.single, token == self.refresh];
        assert_eq!(is_accepted, expected, "authenticate, authenticate_single, verify");
    }

    fn check_signed(&self, algorithm: Algorithm, secret: &[u8], input: &[u8]) {
        let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
        let (header, payload) = (&input[..end], input.get(end + 1..).unwrap_or_default());
        let sessions = [(b'I', self.session.as_bytes()), (b'J', self.ended_session.as_bytes())];
        let token = signed(algorithm, secret, header, &fill(payload, &sessions));
        self.check(&token);
    }

    /// Whether the token opens routes, alone, and is a refresh token that would be taken. Whatever is
    /// accepted is looked at again.
    fn check(&self, token: &str) -> [bool; 3] {
        let access = self.authority.authenticate(token);
        let single = self.authority.authenticate_single(token);
        let any = now(self.authority.verify(token));
        for (answer, asked) in [(&access, "access"), (&single, "single"), (&any, "any")] {
            match answer {
                Ok(verified) => self.check_accepted(token, verified),
                Err(VerifyError::Outage(_) | VerifyError::Stale) => panic!("{asked}: an outage"),
                Err(_) => {}
            }
        }
        let kinds = &self.authority.settings().auth_token_classes;
        assert!(access.as_ref().is_ok_and(|v| kinds.contains(&v.kind())) || access.is_err());
        assert!(single.as_ref().is_ok_and(|v| v.kind() == TokenKind::Single) || single.is_err());
        assert!(any.as_ref().is_ok_and(|v| v.kind() != TokenKind::Single) || any.is_err());
        assert!(access.is_err() || any.is_ok(), "what opens a route is a good token");
        assert!(single.is_err() || any.is_err(), "a token has one kind");
        if let Ok(any) = &any {
            assert_eq!(access.is_ok(), kinds.contains(&any.kind()));
        }
        let is_refresh = any.is_ok_and(|verified| verified.kind() == TokenKind::Refresh);
        [access.is_ok(), single.is_ok(), is_refresh]
    }

    fn check_accepted(&self, token: &str, verified: &Verified) {
        let segments: Vec<&str> = token.split('.').collect();
        assert_eq!(segments.len(), 3);
        let bytes: Vec<_> = segments
            .iter()
            .map(|segment| from_base64url(segment).expect("accepted, and not canonical base64url"))
            .collect();

        let header = Json::parse(&bytes[0]).expect("accepted, and the header is not JSON");
        assert!(header.members().is_some(), "accepted, and the header is not an object");
        assert_eq!(header.duplicates(), [""; 0], "accepted, with members twice in the header");
        assert!(std::str::from_utf8(&bytes[0]).is_ok(), "accepted, and the header is not UTF-8");
        for extension in ["crit", "b64", "zip", "enc"] {
            assert!(header.get(extension).is_none(), "accepted, with {extension}");
        }
        let (algorithm, secret) = match header.get("alg").and_then(Json::text) {
            Some("HS256") => (Algorithm::HS256, SECRET),
            Some("HS512") => (Algorithm::HS512, SECOND_SECRET),
            other => panic!("accepted, with the algorithm {other:?}"),
        };
        if let Some(typ) = header.get("typ") {
            assert!(typ.text().is_some_and(|typ| typ.eq_ignore_ascii_case("jwt")), "{typ:?}");
        }
        self.check_with_jsonwebtoken(token, algorithm, secret, &header, &bytes[1]);
        let payload = Json::parse(&bytes[1]).expect("accepted, and the payload is not JSON");
        self.check_claims(&payload, verified);
    }

    fn check_with_jsonwebtoken(
        &self,
        token: &str,
        algorithm: Algorithm,
        secret: &[u8],
        header: &Json,
        payload: &[u8],
    ) {
        let key = DecodingKey::from_secret(secret);
        let (message, signature) = token.rsplit_once('.').unwrap();
        let verified = jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm);
        assert!(verified.unwrap_or(false), "jsonwebtoken refuses the signature");

        // It wants types of members that mean nothing to us.
        let is_plain = |(name, value): &(String, Json)| {
            matches!(&**name, "alg" | "typ" | "kid") && value.text().is_some()
        };
        let claims = Json::parse(payload);
        let sub = claims.as_ref().and_then(|claims| claims.get("sub"));
        if !header.members().unwrap_or_default().iter().all(is_plain)
            || sub.is_some_and(|sub| sub.text().is_none())
        {
            return;
        }
        let mut validation = Validation::new(algorithm);
        // Its clock does not stand still.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        let settings = self.authority.settings();
        if let Some(issuer) = &settings.issuer {
            validation.set_issuer(&[issuer]);
        }
        if !settings.audience.is_empty() {
            validation.set_audience(&settings.audience);
        }
        if let Err(error) = jsonwebtoken::decode::<IgnoredAny>(token, &key, &validation) {
            panic!("jsonwebtoken refuses the token: {error}");
        }
    }

    fn check_claims(&self, payload: &Json, verified: &Verified) {
        let settings = self.authority.settings();
        assert!(payload.members().is_some(), "accepted, and the payload is not an object");
        assert_eq!(payload.duplicates(), [""; 0], "accepted, with claims twice");
        let text = |name: &str| payload.get(name).and_then(Json::text);

        let leeway = settings.leeway.as_secs();
        let exp = payload.get("exp").and_then(Json::whole).expect("accepted, without `exp`");
        assert!(exp + leeway > NOW, "accepted, and expired");
        assert_eq!(verified.expires_at().timestamp(), exp as i64);
        for name in ["iat", "nbf", "auth_time"] {
            let time = payload.members().unwrap().iter().find(|(known, _)| known == name);
            assert!(time.is_none_or(|(_, time)| time.whole().is_some()), "accepted, with {name}");
        }
        if let Some(nbf) = payload.get("nbf").and_then(Json::whole) {
            assert!(nbf <= NOW + leeway, "accepted, and not valid yet");
        }
        let seconds = |name| payload.get(name).and_then(Json::whole).map(|time| time as i64);
        assert_eq!(verified.issued_at().map(|at| at.timestamp()), seconds("iat"));
        assert_eq!(verified.authenticated_at().map(|at| at.timestamp()), seconds("auth_time"));

        if let Some(issuer) = &settings.issuer {
            assert_eq!(text("iss"), Some(&**issuer), "accepted, of another issuer");
        }
        let audience: Vec<&str> = match payload.get("aud") {
            None => Vec::new(),
            Some(Json::Text(one)) => vec![one],
            Some(Json::List(several)) => several.iter().filter_map(Json::text).collect(),
            Some(other) => panic!("accepted, for {other:?}"),
        };
        match settings.audience.as_slice() {
            [] => assert!(audience.is_empty(), "accepted, for somebody else"),
            ours => assert!(
                audience.iter().any(|name| ours.iter().any(|our| our == name)),
                "accepted, and not for us"
            ),
        }

        let kind = text(&settings.token_type_claim);
        let expected = (verified.kind() != TokenKind::Single).then(|| verified.kind().as_str());
        assert_eq!(kind, expected, "accepted as another kind");
        assert_eq!(verified.token_id(), text(&settings.jti_claim));
        assert!(verified.token_id().is_some() || verified.kind() == TokenKind::Single);
        let user = match verified.kind() {
            TokenKind::Single => payload.get("id"),
            _ => payload.get(&settings.user_id_claim),
        };
        match user.expect("accepted, without a user") {
            Json::Text(id) => assert_eq!(verified.user_id(), id),
            Json::Number(digits) => {
                // `-0` is a whole number too.
                let number: i128 = digits.parse().expect("accepted, with half a user");
                assert_eq!(verified.user_id(), number.to_string());
            }
            other => panic!("accepted, of the user {other:?}"),
        }
        assert!(!verified.user_id().is_empty() && verified.user_id().len() <= 255);
        let user_type = text(&settings.user_type_claim).unwrap_or("user");
        assert_eq!((verified.principal().user_type(), user_type), ("user", "user"));

        assert_eq!(verified.is_staff(), payload.get("is_staff") == Some(&Json::Bool(true)));
        assert_eq!(verified.role(), text("role"));
        let scopes: Vec<&str> =
            text("scope").unwrap_or_default().split_ascii_whitespace().collect();
        assert_eq!(verified.scopes().collect::<Vec<_>>(), scopes);
        let methods: Vec<&str> = match payload.get("amr") {
            Some(Json::List(words)) => words.iter().filter_map(Json::text).collect(),
            _ => Vec::new(),
        };
        for method in
            [Method::Password, Method::OneTimeCode, Method::MultiFactor, Method::Federated]
        {
            assert_eq!(verified.has_method(method), methods.contains(&method.as_str()));
        }
        let session: Option<SessionId> = text("sid").and_then(|sid| sid.parse().ok());
        assert_eq!(verified.is_foreign(), session.is_none());
        assert!(session.is_none_or(|session| session == verified.session()));
        assert_ne!(verified.session().to_string(), self.ended_session, "accepted, and revoked");
        if let (true, Some(_)) = (verified.is_foreign(), settings.issuer.as_ref()) {
            let begin = payload.get("iat").and_then(Json::whole).unwrap_or(NOW);
            assert!(exp <= begin + settings.foreign_token_lifetime.as_secs(), "lives too long");
            assert!(begin <= NOW + leeway + 60, "issued in the future");
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((mode, input)) = input.split_first() else { return };
    match mode % 4 {
        0 => {
            PLAIN.check_text(input);
            STRICT.check_text(input);
        }
        3 => PLAIN.check_signed(Algorithm::HS256, SECRET, input),
        1 => PLAIN.check_signed(Algorithm::HS512, SECOND_SECRET, input),
        _ => STRICT.check_signed(Algorithm::HS256, SECRET, input),
    }
});
