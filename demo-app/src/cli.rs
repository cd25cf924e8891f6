//! The command line.

use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Read, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use actix_web::dev::ServerHandle;
use actix_web::rt;
use auth_core::keys::KeyRing;
use auth_core::session::RevocationReason;
use auth_core::store::Revoke;
use auth_core::{Authority, Clock, Key, Outage, Session, SessionId, SettingsError, random};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use demo_app::config::LogFormat;
use demo_app::users::{NewUser, UserError, Users};
use demo_app::{Config, StartError, telemetry};
use tracing::level_filters::LevelFilter;

/// Users, login by session cookie and by token, over SQLite or PostgreSQL.
///
/// Configured by a TOML file and by environment variables, which go before it: LISTEN,
/// DATABASE_URL (sqlite://PATH or postgres://…), SIGNING_KEY or SIGNING_KEY_FILE, PUBLIC_URL,
/// INSECURE_COOKIES, LOG_FORMAT (text or json), and the settings of the tokens, such as
/// ACCESS_TOKEN_LIFETIME=10m. The names in the file are the same in lower case.
#[derive(Parser)]
#[command(name = "demo-app", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// A TOML file with settings.
    #[arg(long, global = true, env = "CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Args)]
struct ServeArgs {
    /// The address to serve on, such as 127.0.0.1:8000 (goes before LISTEN).
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

#[derive(Args)]
struct PasswordArgs {
    /// Read the password from the standard input (one line), and do not ask.
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Serve. This is what happens without a command.
    Serve(ServeArgs),
    /// Bring the tables of the database up to date.
    Migrate,
    /// Remove expired sessions. (A server does so by itself.)
    FlushExpiredTokens,
    /// Create a user. Asks for the password, or reads it from a pipe.
    CreateUser {
        name: String,
        #[arg(long, default_value = "")]
        email: String,
        /// Make the user staff.
        #[arg(long)]
        staff: bool,
        /// The user cannot log in until `activate`.
        #[arg(long)]
        inactive: bool,
        #[arg(long)]
        role: Option<String>,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Give a user another password and end their sessions.
    SetPassword {
        name: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Lock a user out and end their sessions.
    Deactivate { name: String },
    /// Let a user log in again.
    Activate { name: String },
    /// Show or end the sessions of a user.
    #[command(subcommand)]
    Sessions(SessionsCommand),
}

#[derive(Subcommand)]
enum SessionsCommand {
    /// List the devices on which a user is logged in.
    List { name: String },
    /// End all sessions of a user, or one.
    Revoke { name: String, session: Option<SessionId> },
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{0}: {1}")]
    User(String, UserError),
    #[error(transparent)]
    Outage(#[from] Outage),
    #[error("the password: {0}")]
    Password(io::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::Start(error.into())
    }
}

/// Runs what the arguments say.
pub(crate) async fn main() -> ExitCode {
    let outcome = match run(Cli::parse()).await {
        Ok(said) => io::stdout().write_all(said.as_bytes()).map_err(Failure::Io),
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "demo-app: {failure}");
            match failure {
                Failure::Start(StartError::Settings(_)) => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Runs a command and answers what it says in the end.
async fn run(cli: Cli) -> Result<String, Failure> {
    let Cli { command, config, serve } = cli;
    let listen = match (&command, serve.listen) {
        (Some(Command::Serve(after)), before) => after.listen.clone().or(before),
        (None, listen) => listen,
        (Some(_), None) => None,
        (Some(_), Some(_)) => {
            Cli::command().error(ErrorKind::ArgumentConflict, "--listen is for serve").exit()
        }
    };
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    });
    let variables = variables.chain(listen.map(|listen| ("LISTEN".to_owned(), listen)));
    let config = Config::load(config.as_deref(), variables)?;

    let level = match command {
        None | Some(Command::Serve(_)) => LevelFilter::INFO,
        Some(_) => LevelFilter::WARN,
    };
    telemetry::init(config.log_format, level);
    match command {
        None | Some(Command::Serve(_)) => self::serve(config).await,
        Some(Command::Migrate) => migrate(config).await,
        Some(Command::FlushExpiredTokens) => {
            let removed = Upkeep::open(config).await?.authority.prune().await?;
            Ok(format!("removed {removed} rows\n"))
        }
        Some(Command::CreateUser { name, email, staff, inactive, role, password }) => {
            let new = NewUser {
                username: name.clone(),
                email,
                password: password.read()?,
                is_staff: staff,
                is_active: !inactive,
                role,
            };
            let Upkeep { users, authority } = Upkeep::open(config).await?;
            let created = users.create(&authority, new).await;
            let user = created.map_err(|error| Failure::User(name, error))?;
            Ok(format!("created {} (id {})\n", user.username, user.id))
        }
        Some(Command::SetPassword { name, password }) => {
            let password = password.read()?;
            let Upkeep { users, authority } = Upkeep::open(config).await?;
            match users.set_password(&authority, &name, &password).await {
                Ok(()) => Ok(format!("{name} has a new password\n")),
                Err(error) => Err(Failure::User(name, error)),
            }
        }
        Some(Command::Deactivate { name }) => {
            set_active(config, name, false, "can no longer log in; all sessions have ended").await
        }
        Some(Command::Activate { name }) => set_active(config, name, true, "can log in").await,
        Some(Command::Sessions(SessionsCommand::List { name })) => list(config, name).await,
        Some(Command::Sessions(SessionsCommand::Revoke { name, session })) => {
            revoke(config, name, session).await
        }
    }
}

async fn serve(config: Config) -> Result<String, Failure> {
    let log_format = config.log_format;
    let running = demo_app::start(config, Clock::system()).await?;
    tracing::info!(addr = %running.addr, "listening");
    if log_format == LogFormat::Text {
        let text = welcome(running.addr, running.users.is_empty().await?);
        io::stdout().write_all(text.as_bytes())?;
    }
    rt::spawn(stop_on_signal(running.server.handle()));
    running.server.await?;
    tracing::info!("stopped");
    Ok(String::new())
}

/// What to do next.
fn welcome(addr: SocketAddr, is_first_start: bool) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "demo-app".into());
    let mut text = format!("Listening on http://{addr}\n");
    if is_first_start {
        text += &format!(
            "\n  There are no users yet. In another terminal, in this directory:\n\n    \
             {program} create-user alice --email alice@example.org\n    \
             curl http://{addr}/api/token/ -H 'Content-Type: application/json' \\\n      \
             -d '{{\"username\":\"alice\",\"password\":\"…\"}}'\n    \
             curl http://{addr}/api/v1/users/me -H 'Authorization: Bearer …'\n\n  \
             To see that all is well: http://{addr}/readyz\n\n",
        );
    }
    text
}

/// On the first signal requests under way may end; on the second they may not.
async fn stop_on_signal(server: ServerHandle) {
    for graceful in [true, false] {
        if let Err(error) = signal().await {
            tracing::error!(%error, "signals are not heard");
            return;
        }
        tracing::info!(graceful, "stopping");
        rt::spawn(server.stop(graceful));
    }
}

/// SIGINT or SIGTERM.
async fn signal() -> io::Result<()> {
    #[cfg(unix)]
    {
        use rt::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        std::future::poll_fn(|context| {
            let interrupted = interrupt.poll_recv(context).is_ready();
            match interrupted || terminate.poll_recv(context).is_ready() {
                true => std::task::Poll::Ready(Ok(())),
                false => std::task::Poll::Pending,
            }
        })
        .await
    }
    #[cfg(not(unix))]
    rt::signal::ctrl_c().await
}

async fn migrate(config: Config) -> Result<String, Failure> {
    let db = demo_app::db::Db::open(&config.database)?;
    let _ = db;
    Ok(String::new())
}
