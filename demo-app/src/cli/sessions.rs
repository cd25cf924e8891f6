//! `demo-app sessions`: where a user is logged in.

use auth_core::session::RevocationReason;
use auth_core::store::Revoke;
use auth_core::{Session, SessionId};
use clap::Subcommand;
use demo_app::Config;

use super::{Failure, Upkeep};

const MINUTE: &str = "%Y-%m-%d %H:%M";

#[derive(Subcommand)]
pub(super) enum SessionsCommand {
    /// List the devices on which a user is logged in.
    List { name: String },
    /// End all sessions of a user, and their personal tokens, or one.
    Revoke { name: String, session: Option<SessionId> },
}

/// Runs a command and answers what it says in the end.
pub(super) async fn run(config: Config, command: SessionsCommand) -> Result<String, Failure> {
    match command {
        SessionsCommand::List { name } => list(config, name).await,
        SessionsCommand::Revoke { name, session } => revoke(config, name, session).await,
    }
}

async fn list(config: Config, name: String) -> Result<String, Failure> {
    let upkeep = Upkeep::open(config).await?;
    let principal = upkeep.find(name).await?.principal();
    let mut sessions = upkeep.authority.sessions(&principal).await?;
    sessions.retain(Session::is_login);
    if sessions.is_empty() {
        return Ok("no sessions\n".into());
    }
    let mut said = String::new();
    for Session { id, carrier, created_at, last_seen_at, client, .. } in sessions {
        let (ip, agent) = (client.ip.unwrap_or_default(), client.user_agent.unwrap_or_default());
        let carrier = carrier.as_str();
        let (created, seen) = (created_at.format(MINUTE), last_seen_at.format(MINUTE));
        said += &format!("{id}  {carrier:6}  since {created}  seen {seen}  {ip}  {agent}\n");
    }
    Ok(said)
}

async fn revoke(
    config: Config,
    name: String,
    session: Option<SessionId>,
) -> Result<String, Failure> {
    let upkeep = Upkeep::open(config).await?;
    let principal = upkeep.find(name).await?.principal();
    let revoke = match session {
        None => Revoke::Principal(principal),
        Some(id) => {
            let sessions = upkeep.authority.sessions(&principal).await?;
            if !sessions.iter().any(|session| session.id == id) {
                return Err(Failure::NoSuchSession);
            }
            Revoke::Session(id)
        }
    };
    let ended = upkeep.authority.revoke(revoke, RevocationReason::Administrator).await?;
    Ok(format!("sessions ended: {}\n", ended.len()))
}
