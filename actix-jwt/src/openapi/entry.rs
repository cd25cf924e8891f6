//! The words in which operations are described.

use utoipa::openapi::path::HttpMethod;

use super::model::Model;
use super::refusal::Refusal;
use crate::routes::Routes;

/// Routes that are mounted together.
pub(super) struct Family {
    pub(super) tag: &'static str,
    pub(super) about: &'static str,
    pub(super) routes: Routes,
    pub(super) entries: &'static [Entry],
    /// Whether its paths are shown with the slash at their end.
    pub(super) has_slash: bool,
}

/// An operation.
pub(super) struct Entry {
    pub(super) method: HttpMethod,
    /// As the table of routes has it.
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) access: Access,
    pub(super) parameters: &'static [Parameter],
    pub(super) takes: Option<Takes>,
    pub(super) answer: Answer,
    /// Beside those that follow from `access` and `takes`.
    pub(super) refusals: &'static [Refusal],
}

/// Name, place and description.
pub(super) type Parameter = (&'static str, In, &'static str);

/// Where a parameter is.
#[derive(Clone, Copy)]
pub(super) enum In {
    Path,
    Query,
}

/// Who may call it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Anybody,
    /// Anybody, who must not be led here by another site.
    Login,
    /// Whoever is known.
    User,
    /// Whoever has logged in: not a program with a personal token.
    LoggedIn,
    /// For whom the application's permission allows.
    Permitted,
}

/// The body of a request, by the way in which faults are told.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    Fields(Model),
    /// The same, where there may be none.
    Optional(Model),
    Plain(Model),
    /// A form, not JSON.
    Form(Model),
}

/// The success.
pub(super) struct Answer {
    pub(super) status: &'static str,
    pub(super) description: &'static str,
    pub(super) model: Option<Model>,
    pub(super) headers: &'static [(&'static str, &'static str)],
}

pub(super) const fn answer(description: &'static str, model: Model) -> Answer {
    Answer { status: "200", description, model: Some(model), headers: &[] }
}

pub(super) const fn done(description: &'static str) -> Answer {
    Answer { status: "204", description, model: None, headers: &[] }
}

/// A `POST` by anybody with a body whose faults are told by field.
pub(super) const fn post(
    path: &'static str,
    summary: &'static str,
    takes: Model,
    answer: Answer,
    refusals: &'static [Refusal],
) -> Entry {
    Entry {
        method: HttpMethod::Post,
        path,
        summary,
        description: "",
        access: Access::Anybody,
        parameters: &[],
        takes: Some(Takes::Fields(takes)),
        answer,
        refusals,
    }
}

/// An operation of a user, without a body.
pub(super) const fn by_user(
    method: HttpMethod,
    path: &'static str,
    summary: &'static str,
    answer: Answer,
) -> Entry {
    Entry {
        method,
        path,
        summary,
        description: "",
        access: Access::User,
        parameters: &[],
        takes: None,
        answer,
        refusals: &[],
    }
}

/// An operation of a user who has logged in, without a body.
pub(super) const fn by_login(
    method: HttpMethod,
    path: &'static str,
    summary: &'static str,
    answer: Answer,
) -> Entry {
    Entry { access: Access::LoggedIn, ..by_user(method, path, summary, answer) }
}
