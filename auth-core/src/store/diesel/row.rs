//! Rows, and what they mean.

use diesel::prelude::*;
use diesel::result::Error::DeserializationError;

use super::schema::{auth_revocations, auth_sessions};
use crate::clock::from_millis;
use crate::session::{
    Carrier, ClientInfo, Method, Principal, RevocationReason, SecretHash, Session, SessionId,
};
use crate::store::{Revocation, Stamp, Target};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = auth_sessions)]
pub(super) struct SessionRow {
    id: Vec<u8>,
    user_type: String,
    user_id: String,
    carrier: String,
    generation: i64,
    rotated_at: i64,
    secret_hash: Option<Vec<u8>>,
    created_at: i64,
    authenticated_at: Option<i64>,
    last_seen_at: i64,
    idle_expires_at: i64,
    expires_at: i64,
    methods: String,
    ip: Option<String>,
    user_agent: Option<String>,
    label: Option<String>,
    revoked_at: Option<i64>,
    revoked_reason: Option<String>,
    rights_version: i64,
    refreshes_until: i64,
    secret_nonce: Option<Vec<u8>>,
    scopes: Option<String>,
}

impl From<&Session> for SessionRow {
    fn from(session: &Session) -> Self {
        let client = storable(&session.client);
        let methods: Vec<_> = session.methods.iter().map(|method| method.as_str()).collect();
        Self {
            id: session.id.as_bytes().to_vec(),
            user_type: session.principal.user_type().to_owned(),
            user_id: session.principal.user_id().to_owned(),
            carrier: session.carrier.as_str().to_owned(),
            generation: number_to_column(session.generation),
            rotated_at: session.rotated_at.timestamp_millis(),
            secret_hash: session.secret_hash.map(|hash| hash.as_bytes().to_vec()),
            created_at: session.created_at.timestamp_millis(),
            authenticated_at: session.authenticated_at.map(|at| at.timestamp_millis()),
            last_seen_at: session.last_seen_at.timestamp_millis(),
            idle_expires_at: session.idle_expires_at.timestamp_millis(),
            expires_at: session.expires_at.timestamp_millis(),
            methods: methods.join(" "),
            ip: client.ip,
            user_agent: client.user_agent,
            label: session.label.as_deref().map(without_nul),
            revoked_at: session.revoked.map(|(at, _)| at.timestamp_millis()),
            revoked_reason: session.revoked.map(|(_, reason)| reason.as_str().to_owned()),
            rights_version: number_to_column(session.rights_version),
            refreshes_until: session.refreshes_until.timestamp_millis(),
            secret_nonce: session.secret_nonce.map(Vec::from),
            scopes: session.scopes.as_ref().map(|scopes| without_nul(&scopes.join(" "))),
        }
    }
}

impl SessionRow {
    /// The session that the row describes; `DeserializationError` says what cannot be read.
    pub(super) fn into_session(self) -> QueryResult<Session> {
        let id = session_id(&self.id)?;
        let unreadable =
            |what: String| DeserializationError(format!("auth_sessions {id}: {what}").into());
        let carrier = Carrier::from_stored(&self.carrier)
            .ok_or_else(|| unreadable(format!("unknown carrier {:?}", self.carrier)))?;
        let secret_hash = self.secret_hash.map(|hash| exactly(id, &hash)).transpose()?;
        let secret_nonce = self.secret_nonce.map(|nonce| exactly(id, &nonce)).transpose()?;
        Ok(Session {
            id,
            principal: Principal::new(self.user_type, self.user_id),
            carrier,
            generation: self.generation.cast_unsigned(),
            rotated_at: from_millis(self.rotated_at),
            refreshes_until: from_millis(self.refreshes_until),
            rights_version: self.rights_version.cast_unsigned(),
            secret_hash: secret_hash.map(SecretHash::from_bytes),
            secret_nonce,
            created_at: from_millis(self.created_at),
            authenticated_at: self.authenticated_at.map(from_millis),
            last_seen_at: from_millis(self.last_seen_at),
            idle_expires_at: from_millis(self.idle_expires_at),
            expires_at: from_millis(self.expires_at),
            // A method that this version does not know proves nothing to it.
            methods: self.methods.split(' ').filter_map(Method::from_stored).collect(),
            client: ClientInfo { ip: self.ip, user_agent: self.user_agent },
            label: self.label,
            scopes: self
                .scopes
                .map(|scopes| scopes.split_ascii_whitespace().map(str::to_owned).collect()),
            revoked: self
                .revoked_at
                .map(|at| (from_millis(at), reason(self.revoked_reason.as_deref()))),
        })
    }
}

#[derive(Insertable)]
#[diesel(table_name = auth_revocations)]
pub(super) struct NewRevocation {
    kind: &'static str,
    session_id: Option<Vec<u8>>,
    user_type: Option<String>,
    user_id: Option<String>,
    revoked_at: i64,
    reason: &'static str,
    expires_at: i64,
    rights_version: Option<i64>,
}

/// What a token without a session is compared with: it has no rights that a version would tell,
/// so all that were issued before are meant.
const ANY_RIGHTS: i64 = 0;

impl NewRevocation {
    pub(super) fn new(target: &Target, stamp: Stamp) -> Self {
        let (session, principal, rights_version) = match target {
            Target::Session(id) => (Some(id), None, None),
            Target::Rights { session, version } => {
                (Some(session), None, Some(number_to_column(*version)))
            }
            Target::Foreign(principal) => (None, Some(principal), None),
            Target::ForeignAccess(principal) => (None, Some(principal), Some(ANY_RIGHTS)),
        };
        Self {
            kind: if session.is_some() { "session" } else { "foreign" },
            session_id: session.map(|id| id.as_bytes().to_vec()),
            user_type: principal.map(|principal| principal.user_type().to_owned()),
            user_id: principal.map(|principal| principal.user_id().to_owned()),
            revoked_at: stamp.at.timestamp_millis(),
            reason: stamp.reason.as_str(),
            expires_at: stamp.until.timestamp_millis(),
            rights_version,
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = auth_revocations)]
pub(super) struct RevocationRow {
    seq: i64,
    kind: String,
    session_id: Option<Vec<u8>>,
    user_type: Option<String>,
    user_id: Option<String>,
    revoked_at: i64,
    reason: String,
    expires_at: i64,
    rights_version: Option<i64>,
}

impl RevocationRow {
    pub(super) fn seq(&self) -> i64 {
        self.seq
    }

    /// The revocation that the row describes. `None`, and a line in the log, when it cannot be
    /// read: one bad row must not hide those after it.
    pub(super) fn into_revocation(self) -> Option<Revocation> {
        let target = match (self.kind.as_str(), self.session_id, self.user_type, self.user_id) {
            ("session", Some(id), _, _) => {
                session_id(&id).ok().map(|session| match self.rights_version {
                    None => Target::Session(session),
                    Some(version) => Target::Rights { session, version: version.cast_unsigned() },
                })
            }
            ("foreign", _, Some(user_type), Some(user_id)) => {
                let principal = Principal::new(user_type, user_id);
                Some(match self.rights_version {
                    None => Target::Foreign(principal),
                    Some(_) => Target::ForeignAccess(principal),
                })
            }
            _ => None,
        };
        let Some(target) = target else {
            tracing::error!(seq = self.seq, kind = self.kind, "unreadable row in auth_revocations");
            return None;
        };
        let stamp = Stamp {
            at: from_millis(self.revoked_at),
            reason: reason(Some(&self.reason)),
            until: from_millis(self.expires_at),
        };
        Some(Revocation { seq: self.seq, target, stamp })
    }
}

pub(super) fn session_id(bytes: &[u8]) -> QueryResult<SessionId> {
    bytes
        .try_into()
        .map(SessionId::from_bytes)
        .map_err(|_| DeserializationError(format!("a session id of {} bytes", bytes.len()).into()))
}

fn exactly<const N: usize>(session: SessionId, bytes: &[u8]) -> QueryResult<[u8; N]> {
    bytes.try_into().map_err(|_| {
        let found = bytes.len();
        let problem = format!("auth_sessions {session}: a secret of {found} bytes instead of {N}");
        DeserializationError(problem.into())
    })
}

/// These numbers have 64 bits and so has the column, whose upper half reads as negative. Generations
/// are compared for equality only, and versions of rights are times.
pub(super) fn number_to_column(generation: u64) -> i64 {
    generation.cast_signed()
}

/// Triggers and administrators may write a word of their own. Revoked is revoked: the word must
/// not turn an answer into an outage.
fn reason(word: Option<&str>) -> RevocationReason {
    word.and_then(RevocationReason::from_stored).unwrap_or(RevocationReason::Administrator)
}

/// The client as it can be kept.
pub(super) fn storable(client: &ClientInfo) -> ClientInfo {
    ClientInfo {
        ip: client.ip.as_deref().map(without_nul),
        user_agent: client.user_agent.as_deref().map(without_nul),
    }
}

/// PostgreSQL's `text` takes every character but NUL.
pub(super) fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}
