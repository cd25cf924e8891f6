//! What a process knows of revocations: in memory, asked at every request, lock-free to read.
//!
//! It holds the revocations that can still concern a live token. The process's own are entered
//! before the call that made them returns; those of others arrive when `RevocationView::apply`
//! is given what the store answers.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicI64, Ordering};

use foldhash::quality::RandomState;

use crate::claims::{Facts, TokenKind};
use crate::session::{Principal, RevocationReason, SessionId};
use crate::store::{News, Revocation, Stamp, Target};

/// Numbers are given out before their rows become visible, so a row can appear after one with
/// a higher number. Every question reaches back over what was new within this time: longer than
/// any transaction may take.
const OVERLAP_MILLIS: i64 = 10_000;

/// How often entries that concern no token any more are looked for.
const SWEEP_MILLIS: i64 = 10_000;

pub(crate) struct RevocationView {
    sessions: papaya::HashMap<SessionId, SessionEntry, RandomState>,
    foreign: ForeignMap,
    /// As `foreign`, for tokens that open routes.
    foreign_access: ForeignMap,
    /// When the store last answered, in milliseconds since 1970.
    synced_at: AtomicI64,
    progress: Mutex<Progress>,
}

#[derive(Clone, Copy)]
struct SessionEntry {
    until_millis: i64,
    /// Tokens that were issued with lower rights are refused; [`ENDED`]: everything is.
    rights_version: u64,
    reason: RevocationReason,
}

const ENDED: u64 = u64::MAX;

/// What the view says about a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    /// It, or its session, has ended.
    Revoked(RevocationReason),
    /// The rights that it was issued with are not those of today. Its session goes on.
    RightsChanged(RevocationReason),
}

#[derive(Clone, Copy)]
struct ForeignEntry {
    at_millis: i64,
    until_millis: i64,
    reason: RevocationReason,
}

#[derive(Default)]
struct Progress {
    /// The highest number that was visible, and when it was first seen, the oldest first.
    heard: VecDeque<(i64, i64)>,
    /// Everything up to this number has been visible for longer than the overlap.
    settled: i64,
    swept_at: i64,
    /// How many questions were asked, and the last that was answered.
    questions: u64,
    answered: u64,
}

/// A question to the store. Several may be under way at once.
pub(crate) struct Question {
    number: u64,
    /// What has a higher number is wanted.
    pub(crate) after: i64,
    asked_at: i64,
}

impl RevocationView {
    pub(crate) fn new() -> Self {
        Self {
            sessions: papaya::HashMap::with_hasher(RandomState::default()),
            foreign: papaya::HashMap::with_hasher(RandomState::default()),
            foreign_access: papaya::HashMap::with_hasher(RandomState::default()),
            synced_at: AtomicI64::new(i64::MIN),
            progress: Mutex::default(),
        }
    }

    /// Whether, and why, the credential is revoked.
    pub(crate) fn verdict(&self, facts: &Facts) -> Verdict {
        if !self.sessions.is_empty()
            && let Some(entry) = self.sessions.pin().get(&facts.session())
        {
            if entry.rights_version == ENDED {
                return Verdict::Revoked(entry.reason);
            }
            // A refresh token shows no rights: it gets new ones.
            if facts.kind != TokenKind::Refresh && facts.rights_version < entry.rights_version {
                return Verdict::RightsChanged(entry.reason);
            }
        }
        if facts.has_session() {
            return Verdict::Good;
        }
        if let Some(reason) = reason_against_foreign(&self.foreign, facts) {
            return Verdict::Revoked(reason);
        }
        match reason_against_foreign(&self.foreign_access, facts) {
            Some(reason) if facts.kind != TokenKind::Refresh => Verdict::RightsChanged(reason),
            _ => Verdict::Good,
        }
    }

    /// The lowest version of rights with which a token of this session is accepted.
    pub(crate) fn rights_version(&self, id: SessionId) -> u64 {
        let entry = self.sessions.pin().get(&id).map(|entry| entry.rights_version);
        entry.filter(|version| *version != ENDED).unwrap_or(0)
    }

    /// How long ago the store last answered, in milliseconds. A clock that was set back since
    /// says nothing about that: the difference counts, whatever its sign.
    pub(crate) fn age_millis(&self, now_millis: i64) -> u64 {
        now_millis.abs_diff(self.synced_at.load(Ordering::Acquire))
    }

    /// Enters one revocation.
    pub(crate) fn enter(&self, target: &Target, stamp: &Stamp) {
        match target {
            Target::Session(id) => self.enter_session(*id, ENDED, stamp),
            Target::Rights { session, version } => self.enter_session(*session, *version, stamp),
            Target::Foreign(principal) => enter_foreign(&self.foreign, principal, stamp),
            Target::ForeignAccess(principal) => {
                enter_foreign(&self.foreign_access, principal, stamp);
            }
        }
    }

    fn enter_session(&self, id: SessionId, rights_version: u64, stamp: &Stamp) {
        let (until_millis, reason) = (stamp.until.timestamp_millis(), stamp.reason);
        let entry = SessionEntry { until_millis, rights_version, reason };
        self.sessions.pin().update_or_insert(
            id,
            |old| SessionEntry {
                until_millis: old.until_millis.max(until_millis),
                rights_version: old.rights_version.max(rights_version),
                // The first reason of what counts stands.
                reason: if old.rights_version < rights_version { reason } else { old.reason },
            },
            entry,
        );
    }

    /// What the store is to be asked now.
    pub(crate) fn question(&self, asked_at: i64) -> Question {
        let mut progress = self.progress();
        progress.questions += 1;
        Question { number: progress.questions, after: progress.settled, asked_at }
    }

    /// Takes in the store's answer.
    pub(crate) fn apply(&self, news: News, question: &Question) {
        let asked_at = question.asked_at;
        let highest = news.revocations.iter().map(|revocation| revocation.seq).max();
        for Revocation { target, stamp, .. } in news.revocations {
            self.enter(&target, &stamp);
        }
        let mut progress = self.progress();
        if question.number < progress.answered {
            // The answer to a later question was quicker, and knows better how far the store is.
            return;
        }
        progress.answered = question.number;
        let heard = progress.heard.back().map_or(progress.settled, |(seq, _)| *seq);
        if news.last_seq < heard {
            // The store was set back to a backup, where new numbers begin below those we have
            // heard of. (Or it was pruned: then this costs one long answer.) From the beginning.
            progress.heard.clear();
            progress.settled = 0;
        } else if let Some(highest) = highest
            && progress.heard.back().is_none_or(|(seq, _)| *seq < highest)
        {
            progress.heard.push_back((highest, asked_at));
        }
        while let Some((seq, heard_at)) = progress.heard.front().copied()
            && heard_at < asked_at - OVERLAP_MILLIS
        {
            progress.settled = progress.settled.max(seq);
            progress.heard.pop_front();
        }
        if progress.swept_at < asked_at - SWEEP_MILLIS {
            progress.swept_at = asked_at;
            self.sessions.pin().retain(|_, entry| entry.until_millis > asked_at);
            self.foreign.pin().retain(|_, entry| entry.until_millis > asked_at);
            self.foreign_access.pin().retain(|_, entry| entry.until_millis > asked_at);
        }
        self.synced_at.store(asked_at, Ordering::Release);
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type ForeignMap = papaya::HashMap<Principal, ForeignEntry, RandomState>;

fn reason_against_foreign(map: &ForeignMap, facts: &Facts) -> Option<RevocationReason> {
    if map.is_empty() {
        return None;
    }
    let map = map.pin();
    let entry = map.get(facts.principal())?;
    // A token that does not say when it was issued may have been issued before. Its time is
    // in whole seconds, so one of the same second may have been, too.
    let issued_before = facts.issued_at.is_none_or(|iat| iat * 1000 <= entry.at_millis);
    issued_before.then_some(entry.reason)
}

fn enter_foreign(map: &ForeignMap, principal: &Principal, stamp: &Stamp) {
    let entry = ForeignEntry {
        at_millis: stamp.at.timestamp_millis(),
        until_millis: stamp.until.timestamp_millis(),
        reason: stamp.reason,
    };
    map.pin().update_or_insert(
        principal.clone(),
        |old| if old.at_millis > entry.at_millis { *old } else { entry },
        entry,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;

    fn revocation(seq: i64, id: u8) -> Revocation {
        let (at, until) = (from_millis(0), from_millis(1_000_000));
        let stamp = Stamp { at, reason: RevocationReason::Logout, until };
        Revocation { seq, target: Target::Session(SessionId::from_bytes([id; 16])), stamp }
    }

    fn news(seqs: &[i64], last_seq: i64) -> News {
        let revocations = seqs.iter().map(|seq| revocation(*seq, *seq as u8)).collect();
        News { revocations, last_seq }
    }

    #[test]
    fn a_question_reaches_back_over_what_was_new_a_moment_ago() {
        let view = RevocationView::new();
        view.apply(news(&[1, 2, 5], 5), &view.question(0));
        assert_eq!(view.question(0).after, 0, "3 and 4 may still appear");
        view.apply(news(&[1, 2, 4, 5], 5), &view.question(9_000));
        assert_eq!(view.question(0).after, 0);
        view.apply(news(&[1, 2, 4, 5], 5), &view.question(10_001));
        assert_eq!(view.question(0).after, 5);
        assert_eq!(view.sessions.len(), 4);
    }

    #[test]
    fn a_store_that_was_set_back_is_read_from_the_beginning() {
        let view = RevocationView::new();
        view.apply(news(&[30], 30), &view.question(0));
        view.apply(news(&[30], 30), &view.question(20_000));
        assert_eq!(view.question(0).after, 30);
        view.apply(news(&[], 2), &view.question(21_000));
        assert_eq!(view.question(0).after, 0);
        view.apply(news(&[1, 2], 2), &view.question(22_000));
        assert_eq!(view.sessions.len(), 3, "what was known stays known");
    }

    #[test]
    fn an_answer_that_was_overtaken_is_no_backup() {
        let view = RevocationView::new();
        let slow = view.question(0);
        view.apply(news(&[1, 2], 2), &view.question(0));
        view.apply(news(&[], 2), &view.question(20_000));
        assert_eq!(view.question(0).after, 2);
        view.apply(news(&[1], 1), &slow);
        assert_eq!(view.question(0).after, 2);
        assert_eq!(view.age_millis(20_000), 0);
    }

    #[test]
    fn what_concerns_no_token_any_more_is_forgotten() {
        let view = RevocationView::new();
        view.apply(news(&[1], 1), &view.question(0));
        view.apply(news(&[], 1), &view.question(1_000_001));
        assert!(view.sessions.is_empty());
    }
}
