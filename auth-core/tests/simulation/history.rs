//! What can happen: a history is a profile of settings and some steps.
//!
//! Who a step concerns is a number, taken modulo how many there are when it happens, so that every
//! history means something and stays meaningful when proptest leaves steps out.

use std::fmt;

use auth_core::ClientInfo;

use super::profile::Profile;

/// Everything that a run depends on.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) profile: Profile,
    pub(crate) steps: Vec<Step>,
}

/// Something happens, and the operations in flight go on for a while.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) act: Act,
    pub(crate) then: Then,
}

/// How the operations in flight go on after an act.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// All that do not hang run to their end, the oldest first.
    Finish,
    /// Some are polled once each; one that hung does no longer. Every octal digit, the last one
    /// first, picks the next.
    Turns(u32),
    /// The latest is polled so often, and hangs from then on. The others finish.
    Hang(u32),
}

/// One of the two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    A,
    B,
}

/// Which processes something happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nodes {
    One(Node),
    Both,
}

/// What a login hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    Pair,
    Sliding,
    Single,
    Cookie,
}

/// Somebody who holds credentials: an honest client, or a thief who copied one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Client(u8),
    Thief(u8),
}

/// Whether the answer reaches the one who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Arrives,
    IsLost,
}

/// From where somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where everybody logs in.
    Home,
    /// Another address of the same network.
    NextDoor,
    Abroad,
    /// At home, with another browser.
    OtherAgent,
    /// Nothing is known of it.
    Unknown,
}

/// What an outage of the store loses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The question: nothing happened.
    Question,
    /// The answer: it happened, and nobody was told.
    Answer,
}

/// How long to wait. The ends that the settings set are met from both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Millis(u16),
    Grace,
    PastGrace,
    Staleness,
    PastStaleness,
    AccessLifetime,
    /// Until a session ends unless it is used.
    ToTheEndOf {
        client: u8,
        past: bool,
    },
    Hours(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The followers of the nodes run at the end of the wait, or nobody asks for revocations.
    Wait {
        span: Span,
        synced: bool,
    },
    Sync(Node),
    Login {
        user: u8,
        gets: Credential,
        at: Node,
    },
    /// A user arrives with tokens of another issuer that has our key.
    ForeignLogin {
        user: u8,
        outlives_us: bool,
    },
    /// A token is refreshed or exchanged, a cookie is shown.
    Refresh {
        who: Who,
        at: Node,
        from: Place,
        answer: Answer,
    },
    /// Several tabs refresh the same token at once, on both nodes.
    RefreshInTabs {
        client: u8,
        tabs: u8,
    },
    /// An access token is shown to both nodes.
    Show(Who),
    Steal {
        from: u8,
    },
    Logout {
        who: Who,
        at: Node,
    },
    Blacklist {
        who: Who,
        at: Node,
    },
    RevokeSession {
        client: u8,
        at: Node,
    },
    RevokeOthers {
        client: u8,
        at: Node,
    },
    RevokePrincipal {
        user: u8,
        at: Node,
    },
    ChangePassword {
        user: u8,
        at: Node,
    },
    ChangeRole {
        user: u8,
    },
    /// A role is changed, and then what was issued with the old one is revoked.
    ChangeRights {
        user: u8,
        at: Node,
    },
    Deactivate {
        user: u8,
        at: Node,
    },
    Reactivate {
        user: u8,
    },
    /// The next verbs of the store fail.
    StoreFails {
        on: Nodes,
        lost: Lost,
        verbs: u8,
    },
    /// The next questions about users fail.
    DirectoryFails {
        questions: u8,
    },
    /// All outages end.
    Heal,
    /// An operation is dropped between two steps of the store, as by a closed connection.
    Crash {
        operation: u8,
    },
    /// A process dies, with all that it was doing, and another takes its place.
    Restart(Node),
    Prune(Node),
    /// Everything in flight ends, and everything is looked at.
    LookAround,
}

impl Node {
    pub(crate) const BOTH: [Self; 2] = [Self::A, Self::B];

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl Nodes {
    pub(crate) fn contains(self, node: Node) -> bool {
        self == Self::Both || self == Self::One(node)
    }
}

impl Place {
    /// What a node is told of the one who asks.
    pub(crate) fn client(self) -> ClientInfo {
        let (ip, agent) = match self {
            Self::Home => (Some("192.0.2.7"), Some("fox")),
            Self::NextDoor => (Some("192.0.2.8"), Some("fox")),
            Self::Abroad => (Some("198.51.100.7"), Some("fox")),
            Self::OtherAgent => (Some("192.0.2.7"), Some("owl")),
            Self::Unknown => (None, None),
        };
        ClientInfo::new(ip, agent)
    }
}

impl Then {
    /// Which of the operations in flight are polled, in this order.
    pub(crate) fn picks(turns: u32) -> impl Iterator<Item = usize> {
        let digits = std::iter::successors(Some(turns), |rest| Some(rest >> 3));
        digits.take_while(|rest| *rest > 0).map(|rest| (rest & 7) as usize)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, then {:?}", self.act, self.then)
    }
}

impl fmt::Debug for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finish => f.write_str("finish"),
            Self::Hang(polls) => write!(f, "hang after {polls} polls"),
            Self::Turns(turns) => {
                f.write_str("turns of ")?;
                f.debug_list().entries(Self::picks(*turns)).finish()
            }
        }
    }
}
