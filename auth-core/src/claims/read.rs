//! Reading: from a payload with a good signature to checked facts.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::de::{self, DeserializeSeed, MapAccess, Visitor};
use smallvec::{SmallVec, smallvec};

use super::facts::{Facts, Methods, Part, Payload};
use super::{SINGLE_USER_CLAIM, TokenKind};
use crate::clock::seconds;
use crate::error::VerifyError;
use crate::json::{Loose, Names, Skipped, Text};
use crate::jws::Signed;
use crate::session::Method;
use crate::settings::Settings;

/// Longer ids are nobody's.
const MAX_ID_BYTES: usize = 255;

/// Later times are not times: the end of the year 9999.
const MAX_TIME: u64 = 253_402_300_799;

/// The claims of a payload whose signature is good, as they stand there.
#[derive(Default)]
pub(crate) struct RawClaims<'a> {
    /// Whether the header says that it is an access token.
    is_typed_access: bool,
    /// As the settings say.
    needs_kind: bool,
    needs_token_id: bool,
    kind: Option<Cow<'a, str>>,
    token_id: Option<Cow<'a, str>>,
    user_id: Option<Cow<'a, str>>,
    user_type: Option<Cow<'a, str>>,
    refresh_exp: Option<u64>,
    exp: Option<u64>,
    iat: Option<u64>,
    nbf: Option<u64>,
    iss: Option<Cow<'a, str>>,
    aud: Option<SmallVec<[Cow<'a, str>; 1]>>,
    sid: Option<Cow<'a, str>>,
    generation: Option<u64>,
    rights_version: u64,
    single_user: Option<Cow<'a, str>>,
    auth_time: Option<u64>,
    methods: Methods,
    is_staff: bool,
    role: Option<Cow<'a, str>>,
    scope: Option<Cow<'a, str>>,
}

impl<'a> RawClaims<'a> {
    /// Parses a payload: an object without duplicate members, each claim of its own type.
    ///
    /// Into claims that are there: they are too large to be handed around.
    pub(crate) fn parse(
        &mut self,
        signed: &Signed<'a>,
        settings: &Settings,
    ) -> Result<(), VerifyError> {
        let mut deserializer = serde_json::Deserializer::from_str(signed.payload);
        let parsed = ClaimsSeed(self, settings).deserialize(&mut deserializer);
        parsed.and_then(|()| deserializer.end()).map_err(|_| VerifyError::Invalid("claims"))?;
        self.is_typed_access = signed.is_typed_access;
        self.needs_kind = !settings.token_type_claim.is_empty();
        self.needs_token_id = !settings.jti_claim.is_empty();
        Ok(())
    }

    /// Checks times, issuer and audience, in SimpleJWT's order.
    pub(crate) fn check_validity(&self, settings: &Settings, now: i64) -> Result<(), VerifyError> {
        let leeway = seconds(settings.leeway);
        if self.nbf.is_some_and(|nbf| signed(nbf) > now + leeway) {
            return Err(VerifyError::Invalid("nbf"));
        }
        // RFC 7519 §4.1.4: "on or after which".
        if self.exp.is_some_and(|exp| signed(exp) <= now - leeway) {
            return Err(VerifyError::Expired);
        }
        if settings.issuer.is_some() && self.iss.as_deref() != settings.issuer.as_deref() {
            return Err(VerifyError::Invalid("iss"));
        }
        // RFC 7519 §4.1.3 and RFC 8725 §3.9: a token for somebody else is not for us, and where
        // an audience is configured, a token for nobody in particular is not either.
        let for_us = match &self.aud {
            None => settings.audience.is_empty(),
            Some(aud) => aud.iter().any(|aud| settings.audience.iter().any(|ours| ours == aud)),
        };
        if !for_us {
            return Err(VerifyError::Invalid("aud"));
        }
        Ok(())
    }

    /// The kind, from the kind claim or, of an access token of other issuers, from the header (RFC 9068
    /// §2.1). Where both tell, they must tell the same.
    pub(crate) fn kind(&self) -> Result<TokenKind, VerifyError> {
        match self.kind.as_deref() {
            Some("access") => Ok(TokenKind::Access),
            None if self.is_typed_access => Ok(TokenKind::Access),
            Some(_) if self.is_typed_access => Err(VerifyError::WrongType),
            Some("refresh") => Ok(TokenKind::Refresh),
            Some("sliding") => Ok(TokenKind::Sliding),
            Some(_) => Err(VerifyError::WrongType),
            None if !self.needs_kind => Ok(TokenKind::Access),
            None => Err(VerifyError::NoType),
        }
    }

    /// Whether this can be a [`TokenKind::Single`]: it has no kind claim.
    pub(crate) fn is_single(&self) -> bool {
        self.kind.is_none() && !self.is_typed_access
    }

    /// Takes the facts out of checked claims. Every token must have `exp`, `jti` and a user; a
    /// [`TokenKind::Single`] of another issuer may lack `jti`.
    pub(crate) fn into_facts(
        self,
        kind: TokenKind,
        payload: &str,
    ) -> Result<Arc<Facts>, VerifyError> {
        let single = kind == TokenKind::Single;
        let user_id = if single { self.single_user } else { self.user_id };
        let user_id = user_id.filter(|id| !id.is_empty()).ok_or(VerifyError::NoUser);
        // Of a single token that lacks more than its user, its clients expect to hear of the
        // user; of the others, that they are no tokens at all.
        if single && user_id.is_err() {
            return Err(VerifyError::NoUser);
        }
        let exp = self.exp.ok_or(VerifyError::Invalid("exp"))?;
        if self.token_id.is_none() && self.needs_token_id && !single {
            return Err(VerifyError::Invalid("jti"));
        }
        let user_id = user_id?;
        // A column takes neither.
        if user_id.contains('\0') || user_id.len() > MAX_ID_BYTES {
            return Err(VerifyError::Invalid("user id"));
        }
        let part = |text: Cow<'_, str>| Part::of(text, payload);
        // What is not one of ours may be another issuer's word for something else.
        let own_session = self.sid.and_then(|sid| sid.parse().ok());
        let mut facts = Arc::new(Facts {
            kind,
            user_type: self.user_type.map(part),
            user_id: part(user_id),
            own_session,
            token_id: self.token_id.map(part),
            generation: self.generation,
            // Only ours to grant: a token of another issuer has none.
            rights_version: if own_session.is_some() { self.rights_version } else { 0 },
            issued_at: self.iat.map(signed),
            expires_at: signed(exp),
            refresh_expires_at: self.refresh_exp.map(signed),
            authenticated_at: self.auth_time.map(signed),
            methods: self.methods,
            is_staff: self.is_staff,
            role: self.role.map(part),
            scope: self.scope.map(part),
            has_new_cookie: false,
            is_limited: false,
            payload: Payload::default(),
            principal: OnceLock::new(),
            foreign_session: OnceLock::new(),
            claims: OnceLock::new(),
        });
        // Nobody else has it yet.
        if let Some(facts) = Arc::get_mut(&mut facts) {
            facts.payload.fill(payload);
        }
        Ok(facts)
    }
}

/// At most [`MAX_TIME`] or the largest generation, so it fits.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

struct ClaimsSeed<'s, 'de>(&'s mut RawClaims<'de>, &'s Settings);

impl<'de> DeserializeSeed<'de> for ClaimsSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ClaimsSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self(claims, settings) = self;
        // RFC 7519 §4: names must be unique; two readers might each believe another one.
        let mut names_so_far = Names::default();
        while let Some(Text(name)) = map.next_key()? {
            if !claims.read_once(&name, &mut map, settings)? {
                claims.read_other(&name, &mut map, settings)?;
                names_so_far.add(name)?;
            }
        }
        Ok(())
    }
}

impl<'de> RawClaims<'de> {
    /// Reads a claim that shows by itself whether it was there before. Whether `name` is one.
    fn read_once<A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
        settings: &Settings,
    ) -> Result<bool, A::Error> {
        match name {
            "exp" => once(&mut self.exp, time(map)?)?,
            "iat" => once(&mut self.iat, time(map)?)?,
            "nbf" => once(&mut self.nbf, time(map)?)?,
            "iss" => once(&mut self.iss, map.next_value::<Text<'de>>()?.0)?,
            "aud" => once(&mut self.aud, map.next_value::<Texts<'de>>()?.0)?,
            "sid" => once(&mut self.sid, map.next_value::<Text<'de>>()?.0)?,
            "gen" => once(&mut self.generation, generation(map)?)?,
            "auth_time" => once(&mut self.auth_time, time(map)?)?,
            name if name == settings.token_type_claim => {
                once(&mut self.kind, map.next_value::<Text<'de>>()?.0)?;
            }
            name if name == settings.jti_claim => {
                once(&mut self.token_id, map.next_value::<Text<'de>>()?.0)?;
            }
            name if name == settings.user_type_claim => {
                once(&mut self.user_type, map.next_value::<Text<'de>>()?.0)?;
            }
            name if name == settings.sliding_token_refresh_exp_claim => {
                once(&mut self.refresh_exp, time(map)?)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn read_other<A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
        settings: &Settings,
    ) -> Result<(), A::Error> {
        match name {
            "rights_version" => self.rights_version = rights_version(&map.next_value()?),
            // These only grant. Another issuer may mean something else by them: then they grant
            // nothing.
            "amr" => self.methods = methods(&map.next_value()?),
            "is_staff" => self.is_staff = matches!(map.next_value()?, Loose::Bool(true)),
            "role" => self.role = text(map.next_value()?),
            "scope" => self.scope = text(map.next_value()?),
            name if name == settings.user_id_claim || name == SINGLE_USER_CLAIM => {
                let id = map.next_value::<Id<'de>>()?.0;
                if name == SINGLE_USER_CLAIM {
                    self.single_user.clone_from(&id);
                }
                if name == settings.user_id_claim {
                    self.user_id = id;
                }
            }
            _ => {
                map.next_value::<Skipped>()?;
            }
        }
        Ok(())
    }
}

fn once<T, E: de::Error>(slot: &mut Option<T>, value: T) -> Result<(), E> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom("a name twice")),
    }
}

/// A `NumericDate` in whole seconds, as every issuer writes it who means to. RFC 7519 §2 would allow
/// fractions; like a text or a negative number they are taken for the mistake that they mostly are.
fn time<'de, A: MapAccess<'de>>(map: &mut A) -> Result<u64, A::Error> {
    bounded(map, MAX_TIME)
}

/// A store keeps a generation as a signed 64-bit number, and counts on.
fn generation<'de, A: MapAccess<'de>>(map: &mut A) -> Result<u64, A::Error> {
    bounded(map, i64::MAX as u64 - 1)
}

/// Another issuer may mean something else by it: then it is as good as none.
fn rights_version(value: &Loose<'_>) -> u64 {
    match value {
        Loose::Number(version) => *version,
        _ => 0,
    }
}

fn bounded<'de, A: MapAccess<'de>>(map: &mut A, max: u64) -> Result<u64, A::Error> {
    let number: u64 = map.next_value()?;
    if number > max {
        return Err(de::Error::custom("number out of range"));
    }
    Ok(number)
}

/// A user's id: a text, or an integer (which older issuers write). Null is none.
struct Id<'a>(Option<Cow<'a, str>>);

impl<'de> de::Deserialize<'de> for Id<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl<'de> Visitor<'de> for IdVisitor {
            type Value = Id<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or an integer")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Id(Some(Cow::Borrowed(text))))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Id(Some(Cow::Owned(text.to_owned()))))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Id(Some(Cow::Owned(number.to_string()))))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Id(Some(Cow::Owned(number.to_string()))))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Id(None))
            }
        }
        deserializer.deserialize_any(IdVisitor)
    }
}

fn text(value: Loose<'_>) -> Option<Cow<'_, str>> {
    match value {
        Loose::Text(text) => Some(text),
        _ => None,
    }
}

fn methods(value: &Loose<'_>) -> Methods {
    let Loose::Texts(words) = value else { return Methods::new() };
    words.iter().filter_map(|word| Method::from_stored(word)).collect()
}

/// `aud`: a text, or a list of texts.
struct Texts<'a>(SmallVec<[Cow<'a, str>; 1]>);

impl<'de> de::Deserialize<'de> for Texts<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;
        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Texts(smallvec![Cow::Borrowed(text)]))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Texts(smallvec![Cow::Owned(text.to_owned())]))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut texts = SmallVec::new();
                while let Some(Text(text)) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_any(TextsVisitor)
    }
}
