//! What must hold in every history. Each function is one thing that nobody may ever see broken;
//! the number is that of the promise in the documentation of the simulation.

mod answers;
mod sessions;
mod tokens;

pub(crate) use answers::*;
pub(crate) use sessions::*;
pub(crate) use tokens::*;

/// What is broken, and how.
#[derive(Debug)]
pub(crate) struct Violation {
    /// The name of the function that found it.
    pub(crate) invariant: &'static str,
    pub(crate) how: String,
}

pub(crate) type Check = Result<(), Violation>;

/// Answers a violation of the invariant unless the condition holds.
macro_rules! hold {
    ($invariant:ident: $condition:expr, $($how:tt)+) => {
        if !$condition {
            // The function that is named exists.
            let _ = $invariant;
            let how = format!($($how)+);
            return Err($crate::simulation::invariants::Violation {
                invariant: stringify!($invariant),
                how,
            });
        }
    };
}

use hold;
