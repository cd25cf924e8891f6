//! The directory of the simulation: a few users whose role and state the history changes.

use std::sync::{Arc, Mutex};

use auth_core::{Account, Outage, Principal, UserDirectory, async_trait};

use super::store::Ground;

pub(crate) const USERS: usize = 3;

pub(crate) struct Users {
    ground: Arc<Ground>,
    accounts: Mutex<Vec<Account>>,
}

impl Users {
    pub(crate) fn new(ground: Arc<Ground>) -> Self {
        let account = |user| Account::new(principal(user), format!("user{user}"));
        Self { ground, accounts: Mutex::new((0..USERS).map(account).collect()) }
    }

    pub(crate) fn change(&self, user: usize, change: impl FnOnce(&mut Account)) {
        change(&mut self.accounts.lock().expect("nothing panics while it holds this")[user]);
    }

    fn find(&self, which: impl Fn(&Account) -> bool) -> Option<Account> {
        let accounts = self.accounts.lock().expect("nothing panics while it holds this");
        accounts.iter().find(|account| which(account)).cloned()
    }

    /// As the store: what it answers is how things were between two waits.
    async fn ask(&self, which: impl Fn(&Account) -> bool) -> Result<Option<Account>, Outage> {
        self.ground.pause().await;
        if self.ground.users_are_away() {
            return Err(Outage::because("the history says so"));
        }
        let found = self.find(which);
        self.ground.pause().await;
        Ok(found)
    }
}

pub(crate) fn principal(user: usize) -> Principal {
    Principal::new("user", user.to_string())
}

/// What a node is given.
pub(crate) struct Directory(pub(crate) Arc<Users>);

#[async_trait]
impl UserDirectory for Directory {
    async fn find_by_login(&self, login: &str) -> Result<Option<Account>, Outage> {
        self.0.ask(|account| account.username == login).await
    }

    async fn load(&self, user_id: &str) -> Result<Option<Account>, Outage> {
        self.0.ask(|account| account.principal.user_id() == user_id).await
    }
}
