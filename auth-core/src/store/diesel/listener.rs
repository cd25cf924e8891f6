//! Hearing of revocations by `LISTEN`: a nudge to ask, never the news itself. It takes one more
//! connection, directly to the server: behind a pooler that shares sessions nothing is heard, and
//! asking now and then is what remains.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tokio::sync::watch;

use super::postgres::Opener;
use crate::error::Outage;

/// What the trigger of `auth_revocations` notifies.
const LISTEN: &str = "LISTEN auth_revocations";

/// How often the connection is looked at. A look is one system call, and Diesel cannot wait for
/// what arrives without a question.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long to wait before connecting again.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Listens, on a connection of its own, for as long as somebody holds what is answered.
pub(super) fn listen(opener: Arc<Opener>) -> Result<Arc<watch::Sender<u64>>, Outage> {
    let nudges = Arc::new(watch::Sender::new(0));
    let listener = Arc::downgrade(&nudges);
    thread::Builder::new()
        .name("auth-listener".into())
        .spawn(move || serve(&opener, &listener))
        .map_err(Outage::because)?;
    Ok(nudges)
}

fn serve(opener: &Opener, listener: &Weak<watch::Sender<u64>>) {
    while listener.strong_count() > 0 {
        // That the database is away is told by those who ask it.
        if let Ok(mut connection) = opener.connect_aside() {
            let _ = forward(&mut connection, listener);
        }
        thread::sleep(RECONNECT_AFTER);
    }
}

/// Forwards notifications until the connection is lost or nobody listens any more.
fn forward(connection: &mut PgConnection, listener: &Weak<watch::Sender<u64>>) -> QueryResult<()> {
    connection.batch_execute(LISTEN)?;
    // What was notified before is unknown.
    let mut heard = true;
    while let Some(nudges) = listener.upgrade() {
        for notification in connection.notifications_iter() {
            notification?;
            heard = true;
        }
        if heard {
            nudges.send_modify(|number| *number += 1);
            heard = false;
        }
        drop(nudges);
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}
