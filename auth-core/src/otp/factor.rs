//! The second factor of an account: an authenticator app, and codes for the day when it is lost.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::seal::SealedSecret;
use super::totp::to_base32;
use super::{CodePolicy, tidy};
use crate::random;
use crate::rotation::later;
use crate::session::SecretHash;
use crate::token::{RecoveryCode, TotpSecret, TotpUri};

/// How many recovery codes there are.
pub(crate) const RECOVERY_CODES: usize = 10;

/// 120 bits: enough for a hash that is not slow (ASVS 6.5.2 draws the line at 112).
const RECOVERY_BYTES: usize = 15;

/// A factor, as a store keeps it: one a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFactor {
    /// What the app knows. It also tells this factor from one that was made later.
    pub secret: SealedSecret,
    /// When the secret was shown.
    pub created_at: DateTime<Utc>,
    /// When the first code of it was; until then nothing is asked for at login.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// The step (time in units of 30 seconds) whose code was last accepted; 0 for none.
    pub last_step: i64,
    /// How many codes were tried since one was accepted, or since `tries` began anew.
    pub tries: u64,
    /// When they begin anew.
    pub tries_until: DateTime<Utc>,
    /// How many codes were compared since one was accepted: the more, the later `tries` begin anew.
    pub failures: u64,
    /// The hashes of the recovery codes that are left.
    pub recovery: Vec<SecretHash>,
}

/// After so many failures that `tries` would begin anew later than this, they begin anew after this.
const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 3600);

impl StoredFactor {
    /// With one more try. So many as the policy allows are compared within its lifetime, and then in twice, four
    /// times … that time, until one is right: who has the password has as good as no chance to guess the
    /// code (NIST SP 800-63B-4 §3.2.2; 100 take twelve days).
    fn tried(self, now: DateTime<Utc>, policy: &CodePolicy) -> Self {
        let anew = |factor: Self| {
            let doublings = (factor.failures / policy.attempts.max(1)).min(16) as u32;
            let window = (policy.lifetime * 2_u32.pow(doublings)).min(LONGEST_WINDOW);
            Self { tries: 0, tries_until: later(now, window), ..factor }
        };
        let factor = if self.tries_until <= now { anew(self) } else { self };
        let tries = factor.tries.saturating_add(1);
        let failures = factor.failures + u64::from(tries <= policy.attempts);
        Self { tries, failures, ..factor }
    }

    /// After a code that was right: the next try begins anew.
    fn with_all_tries(self) -> Self {
        Self { tries: 0, tries_until: self.created_at, failures: 0, ..self }
    }

    /// Whether a code may be compared, with the present try among the `tries`.
    pub fn admits_try(&self, policy: &CodePolicy) -> bool {
        self.tries <= policy.attempts
    }
}

/// What happens to the factor of a principal. The changes that name a `secret` are only made to the factor
/// that has it.
#[derive(Clone, Debug)]
pub enum FactorChange {
    /// There is a secret that has to be confirmed. It takes the place of one that was not.
    Enrol {
        /// The secret.
        secret: SealedSecret,
        /// Now.
        at: DateTime<Utc>,
    },
    /// The first code was right.
    Confirm {
        /// Which factor.
        secret: SealedSecret,
        /// The step of the code.
        step: i64,
        /// The hashes of the recovery codes.
        recovery: Vec<SecretHash>,
        /// Now.
        at: DateTime<Utc>,
    },
    /// A code is about to be compared, at a login or to confirm.
    Try {
        /// Whether it is for a login, to a factor that is confirmed, or to confirm one that is not.
        confirmed: bool,
        /// Now.
        now: DateTime<Utc>,
        /// How many tries within what time.
        policy: CodePolicy,
    },
    /// The code of a step was right; of those who bring it at once, one succeeds.
    Accept {
        /// Which factor.
        secret: SealedSecret,
        /// The step: later than the last one.
        step: i64,
        /// The secret under today's key, where it was not.
        resealed: Option<SealedSecret>,
    },
    /// A recovery code was right; of those who bring it at once, one succeeds.
    Recover {
        /// Which factor.
        secret: SealedSecret,
        /// The hash of the code, which is used up.
        code: SecretHash,
    },
    /// There are new recovery codes in the place of those that are left.
    ReplaceRecovery {
        /// Which factor.
        secret: SealedSecret,
        /// The hashes of the new ones.
        recovery: Vec<SecretHash>,
    },
    /// There is no factor any more.
    Remove,
}

/// What a [`FactorChange`] makes of a factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is this one now.
    To(StoredFactor),
    /// It was this one.
    Removed(StoredFactor),
}

impl Changed {
    /// The factor: as it is now, or as it was last.
    pub fn into_factor(self) -> StoredFactor {
        match self {
            Self::To(factor) | Self::Removed(factor) => factor,
        }
    }
}

impl FactorChange {
    /// Applies the change; `None` where nothing is to be changed.
    pub fn apply(&self, factor: Option<StoredFactor>) -> Option<Changed> {
        if let Self::Enrol { secret, at } = self {
            let new = StoredFactor {
                secret: secret.clone(),
                created_at: *at,
                confirmed_at: None,
                last_step: 0,
                tries: 0,
                tries_until: *at,
                failures: 0,
                recovery: Vec::new(),
            };
            let is_confirmed = factor.is_some_and(|factor| factor.confirmed_at.is_some());
            return (!is_confirmed).then_some(Changed::To(new));
        }
        let factor = factor?;
        let is_confirmed = factor.confirmed_at.is_some();
        let is_it = |secret: &SealedSecret| *secret == factor.secret;
        let changed = match self {
            Self::Enrol { .. } => return None,
            Self::Confirm { secret, step, recovery, at } if is_it(secret) && !is_confirmed => {
                StoredFactor {
                    confirmed_at: Some(*at),
                    last_step: *step,
                    recovery: recovery.clone(),
                    ..factor.with_all_tries()
                }
            }
            Self::Try { now, policy, confirmed } if *confirmed == is_confirmed => {
                factor.tried(*now, policy)
            }
            Self::Accept { secret, step, resealed }
                if is_it(secret) && is_confirmed && *step > factor.last_step =>
            {
                let factor = factor.with_all_tries();
                let secret = resealed.clone().unwrap_or(factor.secret);
                StoredFactor { secret, last_step: *step, ..factor }
            }
            Self::Recover { secret, code } if is_it(secret) && is_confirmed => {
                // What is compared are hashes of random bits: their time tells nothing of use.
                let place = factor.recovery.iter().position(|left| left.matches(code))?;
                let mut recovery = factor.recovery.clone();
                recovery.remove(place);
                StoredFactor { recovery, ..factor }.with_all_tries()
            }
            Self::ReplaceRecovery { secret, recovery } if is_it(secret) && is_confirmed => {
                StoredFactor { recovery: recovery.clone(), ..factor }
            }
            Self::Remove => return Some(Changed::Removed(factor)),
            _ => return None,
        };
        Some(Changed::To(changed))
    }
}

/// A factor that waits to be confirmed: to be shown once, to whose it is.
#[derive(Clone, Debug)]
pub struct NewFactor {
    /// The secret in base32 (RFC 4648 §6), to be typed.
    pub secret: TotpSecret,
    /// The same for an app, as `otpauth://totp/…`, to be shown as a picture.
    pub uri: TotpUri,
}

/// What is known of the second factor of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactorStatus {
    /// Since when it is asked for; `None` while it is not confirmed.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// How many recovery codes are left.
    pub recovery_codes: usize,
}

/// New recovery codes, with their hashes.
pub(crate) fn recovery_codes() -> (Vec<RecoveryCode>, Vec<SecretHash>) {
    let code = |_| {
        let text = to_base32(&random::bytes::<RECOVERY_BYTES>());
        let hash = SecretHash::of(text.as_bytes());
        let mut grouped = String::with_capacity(text.len() + text.len() / 4);
        for (place, letter) in text.to_ascii_lowercase().chars().enumerate() {
            if place > 0 && place % 4 == 0 {
                grouped.push('-');
            }
            grouped.push(letter);
        }
        (RecoveryCode::new(grouped), hash)
    };
    (0..RECOVERY_CODES).map(code).unzip()
}

/// The hash of a recovery code as somebody typed it.
pub(crate) fn recovery_hash(typed: &str) -> SecretHash {
    SecretHash::of(tidy(typed).to_ascii_uppercase().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;

    #[test]
    fn the_more_codes_were_wrong_the_longer_are_the_pauses() {
        let policy = CodePolicy {
            lifetime: Duration::from_secs(300),
            attempts: 5,
            pause: Duration::from_secs(30),
        };
        let begin = from_millis(1_900_000_000_000);
        // Whoever uses all tries at once, and whoever leaves one each time.
        for each in [50, 4] {
            let mut factor = StoredFactor {
                secret: SealedSecret::from_bytes(vec![1]),
                created_at: begin,
                confirmed_at: Some(begin),
                last_step: 0,
                tries: 0,
                tries_until: begin,
                failures: 0,
                recovery: Vec::new(),
            };
            let (mut now, mut compared) = (begin, Vec::new());
            while compared.len() < 100 {
                for _ in 0..each {
                    factor = factor.tried(now, &policy);
                    compared
                        .extend(factor.admits_try(&policy).then_some((now - begin).num_minutes()));
                }
                now = factor.tries_until;
            }
            let within = |minutes| compared.iter().filter(|at| **at < minutes).count();
            assert!(within(5) <= 5 && within(15) <= 12, "{compared:?}");
            assert!((40..=45).contains(&within(24 * 60)), "{compared:?}");
            assert!(compared[99] > 10 * 24 * 60, "{compared:?}");
        }
    }

    #[test]
    fn recovery_codes_differ_and_may_be_typed_in_capitals_and_without_dashes() {
        let (codes, hashes) = recovery_codes();
        assert_eq!((codes.len(), hashes.len()), (10, 10));
        for (code, hash) in codes.iter().zip(&hashes) {
            let text = code.expose();
            assert_eq!(text.len(), 29, "six groups of four");
            assert_eq!(recovery_hash(text), *hash);
            assert_eq!(recovery_hash(&text.to_uppercase().replace('-', " ")), *hash);
            assert_eq!(hashes.iter().filter(|other| *other == hash).count(), 1);
        }
    }
}
