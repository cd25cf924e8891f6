//! A wire to the database that can be cut.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use url::Url;

/// Forwards TCP connections to a server. Threads of its own carry them, so it works whatever
/// the runtime of the test is busy with; they end when the proxy is dropped.
pub struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
}

struct Wire {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    condition: Condition,
    open: Vec<TcpStream>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Whole,
    /// Connections break, and new ones are closed at once: the server was stopped.
    Cut,
    /// Connections stay open, and nothing passes: a firewall, a lost route.
    Silent,
    /// The proxy is dropped.
    Gone,
}

impl Proxy {
    /// A proxy before the server of `url`.
    pub fn before(url: &str) -> io::Result<Self> {
        let url = Url::parse(url).map_err(io::Error::other)?;
        let host = url.host_str().unwrap_or("127.0.0.1").to_owned();
        let target = (host, url.port().unwrap_or(5432));

        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = State { condition: Condition::Whole, open: Vec::new() };
        let wire = Arc::new(Wire { state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&wire);
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.state().condition == Condition::Gone {
                    return;
                }
                if let Ok(client) = client {
                    // A connection that fails is closed, which is all that its ends can see.
                    let _ = accepting.connect(client, &target);
                }
            }
        });
        Ok(Self { address, wire })
    }

    /// `url` with the proxy's address in the place of the server's.
    pub fn rewrite(&self, url: &str) -> String {
        let mut url = Url::parse(url).expect("a database URL");
        url.set_host(Some("127.0.0.1")).expect("a host fits into a database URL");
        url.set_port(Some(self.address.port())).expect("a port fits into a database URL");
        url.into()
    }

    /// Breaks all connections and refuses new ones.
    pub fn cut(&self) {
        self.wire.become_(Condition::Cut);
    }

    /// Lets nothing pass any more, without a word.
    pub fn silence(&self) {
        self.wire.become_(Condition::Silent);
    }

    /// Lets new connections pass again.
    pub fn resume(&self) {
        self.wire.become_(Condition::Whole);
    }
}

impl Wire {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn become_(&self, condition: Condition) {
        let mut state = self.state();
        state.condition = condition;
        if condition != Condition::Silent {
            for connection in state.open.drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
        self.changed.notify_all();
    }

    fn connect(self: &Arc<Self>, client: TcpStream, target: &(String, u16)) -> io::Result<()> {
        if self.state().condition == Condition::Cut {
            return Ok(());
        }
        let server = TcpStream::connect((target.0.as_str(), target.1))?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            self.state().open.push(stream.try_clone()?);
        }
        let ways = [(client.try_clone()?, server.try_clone()?), (server, client)];
        for (from, to) in ways {
            let wire = Arc::clone(self);
            thread::spawn(move || {
                let _ = wire.carry(&from, &to);
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
        Ok(())
    }

    fn carry(&self, mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let length = from.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            let mut state = self.state();
            while state.condition == Condition::Silent {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.condition != Condition::Whole {
                return Ok(());
            }
            drop(state);
            to.write_all(&buffer[..length])?;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.wire.become_(Condition::Gone);
        // Wakes the listener, which then sees that it is to end.
        let _ = TcpStream::connect(self.address);
    }
}
