//! Writing: the payloads that we sign.

use serde::ser::{SerializeMap, Serializer as _};
use serde_json::{Map, Value};

use super::{DEFAULT_USER_TYPE, FIXED_NAMES, SINGLE_USER_CLAIM, TokenKind};
use crate::directory::Account;
use crate::session::{Session, hex};
use crate::settings::Settings;

/// What goes into a token that we issue.
pub(crate) struct NewClaims<'a> {
    pub(crate) kind: TokenKind,
    pub(crate) token_id: [u8; 16],
    pub(crate) issued_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) refresh_expires_at: Option<i64>,
    pub(crate) generation: Option<u64>,
    pub(crate) session: &'a Session,
    /// Whether the kind of user is told although it is the usual one.
    pub(crate) names_user_type: bool,
    /// Rights and custom claims: in tokens that open routes, not in refresh tokens, which are
    /// a function of the session alone.
    pub(crate) profile: Option<(&'a Account, &'a Map<String, Value>)>,
}

impl NewClaims<'_> {
    /// The payload, in the order of SimpleJWT's.
    pub(crate) fn to_json(&self, settings: &Settings) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = Vec::with_capacity(512);
        let mut serializer = serde_json::Serializer::new(&mut json);
        let mut map = serializer.serialize_map(None)?;
        let principal = &self.session.principal;

        if self.kind == TokenKind::Single {
            // Its readers expect a number where the id is one.
            match principal.user_id().parse::<i64>() {
                Ok(id) if id.to_string() == principal.user_id() => {
                    map.serialize_entry(SINGLE_USER_CLAIM, &id)?;
                }
                _ => map.serialize_entry(SINGLE_USER_CLAIM, principal.user_id())?,
            }
        } else {
            map.serialize_entry(&settings.token_type_claim, self.kind.as_str())?;
        }
        map.serialize_entry("exp", &self.expires_at)?;
        if let Some(refresh_exp) = self.refresh_expires_at {
            map.serialize_entry(&settings.sliding_token_refresh_exp_claim, &refresh_exp)?;
        }
        map.serialize_entry("iat", &self.issued_at)?;
        map.serialize_entry(&settings.jti_claim, hex(&self.token_id).as_str())?;
        if self.kind != TokenKind::Single {
            map.serialize_entry(&settings.user_id_claim, principal.user_id())?;
        }
        match settings.audience.as_slice() {
            [] => {}
            [one] => map.serialize_entry("aud", one)?,
            several => map.serialize_entry("aud", several)?,
        }
        if let Some(issuer) = &settings.issuer {
            map.serialize_entry("iss", issuer)?;
        }
        if self.names_user_type || principal.user_type() != DEFAULT_USER_TYPE {
            map.serialize_entry(&settings.user_type_claim, principal.user_type())?;
        }
        map.serialize_entry("sid", hex(self.session.id.as_bytes()).as_str())?;
        if let Some(generation) = self.generation {
            map.serialize_entry("gen", &generation)?;
        }
        if let Some((account, custom)) = self.profile {
            profile(&mut map, self.kind, settings, self.session, account, custom)?;
        }
        map.end()?;
        Ok(json)
    }
}

/// The claims of a credential that is no signed token: what an access token of the same session
/// would say.
pub(crate) fn unsigned_payload(
    settings: &Settings,
    kind: TokenKind,
    session: &Session,
    account: &Account,
    custom: &Map<String, Value>,
    names_user_type: bool,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::new(&mut json);
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry(&settings.user_id_claim, session.principal.user_id())?;
    if names_user_type || session.principal.user_type() != DEFAULT_USER_TYPE {
        map.serialize_entry(&settings.user_type_claim, session.principal.user_type())?;
    }
    // A password that comes with the request has a session for that long, which nobody can end.
    if kind != TokenKind::Password {
        map.serialize_entry("sid", &session.id.to_string())?;
    }
    profile(&mut map, kind, settings, session, account, custom)?;
    map.end()?;
    Ok(json)
}

fn profile<M: SerializeMap>(
    map: &mut M,
    kind: TokenKind,
    settings: &Settings,
    session: &Session,
    account: &Account,
    custom: &Map<String, Value>,
) -> Result<(), M::Error> {
    if session.rights_version > 0 {
        map.serialize_entry("rights_version", &session.rights_version)?;
    }
    if let Some(authenticated_at) = session.authenticated_at {
        map.serialize_entry("auth_time", &authenticated_at.timestamp())?;
    }
    if !session.methods.is_empty() {
        let methods: Vec<_> = session.methods.iter().map(|method| method.as_str()).collect();
        map.serialize_entry("amr", &methods)?;
    }
    if account.is_staff {
        map.serialize_entry("is_staff", &true)?;
    }
    if let Some(role) = &account.role {
        map.serialize_entry("role", role)?;
    }
    if !account.scopes.is_empty() {
        map.serialize_entry("scope", &account.scopes.join(" "))?;
    }
    for (name, value) in custom {
        if is_reserved(name, kind, settings) {
            tracing::error!(
                claim = name,
                "a custom claim has the name of a standard one: left out"
            );
        } else {
            map.serialize_entry(name, value)?;
        }
    }
    Ok(())
}

fn is_reserved(name: &str, kind: TokenKind, settings: &Settings) -> bool {
    let configured = [
        &settings.token_type_claim,
        &settings.jti_claim,
        &settings.user_id_claim,
        &settings.user_type_claim,
        &settings.sliding_token_refresh_exp_claim,
    ];
    FIXED_NAMES.contains(&name)
        || configured.into_iter().any(|claim| claim == name)
        || (kind == TokenKind::Single && name == SINGLE_USER_CLAIM)
}
