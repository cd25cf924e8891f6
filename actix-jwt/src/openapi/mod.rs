//! The OpenAPI document of what an [`Auth`] mounted.
//!
//! Paths and methods come from the tables that the routes are mounted from, security schemes from the
//! credentials that the `Auth` looks for, and the answers of errors from the code that writes them.
//! [`operations`] adds what people want to read, one entry for each operation.

use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{
    Components, ContentBuilder, HeaderBuilder, Info, Object, OpenApi, Paths, Ref, RefOr, Required,
    ResponseBuilder, SecurityRequirement, Tag, Type,
};

use self::entry::{Access, Entry, Family, In, Takes};
use self::model::Model;
use self::refusal::Refusal;
use self::scheme::Scheme;
use crate::auth::Auth;
use crate::credential::Credential;

mod entry;
mod model;
mod operations;
mod refusal;
mod scheme;

/// What is prefixed to the names of our components, which share a name space with the application's.
const PREFIX: &str = "Auth";

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// An OpenAPI 3.1 document in the making: of the routes that an [`Auth`] mounted, and of the credentials
/// that it takes. It is told what was mounted by methods of the same names.
///
/// ```
/// use actix_jwt::utoipa::openapi::path::{HttpMethod, OperationBuilder};
/// use actix_jwt::utoipa::openapi::{Info, OpenApi, PathItem, Paths, Response};
///
/// # fn example(auth: actix_jwt::Auth) -> OpenApi {
/// let mut document = auth.openapi().mount("/api").jwks_route();
///
/// // The application's own routes: by hand, as here, or derived with utoipa's macros.
/// let orders = OperationBuilder::new()
///     .summary(Some("The orders of who asks"))
///     .operation_id(Some("orders"))
///     .response("200", Response::new("A list"));
/// let orders = document.protect(&HttpMethod::Get, orders.build());
/// let mut paths = Paths::new();
/// paths.paths.insert("/orders".into(), PathItem::new(HttpMethod::Get, orders));
///
/// document.merge_into(OpenApi::new(Info::new("The shop", "1.0"), paths))
/// # }
/// ```
///
/// Each credential is a security scheme: `basicAuth`, `cookieAuth`, `tokenAuth`, `bearerAuth`, and for one in a
/// header of its own the name of the header, such as `jwtAuthHeader`. An operation that needs one lists those
/// that open it, in the order in which they are looked for: what manages the account does not list `tokenAuth`.
/// Every other name begins with `Auth`, and the id of an operation is made of its
/// method and its path.
///
/// Two `Auth`s with different credentials are two documents: their schemes would have the same names.
#[must_use]
#[derive(Clone)]
pub struct OpenApiDoc {
    auth: Auth,
    schemes: Vec<Scheme>,
    api: OpenApi,
    components: Components,
}

impl std::fmt::Debug for OpenApiDoc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenApiDoc").finish_non_exhaustive()
    }
}

impl Auth {
    /// Begins the OpenAPI document of this `Auth`, with its credentials and no routes.
    pub fn openapi(&self) -> OpenApiDoc {
        let schemes = scheme::all(self);
        let mut components = Components::new();
        for Scheme { name, scheme, .. } in &schemes {
            components.add_security_scheme(name, scheme.clone());
        }
        let info = Info::new("Authentication", env!("CARGO_PKG_VERSION"));
        OpenApiDoc {
            auth: self.clone(),
            schemes,
            api: OpenApi::new(info, Paths::new()),
            components,
        }
    }
}

impl OpenApiDoc {
    /// What [`Auth::mount`] mounted.
    pub fn mount(self, prefix: &str) -> Self {
        let prefix = prefix.trim_end_matches('/');
        let document = self
            .token_routes(&format!("{prefix}/token"))
            .session_routes(&format!("{prefix}/v1/users"));
        match document.auth.accepts(&Credential::token()) {
            true => document.personal_token_routes(&format!("{prefix}/v1/users/tokens")),
            false => document,
        }
    }

    /// What [`Auth::token_routes`] mounted.
    pub fn token_routes(self, path: &str) -> Self {
        self.mounted(path, &operations::TOKEN)
    }

    /// What [`Auth::token_routes_saying`] mounted.
    pub fn token_routes_saying(self, path: &str, text: &str) -> Self {
        let mut document = self.token_routes(path);
        let refused = Refusal::TokenRefused;
        let response = refused.response_saying(&mut document, Some(&text.into()));
        let status = refused.status(&document).as_str().to_owned();
        let verify = format!("{}/verify/", path.trim_end_matches('/'));
        let item = document.api.paths.paths.get_mut(&verify);
        if let Some(operation) = item.and_then(|item| item.post.as_mut()) {
            // In the operation itself: a component is for all that say the same.
            operation.responses.responses.insert(status, RefOr::T(response));
        }
        document
    }

    /// What [`Auth::personal_token_routes`] mounted. [`OpenApiDoc::mount`] has them where [`Auth::mount`] has.
    pub fn personal_token_routes(self, path: &str) -> Self {
        self.mounted(path, &operations::PERSONAL)
    }

    /// What [`Auth::oauth_routes`] mounted.
    pub fn oauth_routes(self, path: &str) -> Self {
        self.mounted(path, &operations::OAUTH)
    }

    /// What [`Auth::session_routes`] mounted.
    pub fn session_routes(self, path: &str) -> Self {
        self.mounted(path, &operations::SESSION).mounted(path, &operations::FACTOR)
    }

    /// What [`Auth::single_token_routes`] mounted.
    pub fn single_token_routes(self, path: &str) -> Self {
        self.mounted(path, &operations::SINGLE)
    }

    /// What [`Auth::admin_session_routes`] mounted.
    pub fn admin_session_routes(self, path: &str) -> Self {
        self.mounted(path, &operations::ADMIN)
    }

    /// What [`Auth::jwks_route`] mounted.
    pub fn jwks_route(self) -> Self {
        self.mounted("/.well-known", &operations::KEYS)
    }

    /// The alternatives of whoever needs to be known: one for each credential, in order. For the
    /// `security` of an operation, or of a document as a whole.
    pub fn security(&self) -> Vec<SecurityRequirement> {
        self.schemes.iter().map(Scheme::alone).collect()
    }

    /// An operation of the application behind [`JwtAuth`](crate::JwtAuth) or with an
    /// [`AuthUser`](crate::AuthUser): with its `security`, the answers 401 and 503, and, where a cookie may
    /// authenticate an unsafe method, the header `X-CSRFToken` and the answer 403. An answer that the operation
    /// has already is left as it is.
    pub fn protect(&mut self, method: &HttpMethod, operation: Operation) -> Operation {
        let is_safe = matches!(
            method,
            HttpMethod::Get | HttpMethod::Head | HttpMethod::Options | HttpMethod::Trace
        );
        let takes_cookies = self.schemes.iter().any(|scheme| scheme.is_cookie);
        let mut refusals = vec![Refusal::Unauthorized, Refusal::Unavailable];
        let mut operation = operation;
        if takes_cookies && !is_safe {
            refusals.push(Refusal::Forbidden);
            let of_session = "The value of the cookie `csrftoken`. Needed where the session cookie \
                              authenticates the request.";
            let parameters = operation.parameters.get_or_insert_default();
            parameters.push(RefOr::T(csrf_header(of_session).build()));
        }
        operation.security = Some(self.security());
        self.refuse(&mut operation, &refusals);
        operation
    }

    /// An operation of the application behind [`JwtAuth::require`](crate::JwtAuth::require) or with an
    /// `AuthUser<P>`: as [`OpenApiDoc::protect`], and the answer 403.
    pub fn require(&mut self, method: &HttpMethod, operation: Operation) -> Operation {
        let mut operation = self.protect(method, operation);
        self.refuse(&mut operation, &[Refusal::Forbidden]);
        operation
    }

    /// The document, with a title and a version that say little: see [`OpenApiDoc::merge_into`].
    pub fn build(mut self) -> OpenApi {
        self.api.components = Some(self.components);
        self.api
    }

    /// The application's own document with ours in it. What both have stays as the application has it.
    pub fn merge_into(self, application: OpenApi) -> OpenApi {
        application.merge_from(self.build())
    }

    fn mounted(mut self, path: &str, family: &Family) -> Self {
        let mut routes = self.auth.mounted(family.routes).peekable();
        if routes.peek().is_none() {
            return self;
        }
        let tag = Tag::builder().name(family.tag).description(Some(family.about)).build();
        let tags = self.api.tags.get_or_insert_default();
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        let below = path.trim_end_matches('/');
        for (suffix, _) in routes {
            // Either answers, with and without the slash: the one that clients of the original know.
            let suffix_shown = if family.has_slash { suffix } else { suffix.trim_end_matches('/') };
            let path = format!("{below}{suffix_shown}");
            for entry in family.entries.iter().filter(|entry| entry.path == suffix) {
                let operation = self.operation(&path, family.tag, entry);
                let methods = vec![entry.method.clone()];
                self.api.paths.add_path_operation(&path, methods, operation);
            }
        }
        self
    }

    fn operation(&mut self, path: &str, tag: &str, entry: &Entry) -> Operation {
        let mut operation = OperationBuilder::new()
            .tag(tag)
            .summary(Some(entry.summary))
            .operation_id(Some(operation_id(&entry.method, path)));
        if !entry.description.is_empty() {
            operation = operation.description(Some(entry.description));
        }
        for (name, place, description) in entry.parameters {
            let (place, required) = match place {
                In::Path => (ParameterIn::Path, Required::True),
                In::Query => (ParameterIn::Query, Required::False),
            };
            let parameter = ParameterBuilder::new()
                .name(*name)
                .parameter_in(place)
                .required(required)
                .description(Some(*description))
                .schema(Some(Object::with_type(Type::String)));
            operation = operation.parameter(parameter);
        }
        if entry.access == Access::Login {
            operation = operation.parameter(csrf_header(
                "The value of the cookie `csrftoken`. Needed where the request brings that cookie.",
            ));
        }
        // The first of a status counts: what an operation has of its own comes before what follows from the rest.
        let mut refusals = entry.refusals.to_vec();
        if let Some(takes) = entry.takes {
            let (model, malformed, media_type) = match takes {
                Takes::Fields(model) | Takes::Optional(model) => (model, Refusal::BadFields, JSON),
                Takes::Plain(model) => (model, Refusal::Malformed, JSON),
                Takes::Form(model) => (model, Refusal::BadForm, FORM),
            };
            refusals.extend([malformed, Refusal::TooLarge, Refusal::UnsupportedMediaType]);
            let content = ContentBuilder::new().schema(Some(self.model(model))).build();
            let required = match takes {
                Takes::Optional(_) => Required::False,
                Takes::Fields(_) | Takes::Plain(_) | Takes::Form(_) => Required::True,
            };
            let body = RequestBodyBuilder::new().required(Some(required));
            operation = operation.request_body(Some(body.content(media_type, content).build()));
        }
        let answer = &entry.answer;
        let mut response = ResponseBuilder::new().description(answer.description);
        if let Some(model) = answer.model {
            let content = ContentBuilder::new().schema(Some(self.model(model))).build();
            response = response.content(JSON, content);
        }
        for (name, description) in answer.headers {
            let header = HeaderBuilder::new().description(Some(*description));
            let header = header.schema(Some(Object::with_type(Type::String)));
            response = response.header(*name, header.build());
        }
        let mut operation = operation.response(answer.status, response).build();

        refusals.push(Refusal::MethodNotAllowed);
        self.refuse(&mut operation, &refusals);
        match entry.access {
            Access::Anybody | Access::Login => {
                // What the application's document says of all operations is not meant for these.
                operation.security = Some(Vec::new());
                operation
            }
            Access::User => self.protect(&entry.method, operation),
            Access::LoggedIn => self.protect_from_programs(&entry.method, operation),
            Access::Permitted => self.require(&entry.method, operation),
        }
    }

    /// As [`OpenApiDoc::protect`], where a credential without a login is refused.
    fn protect_from_programs(&mut self, method: &HttpMethod, operation: Operation) -> Operation {
        if self.schemes.iter().all(|scheme| scheme.is_login) {
            return self.protect(method, operation);
        }
        let mut operation = self.require(method, operation);
        let logins = self.schemes.iter().filter(|scheme| scheme.is_login);
        let logins: Vec<_> = logins.map(Scheme::alone).collect();
        // No alternative at all would mean that anybody may call it.
        if !logins.is_empty() {
            operation.security = Some(logins);
        }
        operation
    }

    /// Adds the answers, where there is none with that status.
    fn refuse(&mut self, operation: &mut Operation, refusals: &[Refusal]) {
        for refusal in refusals {
            let name = refusal.name();
            let status = refusal.status(self);
            if !self.components.responses.contains_key(&name) {
                let response = refusal.response(self);
                self.components.responses.insert(name.clone(), response.into());
            }
            let responses = &mut operation.responses.responses;
            let answer = Ref::from_response_name(name);
            responses.entry(status.as_str().to_owned()).or_insert(RefOr::Ref(answer));
        }
    }

    /// Refers to a schema.
    fn model(&mut self, model: Model) -> Ref {
        let name = model.name();
        if !self.components.schemas.contains_key(&name) {
            let schema = model.schema(self);
            self.components.schemas.insert(name.clone(), schema.into());
        }
        Ref::from_schema_name(name)
    }
}

fn csrf_header(description: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name("X-CSRFToken")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(Object::with_type(Type::String)))
}

/// Made of method and path, it is nobody else's, however often a family of routes is mounted.
fn operation_id(method: &HttpMethod, path: &str) -> String {
    let method = match method {
        HttpMethod::Get => "get",
        HttpMethod::Post => "post",
        HttpMethod::Put => "put",
        HttpMethod::Delete => "delete",
        HttpMethod::Options => "options",
        HttpMethod::Head => "head",
        HttpMethod::Patch => "patch",
        HttpMethod::Trace => "trace",
    };
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(method.to_owned(), |id, word| id + "_" + word)
}
