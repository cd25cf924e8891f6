//! Operations in flight: what was asked of a node, polled one step at a time.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use auth_core::session::{ClientInfo, Method, RevocationReason};
use auth_core::store::Revoke;
use auth_core::{Authority, LoginError, Outage, Proof, RefreshError, Verified, VerifyError};

use super::deeds::Record;
use super::history::{Credential, Node, Place};
use super::judge::Source;
use super::people::Holder;
use super::truth::Truth;
use super::users::principal;

/// What is asked of a node. Tokens, sessions and users are numbers of the model's.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Login {
        user: usize,
    },
    /// The holder gets the answer, or nobody.
    Refresh {
        token: usize,
        by: Option<Holder>,
        from: Place,
    },
    /// Of a sliding token.
    Exchange {
        bearer: usize,
        by: Option<Holder>,
        from: Place,
    },
    ShowCookie {
        cookie: usize,
        by: Option<Holder>,
        from: Place,
    },
    RenewCookie {
        cookie: usize,
        by: Option<Holder>,
    },
    Blacklist {
        token: usize,
    },
    Logout {
        session: usize,
    },
    RevokeSession {
        session: usize,
    },
    RevokeOthers,
    RevokePrincipal {
        user: usize,
    },
    RevokeAccessTokens,
    ChangePassword {
        user: usize,
    },
    Sync,
    Prune,
}

/// What it answers.
pub(crate) enum Granted {
    Tokens { bearer: String, refresh: Option<String> },
    Cookie(String),
    Admitted(Verified),
    Done,
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tokens { refresh: Some(_), .. } => "a token and a refresh token",
            Self::Tokens { refresh: None, .. } => "a token",
            Self::Cookie(_) => "a cookie",
            Self::Admitted(_) => "admitted",
            Self::Done => "done",
        })
    }
}

/// Why it answers nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Outage,
    Revoked(RevocationReason),
    Expired,
    Stale,
    NoActiveAccount,
    Invalid(String),
}

pub(crate) type Answered = Result<Granted, Failure>;

pub(crate) struct Operation {
    pub(crate) node: Node,
    pub(crate) ask: Ask,
    pub(crate) record: Record,
    /// When it was asked, by the clock of the node.
    pub(crate) began_at: i64,
    /// When its session would have ended then.
    pub(crate) first_end: i64,
    pub(crate) polls: u32,
    /// Whether it waits for something that takes long.
    pub(crate) hangs: bool,
    future: Pin<Box<dyn Future<Output = Answered>>>,
}

impl Ask {
    /// The session whose credential is shown.
    pub(crate) fn session(&self, truth: &Truth) -> Option<usize> {
        match *self {
            Self::Refresh { token, .. } | Self::Blacklist { token } => {
                Some(truth.refreshes[token].session)
            }
            Self::Exchange { bearer, .. } => Some(truth.bearers[bearer].session),
            Self::ShowCookie { cookie, .. } => Some(truth.cookies[cookie].session),
            _ => None,
        }
    }

    pub(crate) fn shows_a_cookie(&self) -> bool {
        matches!(self, Self::ShowCookie { .. })
    }
}

impl Operation {
    pub(crate) fn new(
        node: Node,
        ask: Ask,
        since: u64,
        began_at: i64,
        first_end: i64,
        future: impl Future<Output = Answered> + 'static,
    ) -> Self {
        let (record, future) = (Record::since(since), Box::pin(future));
        Self { node, ask, record, began_at, first_end, polls: 0, hangs: false, future }
    }

    pub(crate) fn poll(&mut self) -> Poll<Answered> {
        self.polls += 1;
        self.future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Where the answer to a cookie came from: memory does not wait.
    pub(crate) fn source(&self) -> Source {
        match (self.polls, self.record.failed) {
            (1, _) => Source::Memory,
            (_, true) => Source::MemoryInAnOutage,
            (_, false) => Source::Store,
        }
    }
}

/// The answer of something that does not wait.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("nothing waits while the world is at rest"),
    }
}

pub(crate) async fn log_in(node: Authority, user: usize, gets: Credential) -> Answered {
    let proof = Proof::vouched(principal(user), [Method::OneTimeCode]);
    let client = Place::Home.client();
    Ok(match gets {
        Credential::Pair => {
            let pair = node.start_pair(proof, &client).await?.granted;
            let refresh = Some(pair.refresh.into_string());
            Granted::Tokens { bearer: pair.access.into_string(), refresh }
        }
        Credential::Sliding => {
            let sliding = node.start_sliding(proof, &client).await?.granted;
            Granted::Tokens { bearer: sliding.into_string(), refresh: None }
        }
        Credential::Single => {
            let single = node.start_single(proof, &client).await?.granted;
            Granted::Tokens { bearer: single.into_string(), refresh: None }
        }
        Credential::Cookie => {
            Granted::Cookie(node.start_cookie(proof, &client).await?.granted.into_string())
        }
    })
}

pub(crate) async fn refresh(node: Authority, token: String, client: ClientInfo) -> Answered {
    let refreshed = node.refresh(&token, &client).await?;
    let refresh = refreshed.refresh.map(|token| token.into_string());
    Ok(Granted::Tokens { bearer: refreshed.access.into_string(), refresh })
}

pub(crate) async fn exchange(node: Authority, token: String, client: ClientInfo) -> Answered {
    let sliding = node.refresh_sliding(&token, &client).await?;
    Ok(Granted::Tokens { bearer: sliding.into_string(), refresh: None })
}

pub(crate) async fn show_cookie(node: Authority, cookie: String, client: ClientInfo) -> Answered {
    Ok(Granted::Admitted(node.authenticate_cookie(&cookie, &client).await?))
}

pub(crate) async fn renew_cookie(node: Authority, cookie: String) -> Answered {
    let renewed = node.renew_cookie(&cookie).await?;
    Ok(renewed.map_or(Granted::Done, |cookie| Granted::Cookie(cookie.into_string())))
}

pub(crate) async fn blacklist(node: Authority, token: String) -> Answered {
    node.blacklist(&token).await?;
    Ok(Granted::Done)
}

pub(crate) async fn log_out(node: Authority, verified: Verified) -> Answered {
    node.logout(&verified).await?;
    Ok(Granted::Done)
}

pub(crate) async fn revoke(node: Authority, revoke: Revoke, why: RevocationReason) -> Answered {
    node.revoke(revoke, why).await?;
    Ok(Granted::Done)
}

pub(crate) async fn change_password(node: Authority, user: usize) -> Answered {
    node.password_changed(principal(user)).await?;
    Ok(Granted::Done)
}

pub(crate) async fn sync(node: Authority) -> Answered {
    node.sync().await?;
    Ok(Granted::Done)
}

pub(crate) async fn prune(node: Authority) -> Answered {
    node.prune().await?;
    Ok(Granted::Done)
}

impl From<Outage> for Failure {
    fn from(_: Outage) -> Self {
        Self::Outage
    }
}

impl From<LoginError> for Failure {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials => Self::NoActiveAccount,
            LoginError::UnknownUserType | LoginError::SecondFactorRequired => {
                Self::Invalid(error.to_string())
            }
            LoginError::Outage(outage) => outage.into(),
        }
    }
}

impl From<RefreshError> for Failure {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Token(error) => error.into(),
            RefreshError::NoActiveAccount => Self::NoActiveAccount,
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Expired => Self::Expired,
            VerifyError::Revoked(reason) => Self::Revoked(reason),
            VerifyError::Stale => Self::Stale,
            VerifyError::Outage(outage) => outage.into(),
            error => Self::Invalid(error.to_string()),
        }
    }
}
