//! `demo-app tokens`: personal tokens, which users give to programs of theirs.

use std::time::Duration;

use auth_core::session::RevocationReason;
use auth_core::{NewPersonalToken, Session, SessionId};
use clap::Subcommand;
use demo_app::Config;

use super::{Failure, Upkeep};

const MINUTE: &str = "%Y-%m-%d %H:%M";

#[derive(Subcommand)]
pub(super) enum TokensCommand {
    /// Make a personal token, and print it: this once.
    Create {
        /// Whose.
        user: String,
        /// What it is for.
        #[arg(long)]
        name: String,
        /// Limit it to a scope of the user; may be given several times. Without: all that the user may.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// How long it lives, such as 90d. Without: PERSONAL_TOKEN_LIFETIME.
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        expires: Option<Duration>,
    },
    /// List the personal tokens of a user.
    List { user: String },
    /// End one.
    Revoke { user: String, token: SessionId },
}

/// Runs a command and answers what it says in the end.
pub(super) async fn run(config: Config, command: TokensCommand) -> Result<String, Failure> {
    match command {
        TokensCommand::Create { user, name, scopes, expires } => {
            let scopes = (!scopes.is_empty()).then_some(scopes);
            create(config, user, NewPersonalToken { name, scopes, lifetime: expires }).await
        }
        TokensCommand::List { user } => list(config, user).await,
        TokensCommand::Revoke { user, token } => revoke(config, user, token).await,
    }
}

async fn create(config: Config, user: String, new: NewPersonalToken) -> Result<String, Failure> {
    let upkeep = Upkeep::open(config).await?;
    let principal = upkeep.find(user).await?.principal();
    let (token, _) = upkeep.authority.create_personal_token_for(&principal, new).await?;
    Ok(format!("{}\n", token.expose()))
}

async fn list(config: Config, user: String) -> Result<String, Failure> {
    let upkeep = Upkeep::open(config).await?;
    let principal = upkeep.find(user).await?.principal();
    let tokens = upkeep.authority.personal_tokens(&principal).await?;
    if tokens.is_empty() {
        return Ok("no personal tokens\n".into());
    }
    let mut said = String::new();
    for Session { id, label, scopes, last_seen_at, created_at, expires_at, .. } in tokens {
        let name = label.unwrap_or_default();
        let scopes = scopes.map_or("everything".into(), |scopes| scopes.join(" "));
        let until = expires_at.format(MINUTE);
        let used = match last_seen_at > created_at {
            true => format!("used {}", last_seen_at.format(MINUTE)),
            false => "never used".into(),
        };
        said += &format!("{id}  {name}  [{scopes}]  until {until}  {used}\n");
    }
    Ok(said)
}

async fn revoke(config: Config, user: String, token: SessionId) -> Result<String, Failure> {
    let upkeep = Upkeep::open(config).await?;
    let principal = upkeep.find(user).await?.principal();
    let reason = RevocationReason::Administrator;
    match upkeep.authority.revoke_personal_token(&principal, token, reason).await? {
        true => Ok("the token is refused from now on\n".into()),
        false => Err(Failure::NoSuchToken),
    }
}
