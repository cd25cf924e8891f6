//! `demo-app import-django-users`: the users of a Django project, with their ids and passwords.

use std::collections::HashSet;
use std::time::Duration;

use clap::Args;
use demo_app::Config;
use demo_app::config::DatabaseUrl;
use demo_app::db::Db;
use demo_app::django::{self, SourceError, Uncounted};
use demo_app::users::{Import, Refused, Users};

use super::Failure;

/// How long it may take to write them.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Args)]
pub(super) struct ImportArgs {
    /// The database of the Django project, sqlite://PATH or postgres://…. It is only read.
    #[arg(env = "DJANGO_DATABASE_URL", hide_env_values = true)]
    from: String,
    /// The table, or view, of the users. Of a custom model it is APP_MODEL in lower case.
    #[arg(long, default_value = "auth_user")]
    table: String,
    /// Import the others where some cannot be, unless an id is another user's here. Otherwise nobody is
    /// imported then.
    #[arg(long)]
    skip_refused: bool,
    /// New users get ids above N. It has to be given where the ids that Django gave to users who were
    /// deleted since are not known: for a view, or a sequence that may not be read. Ids that are known
    /// are never given again, whatever N is.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..i64::MAX))]
    ids_above: Option<i64>,
    /// Say what would happen, and import nobody. (The tables here are brought up to date all the same.)
    #[arg(long)]
    dry_run: bool,
}

/// Why nobody was imported.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImportError {
    #[error("FROM {0}")]
    Url(&'static str),
    #[error("the database of the Django project: {0}")]
    Source(#[from] SourceError),
    #[error(
        "nobody was imported, because it is not known which ids Django has given: {uncounted}. A new \
         user here could get the id of one who was deleted there, and be whom tokens of that one \
         mean. --ids-above N gives new users ids above N: the highest id that Django ever gave, or \
         more. (The highest that is still there is {highest}.)"
    )]
    Uncounted { uncounted: Uncounted, highest: i64 },
    #[error(
        "nobody was imported: {} of {count} cannot be.\n{}\n\
         Mend them, or import the others with --skip-refused (not those whose id is another's here: \
         tokens that Django issued for them would be that user's).",
        .refused.len(), lines(refused)
    )]
    Refused { refused: Vec<Refused>, count: usize },
}

/// Imports, and answers what it says in the end.
pub(super) async fn run(config: Config, args: ImportArgs) -> Result<String, Failure> {
    let ImportArgs { from, table, skip_refused, ids_above, dry_run } = args;
    let from: DatabaseUrl = from.parse().map_err(ImportError::Url)?;
    // First, so that a wrong address makes no database.
    let found = django::read(&from, &table).await.map_err(ImportError::Source)?;
    if let (Some(uncounted), None) = (found.uncounted, ids_above) {
        return Err(ImportError::Uncounted { uncounted, highest: found.last_id }.into());
    }
    let count = found.users.len() + found.refused.len();
    let names: Vec<_> = found.users.iter().map(|user| (user.id, user.username.clone())).collect();
    let unhashed: HashSet<_> =
        found.users.iter().filter(|u| u.password_hash.is_none()).map(|u| u.id).collect();

    let db = Db::open_for_long(&config.database, PATIENCE).map_err(demo_app::StartError::from)?;
    db.migrate().await?;
    let import = Import {
        users: found.users,
        refused: found.refused,
        last_id: found.last_id.max(ids_above.unwrap_or(0)),
        skip_refused,
        dry_run,
    };
    let imported = Users::new(db.clone()).import(import).await?;
    if imported.is_done
        && let Err(outage) = db.checkpoint().await
    {
        // They are safe where they are.
        tracing::warn!(error = %outage, "the write-ahead log could not be put into the file");
    }
    let is_mixed_up = imported.refused.iter().any(Refused::has_taken_id);
    if !imported.refused.is_empty() && (!skip_refused || is_mixed_up) {
        let refused = imported.refused;
        return Err(ImportError::Refused { refused, count }.into());
    }

    let new: HashSet<_> = imported.new.iter().collect();
    let would = if dry_run { "would be " } else { "" };
    let mut said = format!("{would}imported: {}\n", new.len());
    let without = new.iter().filter(|id| unhashed.contains(**id)).count();
    if without > 0 {
        said += &format!("  of them without a password: {without}\n");
    }
    said += &format!("here already: {}\n", imported.known);
    if !imported.refused.is_empty() {
        let (count, lines) = (imported.refused.len(), lines(&imported.refused));
        said += &format!("left out: {count}\n{lines}\n");
    }
    let lost: Vec<_> = found.without_password.iter().filter(|id| new.contains(id)).collect();
    if !lost.is_empty() {
        said += "Their passwords are stored in a way that cannot be verified; set-password gives \
                 them new ones:\n";
        let lost = names.iter().filter(|(id, _)| lost.contains(&id));
        said.extend(lost.map(|(id, name)| format!("  {name:?} (id {id})\n")));
    }
    Ok(said)
}

fn lines(refused: &[Refused]) -> String {
    let lines: Vec<_> = refused.iter().map(|refused| format!("  {refused}")).collect();
    lines.join("\n")
}
