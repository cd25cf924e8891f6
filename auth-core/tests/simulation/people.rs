//! Who holds what: honest clients, and thieves with copies of it.

use super::history::Who;
use super::truth::Truth;

/// The credentials of one login on one device, as numbers of the model's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Purse {
    pub(crate) user: usize,
    pub(crate) refresh: Option<usize>,
    pub(crate) bearer: Option<usize>,
    pub(crate) cookie: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    Client(usize),
    Thief(usize),
}

#[derive(Default)]
pub(crate) struct People {
    clients: Vec<Purse>,
    thieves: Vec<Purse>,
}

impl People {
    /// Who is meant: the number is taken modulo how many there are.
    pub(crate) fn find(&self, who: Who) -> Option<Holder> {
        let choose = |number: u8, of: usize| (of > 0).then(|| usize::from(number) % of);
        match who {
            Who::Client(number) => choose(number, self.clients.len()).map(Holder::Client),
            Who::Thief(number) => choose(number, self.thieves.len()).map(Holder::Thief),
        }
    }

    pub(crate) fn clients(&self) -> usize {
        self.clients.len()
    }

    pub(crate) fn purse(&self, holder: Holder) -> Purse {
        match holder {
            Holder::Client(index) => self.clients[index],
            Holder::Thief(index) => self.thieves[index],
        }
    }

    pub(crate) fn arrive(&mut self, purse: Purse) {
        self.clients.push(purse);
    }

    pub(crate) fn steal(&mut self, from: Holder) {
        self.thieves.push(self.purse(from));
    }

    /// Takes tokens. Of two refresh tokens the later one is kept, in whatever order they came.
    pub(crate) fn keep(
        &mut self,
        holder: Holder,
        refresh: Option<usize>,
        bearer: usize,
        truth: &Truth,
    ) {
        let purse = self.purse_mut(holder);
        let generation = |token: usize| truth.refreshes[token].generation;
        let is_later =
            |new: &usize| purse.refresh.is_none_or(|old| generation(old) < generation(*new));
        purse.refresh = refresh.filter(is_later).or(purse.refresh);
        purse.bearer = Some(bearer);
    }

    /// Takes a cookie, unless there is a later one.
    pub(crate) fn keep_cookie(&mut self, holder: Holder, new: usize, truth: &Truth) {
        let purse = self.purse_mut(holder);
        let generation = |cookie: usize| truth.cookies[cookie].generation;
        if purse.cookie.is_none_or(|old| generation(old) < generation(new)) {
            purse.cookie = Some(new);
        }
    }

    fn purse_mut(&mut self, holder: Holder) -> &mut Purse {
        match holder {
            Holder::Client(index) => &mut self.clients[index],
            Holder::Thief(index) => &mut self.thieves[index],
        }
    }
}

impl Purse {
    /// The session that it is about.
    pub(crate) fn session(&self, truth: &Truth) -> Option<usize> {
        let of_bearer = self.bearer.map(|bearer| truth.bearers[bearer].session);
        let of_cookie = self.cookie.map(|cookie| truth.cookies[cookie].session);
        of_bearer.or(of_cookie)
    }
}
