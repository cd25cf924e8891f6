//! The command line.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use actix_jwt::Auth;
use actix_web::dev::ServerHandle;
use actix_web::rt;
#[cfg(unix)]
use actix_web::rt::signal::unix::{self, SignalKind};
use auth_core::keys::KeyDirectoryError;
use auth_core::session::RevocationReason;
use auth_core::store::Revoke;
use auth_core::{Authority, Clock, Outage, PersonalTokenError, Settings, SettingsError, random};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use demo_app::config::{LONGEST_BEARER_LIFETIME, LogFormat};
use demo_app::users::{NewUser, Rights, User, UserError, Users};
use demo_app::{Config, StartError, telemetry};
use tracing::level_filters::LevelFilter;

mod import;
mod keys;
mod sessions;
mod tokens;

use import::{ImportArgs, ImportError};
use keys::KeysCommand;
use sessions::SessionsCommand;
use tokens::TokensCommand;

/// Longer than any password that is taken.
const MAX_PASSWORD_BYTES: u64 = 8192;

/// Users, login by session cookie and by token, over SQLite or PostgreSQL.
///
/// Configured by a TOML file and by environment variables, which go before the file:
///
///   LISTEN                 the address to serve on (127.0.0.1:8000)
///   DATABASE_URL           sqlite://PATH or postgres://… (sqlite://demo.db)
///   SIGNING_KEY            a secret of 32 bytes or more; with ALGORITHM=EdDSA, ES256,
///                          RS256 … a private key in PEM
///   SIGNING_KEY_FILE       a file with it (demo.key, made at the first start)
///   SIGNING_KEY_DIR        or a directory with keys, which `keys` rotates
///   PUBLIC_URL             where browsers find the site, behind a proxy
///   TRUSTED_PROXIES        whose X-Forwarded-For is believed, such as 10.0.0.0/8
///   INSECURE_COOKIES       true: send cookies over plain HTTP, for development
///   LOG_FORMAT             text or json (text)
///   LOG_LEVEL              error, warn or info (info: a line for each request)
///   ACCESS_TOKEN_LIFETIME  5m, and every other setting of the tokens
///
/// In the file the names are in lower case.
#[derive(Parser)]
#[command(name = "demo-app", version, verbatim_doc_comment)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// A TOML file with settings.
    #[arg(long, global = true, env = "DEMO_CONFIG", value_name = "FILE")]
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
    /// Remove expired sessions. A server does so by itself.
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
        /// A word that permissions compare; may be given several times.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Give a user another password and end their sessions.
    SetPassword {
        name: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Give a user other rights. They apply at once; the user stays logged in.
    SetRights {
        name: String,
        /// Whether the user is staff.
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
        staff: Option<bool>,
        #[arg(long, conflicts_with = "no_role")]
        role: Option<String>,
        #[arg(long)]
        no_role: bool,
        /// The scopes, all of them, separated by commas; nothing for none.
        #[arg(long, value_name = "LIST", value_delimiter = ',')]
        scopes: Option<Vec<String>>,
    },
    /// Take away the second factor of a user who has lost it; end their sessions and personal tokens.
    RemoveSecondFactor { name: String },
    /// Lock a user out and end their sessions.
    Deactivate { name: String },
    /// Let a user log in again.
    Activate { name: String },
    /// Import the users of a Django project, with their ids and passwords: nobody has to log in anew.
    ///
    /// Doing it again imports those who are new. Who was deleted here and is still there is refused: while imports
    /// go on, deactivate users instead of deleting them, or delete them in both places.
    ///
    /// For a server that runs it is a short outage (some five seconds for 400,000 users): on SQLite, logins and
    /// refreshes answer 503 after a second; on PostgreSQL, first logins of imported users do so after three.
    ImportDjangoUsers(ImportArgs),
    /// Show or end the sessions of a user.
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Make, show or end the personal tokens of a user, for programs of theirs.
    #[command(subcommand)]
    Tokens(TokensCommand),
    /// Show or change the signing keys in SIGNING_KEY_DIR. Servers notice within a second.
    #[command(subcommand)]
    Keys(KeysCommand),
}

fn yes_or_no(word: &str) -> Result<bool, &'static str> {
    match word {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("must be yes or no"),
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{0}: {1}")]
    User(String, UserError),
    #[error("the user has no such session")]
    NoSuchSession,
    #[error("the user has no second factor")]
    NoSecondFactor,
    #[error("the user has no such personal token")]
    NoSuchToken,
    #[error(transparent)]
    PersonalToken(#[from] PersonalTokenError),
    #[error("the password: {0}")]
    Password(&'static str),
    #[error("the database: {0}")]
    Outage(#[from] Outage),
    #[error("SIGNING_KEY_DIR is not set: only keys in a directory can be rotated")]
    NoKeyDirectory,
    #[error("{0}; --now refuses them")]
    KeyInUse(KeyDirectoryError),
    #[error("signing_key_dir: {0}")]
    Keys(String),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
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
    let command = match (cli.command, cli.serve) {
        (None, serve) => Command::Serve(serve),
        (Some(Command::Serve(after)), before) => {
            Command::Serve(ServeArgs { listen: after.listen.or(before.listen) })
        }
        (Some(_), ServeArgs { listen: Some(_) }) => {
            Cli::command().error(ErrorKind::ArgumentConflict, "--listen is for serve").exit()
        }
        (Some(command), ServeArgs { listen: None }) => command,
    };
    let (most, listen) = match &command {
        Command::Serve(ServeArgs { listen }) => (LevelFilter::INFO, listen.clone()),
        // What a command has to say goes to the standard output.
        _ => (LevelFilter::WARN, None),
    };
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    });
    let variables = variables.chain(listen.map(|listen| ("LISTEN".to_owned(), listen)));
    let config = Config::load(cli.config.as_deref(), variables)?;
    telemetry::init(config.log_format, config.log_level.min(most));
    match command {
        Command::Serve(_) => serve(config).await,
        Command::Migrate => migrate(&config).await,
        Command::FlushExpiredTokens => {
            let removed = Upkeep::open(config).await?.authority.prune().await?;
            Ok(format!("rows removed: {removed}\n"))
        }
        Command::CreateUser { name, email, staff, inactive, role, scopes, password } => {
            let Upkeep { users, authority } = Upkeep::open(config).await?;
            let new = NewUser {
                username: name.clone(),
                email,
                password: password.read()?,
                is_staff: staff,
                is_active: !inactive,
                role,
                scopes,
            };
            let created = users.create(&authority, new).await;
            let user = created.map_err(|error| Failure::User(name, error))?;
            Ok(format!("created {} (id {})\n", user.username, user.id))
        }
        Command::SetPassword { name, password } => {
            let Upkeep { users, authority } = Upkeep::open(config).await?;
            let password = password.read()?;
            match users.set_password(&authority, &name, &password).await {
                Ok(()) => Ok(format!("{name} has a new password\n")),
                Err(error) => Err(Failure::User(name, error)),
            }
        }
        Command::SetRights { name, staff, role, no_role, scopes } => {
            let upkeep = Upkeep::open(config).await?;
            let user = upkeep.find(name.clone()).await?;
            let rights = Rights {
                is_staff: staff.unwrap_or(user.is_staff),
                role: if no_role { None } else { role.or(user.role) },
                scopes: match scopes {
                    Some(scopes) => scopes.into_iter().filter(|scope| !scope.is_empty()).collect(),
                    None => user.scopes.split_ascii_whitespace().map(str::to_owned).collect(),
                },
            };
            let changed = upkeep.users.set_rights(&upkeep.authority, &name, rights).await;
            let user = changed.map_err(|error| Failure::User(name, error))?;
            let staff = if user.is_staff { "staff" } else { "not staff" };
            let role = user.role.map(|role| format!(", role {role}")).unwrap_or_default();
            let scopes = match user.scopes.as_str() {
                "" => String::new(),
                scopes => format!(", scopes {scopes}"),
            };
            Ok(format!("{}: {staff}{role}{scopes}\n", user.username))
        }
        Command::RemoveSecondFactor { name } => {
            let upkeep = Upkeep::open(config).await?;
            let principal = upkeep.find(name.clone()).await?.principal();
            if !upkeep.authority.remove_second_factor(&principal).await? {
                return Err(Failure::NoSecondFactor);
            }
            // Who had it may have been somebody else.
            let everything = Revoke::Principal(principal);
            upkeep.authority.revoke(everything, RevocationReason::Administrator).await?;
            Ok(format!("{name} logs in without a second factor\n"))
        }
        Command::Deactivate { name } => set_active(config, name, false).await,
        Command::Activate { name } => set_active(config, name, true).await,
        Command::ImportDjangoUsers(args) => import::run(config, args).await,
        Command::Sessions(command) => sessions::run(config, command).await,
        Command::Tokens(command) => tokens::run(config, command).await,
        Command::Keys(command) => keys::run(config, command, Clock::system().now()),
    }
}

async fn serve(config: Config) -> Result<String, Failure> {
    let log_format = config.log_format;
    let running = demo_app::start(config, Clock::system()).await?;
    stop_on_signals(&running.server.handle())?;
    reload_keys_on_signal(running.auth.clone())?;
    tracing::info!(addr = %running.addr, "listening");
    if log_format == LogFormat::Text {
        let text = welcome(running.addr, running.users.is_empty().await?);
        // Nobody has to read it.
        let _ = io::stdout().write_all(text.as_bytes());
    }
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
             The same in a browser: http://{addr}/api/v1/schema/swagger-ui/\n  \
             To see that all is well: http://{addr}/readyz\n\n",
        );
    }
    text
}

/// SIGINT and SIGTERM let the requests under way end.
fn stop_on_signals(server: &ServerHandle) -> io::Result<()> {
    #[cfg(unix)]
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let (server, mut signals) = (server.clone(), unix::signal(kind)?);
        rt::spawn(async move {
            signals.recv().await;
            tracing::info!("stopping");
            server.stop(true).await;
        });
    }
    #[cfg(not(unix))]
    {
        let server = server.clone();
        rt::spawn(async move {
            if rt::signal::ctrl_c().await.is_ok() {
                server.stop(true).await;
            }
        });
    }
    Ok(())
}

/// SIGHUP has the key directory read at once; without it that happens within a second.
fn reload_keys_on_signal(auth: Auth) -> io::Result<()> {
    #[cfg(unix)]
    {
        let mut signals = unix::signal(SignalKind::hangup())?;
        rt::spawn(async move {
            while signals.recv().await.is_some() {
                auth.reload_keys().await;
            }
        });
    }
    #[cfg(not(unix))]
    drop(auth);
    Ok(())
}

async fn migrate(config: &Config) -> Result<String, Failure> {
    let applied = demo_app::open_database(config)?.migrate().await?;
    let mut said: String = applied.iter().map(|name| format!("applied {name}\n")).collect();
    if applied.is_empty() {
        said += "nothing to do: the database is up to date\n";
    }
    Ok(said)
}

async fn set_active(config: Config, name: String, active: bool) -> Result<String, Failure> {
    let Upkeep { users, authority } = Upkeep::open(config).await?;
    match users.set_active(&authority, &name, active).await {
        Ok(()) if active => Ok(format!("{name} can log in\n")),
        Ok(()) => Ok(format!("{name} is logged out and can no longer log in\n")),
        Err(error) => Err(Failure::User(name, error)),
    }
}

/// What the commands work with.
struct Upkeep {
    users: Users,
    authority: Authority,
}

impl Upkeep {
    async fn open(config: Config) -> Result<Self, Failure> {
        let db = demo_app::open_database(&config)?;
        db.migrate().await?;
        // Commands sign nothing. With a key of their own they work where the server's cannot be
        // read, and make no key file. What they revoke is remembered for the longest time that a
        // server may be configured for: they may have been started without its settings.
        let settings = Settings {
            algorithm: Settings::default().algorithm,
            signing_key: Some(random::token().into()),
            verifying_key: None,
            password_lanes: 1,
            single_token_lifetime: LONGEST_BEARER_LIFETIME,
            session_lifetime: None,
            ..config.settings
        };
        let authority = demo_app::authority(settings, None, &db, Clock::system())?;
        Ok(Self { users: Users::new(db), authority })
    }

    async fn find(&self, name: String) -> Result<User, Failure> {
        let user = self.users.find(&name).await?;
        user.ok_or(Failure::User(name, UserError::Unknown))
    }
}

impl PasswordArgs {
    /// From the terminal, asked twice and not shown, or the first line of a pipe.
    fn read(&self) -> Result<String, Failure> {
        let password = if self.password_stdin || !io::stdin().is_terminal() {
            let mut line = String::new();
            io::stdin().lock().take(MAX_PASSWORD_BYTES).read_line(&mut line)?;
            if line.is_empty() {
                return Err(Failure::Password("there is none on the standard input"));
            }
            let line = line.strip_suffix('\n').unwrap_or(&line);
            line.strip_suffix('\r').unwrap_or(line).to_owned()
        } else {
            let password = rpassword::prompt_password("Password: ")?;
            if rpassword::prompt_password("Again: ")? != password {
                return Err(Failure::Password("the two are not the same"));
            }
            password
        };
        Ok(password)
    }
}
