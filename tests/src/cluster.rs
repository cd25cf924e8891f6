//! A PostgreSQL server of the test's own, to be crashed and frozen.

use std::ffi::OsStr;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use tempfile::TempDir;

use crate::TestDb;
use crate::database::{block_on, skip};

/// Small, since three applications are all that it serves, and as durable as in production
/// (`fsync` and `synchronous_commit` are on by default): what a crash leaves is the question.
const CONFIGURATION: &str = "
    listen_addresses = '127.0.0.1'
    max_connections = 50
    shared_buffers = 16MB
    max_wal_size = 64MB
    autovacuum = off
";

/// PostgreSQL refuses to run as root.
const UNPRIVILEGED: &str = "postgres";

/// Runs a test with a cluster of its own, or says that it was skipped.
pub fn run_on_a_cluster<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Cluster) -> F) {
    match Cluster::create() {
        Ok(cluster) => block_on(test(cluster)),
        Err(missing) => skip(name, missing),
    }
}

/// A running server. It is stopped and its files are gone when this is dropped, whatever became
/// of the test.
pub struct Cluster {
    // First, so that it is stopped before its directory goes.
    server: Server,
    db: Arc<TestDb>,
}

struct Server {
    bin: PathBuf,
    directory: TempDir,
    is_root: bool,
}

impl Cluster {
    /// Makes one and starts it, or says what the machine lacks.
    fn create() -> Result<Self, &'static str> {
        let bin = find_bin().ok_or("there is no initdb in PATH or in /usr/lib/postgresql/*/bin")?;
        let directory = TempDir::new().expect("a temporary directory can be made");
        let is_root = directory.path().metadata().expect("it was just made").uid() == 0;
        if is_root && !run(Command::new("id").arg(UNPRIVILEGED)).status.success() {
            return Err("PostgreSQL does not run as root, and there is no user postgres");
        }
        if !Path::new("/proc/self/stat").exists() {
            return Err("the processes of the server are found in /proc, which is not there");
        }
        let server = Server { bin, directory, is_root };
        let port = free_port();
        server.init(port);
        server.start();
        let db = TestDb::elsewhere(format!("postgres://postgres@127.0.0.1:{port}/postgres"));
        Ok(Self { server, db: Arc::new(db) })
    }

    /// Its database. It stays what it is when the server is stopped and started again.
    pub fn db(&self) -> &Arc<TestDb> {
        &self.db
    }

    /// Starts the server again, and waits until it has recovered.
    pub fn start(&self) {
        self.server.start();
    }

    /// Stops the server as a crash would: connections break, and nothing is written that was not
    /// written before.
    pub fn stop_immediate(&self) {
        let stopped = self.server.stop_immediate();
        assert!(stopped, "the server can be stopped");
    }

    /// Stops the server where it is (SIGSTOP). The kernel still takes connections and requests for
    /// it; nothing is answered.
    pub fn freeze(&self) {
        // The postmaster first, which then makes no further processes.
        let postmaster = self.server.postmaster().expect("the server runs");
        signal("STOP", &[postmaster]);
        signal("STOP", &children_of(postmaster));
    }

    /// Lets the server go on (SIGCONT).
    pub fn thaw(&self) {
        self.server.thaw();
    }
}

impl Server {
    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.data().join("server.log")
    }

    fn init(&self, port: u16) {
        let data = self.data();
        fs::create_dir(&data).expect("the directory is ours");
        if self.is_root {
            let open = fs::Permissions::from_mode(0o755);
            fs::set_permissions(self.directory.path(), open).expect("the directory is ours");
            let given = run(Command::new("chown").arg(UNPRIVILEGED).arg(&data));
            assert!(given.status.success(), "{given:?}");
        }
        let mut initdb = self.command("initdb");
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        let made = run(&mut initdb);
        assert!(made.status.success(), "{made:?}");

        let configuration = data.join("postgresql.conf");
        let mut file = fs::OpenOptions::new().append(true).open(configuration).expect("initdb");
        let (directory, own) = (data.display(), CONFIGURATION);
        let place = format!("port = {port}\nunix_socket_directories = '{directory}'\n");
        write!(file, "{own}{place}").expect("a temporary file can be written");
    }

    fn start(&self) {
        let log = self.log();
        let mut start = self.command("pg_ctl");
        start.args([OsStr::new("start"), "-w".as_ref(), "-l".as_ref(), log.as_os_str()]);
        let started = run(&mut start);
        let said = || fs::read_to_string(&log).unwrap_or_default();
        assert!(started.status.success(), "{started:?}\n{}", said());
    }

    fn stop_immediate(&self) -> bool {
        let mut stop = self.command("pg_ctl");
        run(stop.args(["stop", "-w", "-m", "immediate"])).status.success()
    }

    fn thaw(&self) {
        if let Some(postmaster) = self.postmaster() {
            signal("CONT", &children_of(postmaster));
            signal("CONT", &[postmaster]);
        }
    }

    /// The first process of the server, of which all others are children.
    fn postmaster(&self) -> Option<u32> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        file.lines().next()?.trim().parse().ok()
    }

    /// A program of PostgreSQL, for this cluster.
    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = if self.is_root {
            let mut command = Command::new("runuser");
            command.args(["-u", UNPRIVILEGED, "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        // Anybody may be there.
        command.current_dir("/").arg("-D").arg(self.data());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What is frozen cannot be stopped. A server that is stopped already refuses to be
        // stopped, and a second panic would hide the first.
        self.thaw();
        let _ = self.stop_immediate();
    }
}

fn run(command: &mut Command) -> process::Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Where the programs of PostgreSQL are: in `PATH`, or where Debian keeps each version apart.
fn find_bin() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).find(|bin| bin.join("initdb").is_file());
    in_path.or_else(|| {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(Result::ok);
        let found = versions.map(|version| version.path().join("bin"));
        let version = |bin: &PathBuf| bin.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
        found.filter(|bin| bin.join("initdb").is_file()).max_by_key(version)
    })
}

/// A port that is free and stays so while the server is down: one below those that the kernel
/// gives to clients, of which the tests have thousands.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = process::id() % 10_000;
    (0..10_000)
        .map(|_| (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000)
        .map(|number| u16::try_from(20_000 + number).expect("a port has 16 bits"))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("some port is free")
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("checked when the cluster was made");
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

/// `None` for a process that has ended meanwhile.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // 17 (a name (which may have blanks)) S 1 …
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

fn signal(name: &str, processes: &[u32]) {
    // Every shell has it; the program `kill` is not everywhere.
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"kill -s "$@""#, "sh", name]);
    // One that has ended meanwhile cannot be told anything, and need not.
    run(shell.args(processes.iter().map(u32::to_string)));
}
