//! Who may do what: one trait, combined with `&`, `|` and `!`.
//!
//! ```
//! use auth_core::permission::{HasScope, IsStaff, Permission, ReadOnly};
//!
//! let policy = IsStaff | HasScope("orders:write") | ReadOnly;
//! # let _: Box<dyn Permission> = Box::new(policy);
//! ```
//!
//! Policies are values and types, not text: precedence is Rust's, and parentheses mean what
//! they say.

use std::time::Duration;

use crate::claims::{TokenKind, Verified};
use crate::clock::{CLOCKS_DIFFER, Clock};
use crate::rotation::{earlier, later};
use crate::session::Method;

/// A request, as far as a permission may see it.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// Who asks; `None` for an anonymous request.
    pub identity: Option<&'a Verified>,
    /// Whether the request changes nothing: GET, HEAD and OPTIONS over HTTP (RFC 9110 §9.2.1).
    pub read_only: bool,
    /// Tells when it is asked.
    pub clock: &'a Clock,
}

/// Decides whether a request may go on. It does no I/O: what it needs is in the token.
///
/// For an own permission, [`permission_operators!`](crate::permission_operators) adds the
/// operators.
pub trait Permission: Send + Sync + 'static {
    /// Whether `access` is allowed.
    fn allows(&self, access: &Access<'_>) -> bool;
}

impl Permission for Box<dyn Permission> {
    fn allows(&self, access: &Access<'_>) -> bool {
        (**self).allows(access)
    }
}

/// Both hold: `a & b`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct And<A, B>(pub A, pub B);

/// At least one holds: `a | b`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Or<A, B>(pub A, pub B);

/// It does not hold: `!a`. A negated permission holds for an anonymous request too; write
/// `IsAuthenticated & !a` where somebody must be known. And what is not told of somebody is not held against
/// them: a personal token that is limited to scopes shows no role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Not<A>(pub A);

impl<A: Permission, B: Permission> Permission for And<A, B> {
    fn allows(&self, access: &Access<'_>) -> bool {
        self.0.allows(access) && self.1.allows(access)
    }
}

impl<A: Permission, B: Permission> Permission for Or<A, B> {
    fn allows(&self, access: &Access<'_>) -> bool {
        self.0.allows(access) || self.1.allows(access)
    }
}

impl<A: Permission> Permission for Not<A> {
    fn allows(&self, access: &Access<'_>) -> bool {
        !self.0.allows(access)
    }
}

/// Gives an application's own [`Permission`] the operators `&`, `|` and `!`.
///
/// ```
/// use auth_core::permission::{Access, IsStaff, Permission};
///
/// #[derive(Clone, Copy, Default)]
/// struct OwnsAShop;
///
/// impl Permission for OwnsAShop {
///     fn allows(&self, access: &Access<'_>) -> bool {
///         access.identity.is_some_and(|who| who.role() == Some("shopkeeper"))
///     }
/// }
/// auth_core::permission_operators!(OwnsAShop);
///
/// let _policy = OwnsAShop | !IsStaff;
/// ```
#[macro_export]
macro_rules! permission_operators {
    ($permission:ty) => {
        $crate::permission_operators!({} $permission);
    };
    ({$($generics:tt)*} $permission:ty) => {
        impl<$($generics)* Rhs: $crate::permission::Permission> ::std::ops::BitAnd<Rhs> for $permission {
            type Output = $crate::permission::And<Self, Rhs>;
            fn bitand(self, other: Rhs) -> Self::Output {
                $crate::permission::And(self, other)
            }
        }

        impl<$($generics)* Rhs: $crate::permission::Permission> ::std::ops::BitOr<Rhs> for $permission {
            type Output = $crate::permission::Or<Self, Rhs>;
            fn bitor(self, other: Rhs) -> Self::Output {
                $crate::permission::Or(self, other)
            }
        }

        impl<$($generics)*> ::std::ops::Not for $permission {
            type Output = $crate::permission::Not<Self>;
            fn not(self) -> Self::Output {
                $crate::permission::Not(self)
            }
        }
    };
}

permission_operators!({A: Permission, B: Permission,} And<A, B>);
permission_operators!({A: Permission, B: Permission,} Or<A, B>);
permission_operators!({A: Permission,} Not<A>);

macro_rules! permissions {
    ($($(#[doc = $doc:literal])* $name:ident $(($field:ty))? = |$self:pat_param, $access:ident| $rule:expr;)*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub struct $name $((pub $field))?;

            impl Permission for $name {
                fn allows(&self, $access: &Access<'_>) -> bool {
                    let $self = self;
                    $rule
                }
            }

            permission_operators!($name);
        )*
    };
}

permissions! {
    /// Everybody, known or not. A credential that is present and bad is still refused.
    AllowAny = |_, _access| true;

    /// Everybody who is known.
    IsAuthenticated = |_, access| access.identity.is_some();

    /// Users who logged in, and not a program with a personal token of theirs: for what a user decides
    /// about the account itself.
    LoggedIn = |_, access| access.identity.is_some_and(|who| who.kind() != TokenKind::Personal);

    /// Users marked as staff.
    IsStaff = |_, access| access.identity.is_some_and(Verified::is_staff);

    /// Requests that change nothing, from anybody.
    ReadOnly = |_, access| access.read_only;

    /// Tokens with this scope (RFC 6749 §3.3).
    HasScope(&'static str) = |HasScope(scope), access| {
        access.identity.is_some_and(|who| who.scopes().any(|held| held == *scope))
    };

    /// Users with this role.
    HasRole(&'static str) = |HasRole(role), access| {
        access.identity.is_some_and(|who| who.role() == Some(*role))
    };

    /// Users of this kind.
    UserType(&'static str) = |UserType(kind), access| {
        access.identity.is_some_and(|who| who.principal().user_type() == *kind)
    };

    /// Users who proved who they are at most so long ago: for changing a password, deleting an
    /// account (ASVS 7.5.3). A token that does not say when that was is not fresh.
    Fresh(Duration) = |Fresh(age), access| {
        let now = access.clock.now();
        let since = earlier(now, *age).timestamp();
        let until = later(now, CLOCKS_DIFFER).timestamp();
        let proven_at = access.identity.and_then(Verified::authenticated_at);
        proven_at.is_some_and(|at| (since..=until).contains(&at.timestamp()))
    };

    /// Logins proven by more than one factor.
    Mfa = |_, access| access.identity.is_some_and(|who| who.has_method(Method::MultiFactor));
}

macro_rules! unit_defaults {
    ($($name:ident)*) => { $(
        impl Default for $name {
            fn default() -> Self {
                Self
            }
        }
    )* };
}

unit_defaults!(AllowAny IsAuthenticated LoggedIn IsStaff ReadOnly Mfa);
