//! `demo-app keys`: the signing keys in a directory that the servers read.

use std::time::Duration;

use auth_core::keys::{KeyDirectoryError, KeyState};
use auth_core::{Algorithm, KeyDirectory, KeyRing};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use demo_app::Config;

use super::Failure;

const SECOND: &str = "%Y-%m-%d %H:%M:%S UTC";

#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// List the keys: next, active, retired, ended.
    List,
    /// Make a key that is published and does not sign yet. The first one signs at once.
    Generate {
        /// What it is for, such as EdDSA, ES256 or RS256 (ALGORITHM).
        #[arg(long)]
        algorithm: Option<Algorithm>,
    },
    /// Let the next key sign, a new one if there is none. Tokens of the last one stay good.
    Rotate {
        /// How long a key is published before it signs: longer than anybody keeps the key set, which
        /// is five minutes.
        #[arg(long = "in", value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
        delay: Duration,
        /// What the new key is for (as the last one).
        #[arg(long)]
        algorithm: Option<Algorithm>,
    },
    /// Remove a key that is not used any more.
    Retire {
        kid: String,
        /// Also one that signs, or whose tokens are still good: they are refused at once. For a key that
        /// somebody else may have. Where it signs, another one takes its place.
        #[arg(long)]
        now: bool,
    },
}

/// Runs a command and answers what it says in the end.
pub(super) fn run(
    config: Config,
    command: KeysCommand,
    now: DateTime<Utc>,
) -> Result<String, Failure> {
    let path = config.signing_key_dir.ok_or(Failure::NoKeyDirectory)?;
    let directory = KeyDirectory::new(&path);
    let failed = |error| match error {
        KeyDirectoryError::InUse => Failure::KeyInUse(error),
        other => Failure::Keys(demo_app::problem_in_directory(&path, &other)),
    };
    let lifetime = config.settings.longest_token_lifetime();
    match command {
        KeysCommand::List => Ok(list(&directory.ring().map_err(failed)?, now, lifetime)),
        KeysCommand::Generate { algorithm } => {
            let algorithm = algorithm.unwrap_or(config.settings.algorithm);
            let kid = directory.generate(algorithm, now).map_err(failed)?;
            Ok(format!("{kid}\n"))
        }
        KeysCommand::Rotate { delay, algorithm } => {
            let rotated = directory.rotate(algorithm, now, delay, lifetime);
            let (kid, begin) = rotated.map_err(failed)?;
            Ok(format!("{kid} signs from {}\n", begin.format(SECOND)))
        }
        KeysCommand::Retire { kid, now: at_once } => {
            directory.retire(&kid, now, lifetime, at_once).map_err(failed)?;
            Ok(format!("{kid} is retired\n"))
        }
    }
}

fn list(ring: &KeyRing, now: DateTime<Utc>, lifetime: Duration) -> String {
    let mut said = String::new();
    for (key, state) in ring.states(now, lifetime) {
        let state = match state {
            KeyState::Next(None) => "next".to_owned(),
            KeyState::Next(Some(begin)) => format!("next      from {}", begin.format(SECOND)),
            KeyState::Active => "active".to_owned(),
            KeyState::Retired(end) => format!("retired   until {}", end.format(SECOND)),
            KeyState::Ended => "ended".to_owned(),
        };
        let kid = key.kid().unwrap_or_default();
        said += &format!("{kid}  {:5}  {state}\n", format!("{:?}", key.algorithm()));
    }
    said
}
