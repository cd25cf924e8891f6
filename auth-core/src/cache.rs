//! Verified tokens: one that was seen before costs a look-up instead of a signature.
//!
//! The table is a fixed number of sets of a few slots each; a token belongs into one set, by its hash.
//! Looking up takes no lock, so nobody who writes can hold a reader up. What was not asked for lately
//! makes place for what is new, never the other way round: tokens that are shown once do not drive
//! out those that are shown all the time.
//!
//! What cannot change is remembered: that the signature is good, and what the token says. What can
//! change is asked at every hit: the time, the ring of keys, and, by the caller, revocation.

use std::collections::TryReserveError;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwapOption;
use foldhash::quality::RandomState;

use crate::claims::{TokenKind, Verified};

const WAYS: usize = 8;

/// A usual token with what it says.
const USUAL_BYTES: usize = 1024;

/// How often a set may be wanted for something new until an entry that is not asked for gives way.
const LIVES: u8 = 3;

/// How many slots are looked at to find room.
const SEARCH: usize = 64;

/// Verified tokens, of a bounded size in bytes.
pub(crate) struct TokenCache {
    slots: Box<[Slot]>,
    hasher: RandomState,
    /// What the entries take.
    bytes: AtomicUsize,
    limit: usize,
    /// Where room was looked for last.
    hand: AtomicUsize,
}

#[derive(Default)]
struct Slot {
    /// The hash of the token. A hint: the entry decides.
    tag: AtomicU64,
    lives: AtomicU8,
    entry: ArcSwapOption<Entry>,
}

struct Entry {
    token: Box<str>,
    /// The ring whose key verified it.
    ring: u64,
    /// When it expires, or its key is no longer used: in milliseconds.
    until: i64,
    verified: Verified,
}

impl Entry {
    fn bytes(&self) -> usize {
        // Two reference counts, and what they count.
        const FIXED: usize = size_of::<Entry>() + size_of::<crate::claims::Facts>() + 64;
        // Of the payload what does not fit into the facts, or the application's claims.
        FIXED + self.token.len() + self.verified.facts().payload().len()
    }
}

impl TokenCache {
    /// At most so many bytes; `None` for too few to keep anything.
    ///
    /// # Errors
    /// There is no memory for the table.
    pub(crate) fn new(limit: usize) -> Result<Option<Self>, TryReserveError> {
        let Some(sets) = (limit / USUAL_BYTES / WAYS).checked_ilog2() else { return Ok(None) };
        let mut slots = Vec::new();
        slots.try_reserve_exact(WAYS << sets)?;
        slots.resize_with(WAYS << sets, Slot::default);
        let (slots, (bytes, hand)) = (slots.into_boxed_slice(), Default::default());
        Ok(Some(Self { slots, hasher: RandomState::default(), bytes, limit, hand }))
    }

    /// A token that was verified with a key of this ring, and has not expired at `now`, in
    /// milliseconds.
    pub(crate) fn get(&self, token: &str, kind: Wanted, ring: u64, now: i64) -> Option<Verified> {
        let tag = self.hasher.hash_one(token);
        for slot in self.set(tag) {
            if slot.tag.load(Ordering::Relaxed) != tag {
                continue;
            }
            let entry = slot.entry.load();
            let Some(entry) = entry.as_deref() else { continue };
            if &*entry.token == token
                && entry.ring == ring
                && now < entry.until
                && kind.is(entry.verified.kind())
            {
                // Written only when it changes, so that the line is shared by all who read.
                if slot.lives.load(Ordering::Relaxed) != LIVES {
                    slot.lives.store(LIVES, Ordering::Relaxed);
                }
                return Some(entry.verified.clone());
            }
        }
        None
    }

    /// Remembers a token, if there is room or something that nobody asks for.
    pub(crate) fn put(&self, token: &str, verified: &Verified, ring: u64, until: i64, now: i64) {
        let entry = Entry { token: token.into(), ring, until, verified: verified.clone() };
        let bytes = entry.bytes();
        if until <= now || bytes > self.limit {
            return;
        }
        let tag = self.hasher.hash_one(token);
        let Some(slot) = self.choose(tag, ring, now) else { return };
        if self.bytes.load(Ordering::Relaxed) + bytes > self.limit
            && !self.make_room(bytes, ring, now)
        {
            return;
        }
        slot.lives.store(0, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.forget(slot.entry.swap(Some(Arc::new(entry))));
        slot.tag.store(tag, Ordering::Relaxed);
    }

    /// Forgets what has expired, and what other keys verified.
    pub(crate) fn sweep(&self, ring: u64, now: i64) {
        if self.bytes.load(Ordering::Relaxed) == 0 {
            return;
        }
        for slot in &self.slots {
            if slot.is_over(ring, now) {
                self.clear(slot);
            }
        }
    }

    /// How many bytes the table and its entries take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed) + size_of_val(&*self.slots)
    }

    fn set(&self, tag: u64) -> &[Slot] {
        let sets = self.slots.len() / WAYS;
        // A power of two. The low bits choose.
        #[expect(clippy::cast_possible_truncation, reason = "the low bits choose")]
        let first = (tag as usize & (sets - 1)) * WAYS;
        &self.slots[first..first + WAYS]
    }

    /// The slot for a new token: its own, an empty one, one that is over, or one that nobody has asked
    /// for while so many others came. Else nobody's, and all are a little nearer to giving way.
    fn choose(&self, tag: u64, ring: u64, now: i64) -> Option<&Slot> {
        let set = self.set(tag);
        let mine = |slot: &&Slot| slot.tag.load(Ordering::Relaxed) == tag;
        let over = |slot: &&Slot| slot.is_over(ring, now);
        let idle = |slot: &&Slot| slot.lives.load(Ordering::Relaxed) == 0;
        let free = set.iter().find(mine).or_else(|| set.iter().find(over));
        free.or_else(|| set.iter().find(idle)).or_else(|| {
            for slot in set {
                let lives = slot.lives.load(Ordering::Relaxed);
                slot.lives.store(lives.saturating_sub(1), Ordering::Relaxed);
            }
            None
        })
    }

    fn make_room(&self, bytes: usize, ring: u64, now: i64) -> bool {
        for _ in 0..SEARCH {
            let at = self.hand.fetch_add(1, Ordering::Relaxed) % self.slots.len();
            let slot = &self.slots[at];
            if slot.is_over(ring, now) || slot.lives.load(Ordering::Relaxed) == 0 {
                self.clear(slot);
            }
            if self.bytes.load(Ordering::Relaxed) + bytes <= self.limit {
                return true;
            }
        }
        false
    }

    fn clear(&self, slot: &Slot) {
        if slot.entry.load().is_some() {
            self.forget(slot.entry.swap(None));
        }
    }

    fn forget(&self, entry: Option<Arc<Entry>>) {
        if let Some(entry) = entry {
            self.bytes.fetch_sub(entry.bytes(), Ordering::Relaxed);
        }
    }
}

impl Slot {
    fn is_over(&self, ring: u64, now: i64) -> bool {
        let entry = self.entry.load();
        entry.as_deref().is_none_or(|entry| entry.until <= now || entry.ring != ring)
    }
}

/// Which kind of token a caller takes: a single token is none of the others, and they are none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Single,
    Bearer,
}

impl Wanted {
    fn is(self, kind: TokenKind) -> bool {
        (kind == TokenKind::Single) == (self == Self::Single)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_finds_no_memory_is_an_error_and_not_the_end() {
        assert!(TokenCache::new(usize::MAX).is_err());
        assert!(TokenCache::new(0).is_ok_and(|cache| cache.is_none()));
    }
}
