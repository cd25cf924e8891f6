//! People who log in, refresh and log out on all nodes, whatever happens to those: honest clients,
//! who ask again when they are told to come back, and go to another node when one has died.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use tests::{Anonymous, Answer, eventually};

use crate::credential::{Carrier, Credential, Logout};
use crate::{Nodes, create_user, pause};

/// How many clients do the same at once.
const REFRESHING: usize = 4;
const REVOKING: usize = 3;

const WAYS: [(Carrier, Logout); 3] = [
    (Carrier::Pair, Logout::Blacklist),
    (Carrier::Cookie, Logout::Session),
    (Carrier::Pair, Logout::All),
];

/// What was done, as the clients know it from the answers.
pub(crate) struct Traffic<'a> {
    nodes: &'a Nodes,
    over: Cell<bool>,
    count: Cell<Count>,
    /// What was revoked. The nodes may not have heard of the last few yet.
    revoked: RefCell<Vec<Credential>>,
}

/// How much was answered.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Count {
    logins: usize,
    refreshes: usize,
    revocations: usize,
    outages: usize,
    slowest: Duration,
}

impl Count {
    /// How often the answer was 503.
    pub(crate) fn outages(&self) -> usize {
        self.outages
    }

    /// How long the slowest answer took.
    pub(crate) fn slowest(&self) -> Duration {
        self.slowest
    }

    /// Enough for something to happen to all of it.
    fn is_enough_since(&self, before: &Self) -> bool {
        self.logins >= before.logins + 3
            && self.refreshes >= before.refreshes + 30
            && self.revocations >= before.revocations + 6
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { logins, refreshes, revocations, outages, slowest } = self;
        write!(f, "{logins} logins, {refreshes} refreshes, {revocations} revocations, ")?;
        write!(f, "{outages} times 503, slowest answer {slowest:.1?}")
    }
}

impl<'a> Traffic<'a> {
    pub(crate) fn on(nodes: &'a Nodes) -> Self {
        create_user(&nodes.db, "anna");
        for number in 0..REVOKING {
            create_user(&nodes.db, &revoking_user(number));
        }
        let (over, count, revoked) = Default::default();
        Self { nodes, over, count, revoked }
    }

    /// Goes on until the script ends. Then, everything that was answered has to be true.
    pub(crate) async fn during(&self, script: impl Future<Output = ()>) -> Count {
        let refreshing = join_all((0..REFRESHING).map(|number| self.keep_refreshing(number)));
        let revoking = join_all((0..REVOKING).map(|number| self.keep_revoking(number)));
        let script = async {
            script.await;
            self.over.set(true);
        };
        let (refreshed, new, _, ()) =
            tokio::join!(refreshing, self.keep_logging_in(), revoking, script);
        let alive = refreshed.into_iter().flatten().chain(new);
        self.check(alive.collect()).await;
        self.count.get()
    }

    /// Waits until all kinds of requests have succeeded again.
    pub(crate) async fn goes_on(&self) {
        let before = self.count.get();
        eventually("logins, refreshes and revocations succeed", async || {
            self.count.get().is_enough_since(&before)
        })
        .await;
    }

    /// What was revoked so far.
    pub(crate) fn revoked(&self) -> Vec<Credential> {
        self.revoked.borrow().clone()
    }

    /// Refreshes one session with each node in turn. Answers what the client holds in the end.
    async fn keep_refreshing(&self, number: usize) -> Option<Credential> {
        let mut pair = self.log_in(number, Carrier::Pair, "anna").await?;
        for turn in number.. {
            if self.over.get() {
                break;
            }
            match self.ask(turn, |node| pair.refresh(node)).await {
                Some(answer) if answer.status == 200 => {
                    pair = Carrier::Pair.granted(&answer);
                    self.note(|count| count.refreshes += 1);
                }
                Some(answer) => drop(answer.expect_status(503)),
                None => {}
            }
            if let Some(answer) = self.ask(turn + 1, |node| pair.me(node)).await {
                assert!(matches!(answer.status, 200 | 503), "a living session: {answer:?}");
            }
            pause().await;
        }
        Some(pair)
    }

    /// Logs in with each node in turn, and does nothing more. Answers what was granted.
    async fn keep_logging_in(&self) -> Vec<Credential> {
        let mut pairs = Vec::new();
        while let Some(pair) = self.log_in(pairs.len(), Carrier::Pair, "anna").await {
            pairs.push(pair);
            pause().await;
        }
        pairs
    }

    /// Logs in and out again, each time with another node and in another way.
    async fn keep_revoking(&self, number: usize) {
        let user = revoking_user(number);
        for turn in number.. {
            let (carrier, logout) = WAYS[turn % WAYS.len()];
            let Some(credential) = self.log_in(turn, carrier, &user).await else { return };
            if !self.log_out(turn / WAYS.len(), &credential, logout).await {
                return;
            }
            self.note(|count| count.revocations += 1);
            self.revoked.borrow_mut().push(credential);
            pause().await;
        }
    }

    /// `None` when all is over before a login succeeds.
    async fn log_in(&self, first: usize, carrier: Carrier, user: &str) -> Option<Credential> {
        for turn in first.. {
            if self.over.get() {
                break;
            }
            match self.ask(turn, |node| carrier.log_in(node, user)).await {
                Some(answer) if answer.status == 200 => {
                    self.note(|count| count.logins += 1);
                    return Some(carrier.granted(&answer));
                }
                Some(answer) => drop(answer.expect_status(503)),
                None => {}
            }
            pause().await;
        }
        None
    }

    /// Whether the logout has succeeded before all is over.
    async fn log_out(&self, first: usize, credential: &Credential, how: Logout) -> bool {
        let mut in_doubt = false;
        for turn in first.. {
            if self.over.get() {
                break;
            }
            let answer = self.ask(turn, |node| credential.log_out(how, node)).await;
            match answer.map(|answer| answer.status) {
                Some(200 | 204) => return true,
                // It had been done, and only its answer was lost.
                Some(401) if in_doubt => return true,
                Some(503) | None => in_doubt = true,
                Some(status) => panic!("a logout of a living session: {status}"),
            }
            pause().await;
        }
        false
    }

    /// Asks a node. `None` where it is killed, before or meanwhile.
    async fn ask(
        &self,
        node: usize,
        request: impl Fn(&Anonymous) -> RequestBuilder,
    ) -> Option<Answer> {
        let entrance = self.nodes.at(node)?;
        let begun = Instant::now();
        let answer = match Answer::try_to(request(&entrance)).await {
            Ok(answer) => answer,
            Err(error) => {
                let killed = self.nodes.at(node).is_none_or(|now| !now.is_at(&entrance));
                assert!(killed, "node {} lives and does not answer: {error}", node % 3);
                return None;
            }
        };
        self.note(|count| count.slowest = count.slowest.max(begun.elapsed()));
        if answer.status >= 500 {
            answer.expect_outage();
            self.note(|count| count.outages += 1);
        }
        Some(answer)
    }

    fn note(&self, change: impl FnOnce(&mut Count)) {
        let mut count = self.count.get();
        change(&mut count);
        self.count.set(count);
    }

    /// What was revoked is refused by every node, and who was given a token goes on with it.
    async fn check(&self, alive: Vec<Credential>) {
        let revoked = self.revoked();
        assert!(!alive.is_empty() && !revoked.is_empty());
        for node in Nodes::ALL {
            for credential in &revoked {
                eventually("what was revoked is refused", async || {
                    self.nodes.me(node, credential).await.status == 401
                })
                .await;
                if let Credential::Pair { .. } = credential {
                    let refresh = credential.refresh(&self.nodes.alive(node));
                    Answer::to(refresh).await.expect_status(401);
                }
            }
        }
        for (number, held) in alive.into_iter().enumerate() {
            let answer = Answer::to(held.refresh(&self.nodes.alive(number))).await;
            let renewed = Carrier::Pair.granted(&answer);
            for node in Nodes::ALL {
                self.nodes.me(node, &held).await.expect_status(200);
                self.nodes.me(node, &renewed).await.expect_status(200);
            }
        }
    }
}

fn revoking_user(number: usize) -> String {
    format!("boris{number}")
}
