//! Stored argon2 hashes, in PHC format.

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::error::Outage;

/// What a stored hash may ask for: 256 MiB, and a few seconds of a processor (4 GiB gone over once).
/// Whoever can write a hash could else stop every login with it.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_KIB_BY_PASSES: u64 = 4 * 1024 * 1024;

/// The parts of an argon2 hash.
pub(super) struct ArgonHash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: phc::Salt,
    output: phc::Output,
}

impl ArgonHash {
    /// `None` for a text that is no argon2 hash, or one that asks for too much.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let hash = phc::PasswordHash::new(text).ok()?;
        let parsed = Self {
            algorithm: Algorithm::new(hash.algorithm.as_str()).ok()?,
            version: hash.version.map_or(Some(Version::V0x13), |v| Version::try_from(v).ok())?,
            params: Params::try_from(&hash).ok()?,
            salt: hash.salt?,
            output: hash.hash?,
        };
        let (memory, passes) = (parsed.params.m_cost(), parsed.params.t_cost());
        let is_bearable =
            memory <= MAX_MEMORY_KIB && u64::from(memory) * u64::from(passes) <= MAX_KIB_BY_PASSES;
        is_bearable.then_some(parsed)
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(super) fn is_made_with(&self, argon: &Argon2<'_>) -> bool {
        let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && costs(&self.params) == costs(argon.params())
            && self.output.as_bytes().len() == 32
    }

    /// In constant time.
    pub(super) fn is(&self, computed: &[u8]) -> bool {
        phc::Output::new(computed).is_ok_and(|computed| computed == self.output)
    }

    /// Computes it with memory of its own.
    pub(super) fn matches(&self, password: &str) -> Result<bool, Outage> {
        let mut memory = Vec::<Block>::new();
        let blocks = self.params.block_count();
        memory.try_reserve_exact(blocks).map_err(Outage::because)?;
        memory.resize(blocks, Block::default());
        let mut out = vec![0; self.output.as_bytes().len()];
        Argon2::new(self.algorithm, self.version, self.params.clone())
            .hash_password_into_with_memory(password.as_bytes(), &self.salt, &mut out, &mut memory)
            .map_err(Outage::because)?;
        Ok(self.is(&out))
    }
}
