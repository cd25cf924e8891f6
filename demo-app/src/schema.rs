//! The OpenAPI document of the whole application, and Swagger UI to read it and to try it out.

use std::io;
use std::sync::Arc;

use actix_jwt::{Auth, OpenApiDoc};
use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION};
use actix_web::web::{Bytes, ServiceConfig};
use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Info, OpenApi, Paths, Ref, ResponseBuilder, Tag,
};

use crate::app::{
    ADMIN_PATH, Alive, Me, OAUTH_PATH, Part, Readiness, SIMPLEJWT_PATH, SIMPLEJWT_REFUSAL,
    SINGLE_PATH, get_only, get_only_exactly,
};

const PATH: &str = "/api/v1/schema";

/// What Swagger UI needs and no more: nothing of other sites, no script or style inside the page. (It
/// styles elements by script, which needs no permission.) Its style sheet has pictures in it.
const UI_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                         img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                         form-action 'none'; frame-ancestors 'none'";

/// Everybody gets the same, until the server is started anew.
const CACHE: &str = "public, max-age=300";

const INDEX: &str = include_str!("../static/swagger-ui/index.html");
const INITIALIZER: &str = include_str!("../static/swagger-ui/swagger-initializer.js");

/// What Swagger UI has and we serve as it is.
const VENDORED: [&str; 3] = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];

/// The document and the page, ready to be sent.
#[derive(Clone)]
pub(crate) struct Documentation {
    document: Bytes,
    /// Path below the page, type, content.
    files: Vec<(&'static str, String, Bytes)>,
}

impl Documentation {
    /// Of what [`crate::app`] mounts.
    ///
    /// # Errors
    /// What was compiled in is not there: an error of the build.
    pub(crate) fn new(auth: &Auth) -> io::Result<Self> {
        let document = Bytes::from(document(auth).to_json()?);
        let page =
            |name, kind: &str, text: &'static str| (name, kind.to_owned(), Bytes::from(text));
        let mut files = vec![
            page("", "text/html; charset=utf-8", INDEX),
            page("swagger-initializer.js", "text/javascript; charset=utf-8", INITIALIZER),
        ];
        let config = Arc::new(utoipa_swagger_ui::Config::default());
        for name in VENDORED {
            let file = utoipa_swagger_ui::serve(name, Arc::clone(&config)).ok().flatten();
            let file = file.ok_or_else(|| io::Error::other(format!("Swagger UI has no {name}")))?;
            files.push((name, file.content_type, Bytes::from(file.bytes.into_owned())));
        }
        Ok(Self { document, files })
    }

    /// Mounts them.
    pub(crate) fn routes(&self, config: &mut ServiceConfig) {
        let document = self.document.clone();
        let ui = format!("{PATH}/swagger-ui");
        config.configure(get_only(&format!("{PATH}/openapi.json"), move || {
            let document = document.clone();
            async move {
                HttpResponse::Ok()
                    .insert_header((CACHE_CONTROL, CACHE))
                    .content_type("application/json")
                    .body(document)
            }
        }));
        // The page names its files relative to itself, so it needs the slash.
        config.configure(get_only_exactly(&ui, || async {
            HttpResponse::PermanentRedirect().insert_header((LOCATION, "swagger-ui/")).finish()
        }));
        for (name, kind, content) in self.files.clone() {
            config.configure(get_only_exactly(&format!("{ui}/{name}"), move || {
                let (kind, content) = (kind.clone(), content.clone());
                async move {
                    HttpResponse::Ok()
                        .insert_header((CACHE_CONTROL, CACHE))
                        .insert_header((CONTENT_SECURITY_POLICY, UI_POLICY))
                        .content_type(kind)
                        .body(content)
                }
            }));
        }
    }
}

/// The same routes as [`crate::app`] mounts.
fn document(auth: &Auth) -> OpenApi {
    let mut document = auth
        .openapi()
        .mount("/api")
        .admin_session_routes(ADMIN_PATH)
        .single_token_routes(SINGLE_PATH)
        .token_routes_saying(SIMPLEJWT_PATH, SIMPLEJWT_REFUSAL)
        .oauth_routes(OAUTH_PATH)
        .jwks_route();
    let application = application(&mut document);
    document.merge_into(application)
}

/// Our own routes.
fn application(document: &mut OpenApiDoc) -> OpenApi {
    let operation = |id, summary| {
        OperationBuilder::new()
            .tag("Demo")
            .operation_id(Some(id))
            .summary(Some(summary))
            .response("405", Ref::from_response_name("AuthMethodNotAllowed"))
    };
    let me = operation("get_api_v1_users_me", "Who am I?")
        .response("200", answer::<Me>("The user."))
        .build();
    let me = document.protect(&HttpMethod::Get, me);
    let healthz = operation("get_healthz", "Is it alive?")
        .securities(Some([]))
        .response("200", answer::<Alive>("It is."));
    let readyz = operation("get_readyz", "Is it ready for requests?")
        .securities(Some([]))
        .response("200", answer::<Readiness>("It is."))
        .response("503", answer::<Readiness>("It is not: what is wrong."));

    let mut paths = Paths::new();
    for (path, operation) in
        [("/api/v1/users/me", me), ("/healthz", healthz.build()), ("/readyz", readyz.build())]
    {
        paths.paths.insert(path.into(), PathItem::new(HttpMethod::Get, operation));
    }
    let about = "Login by token and by session cookie. Whoever needs to be known shows one credential: \
                 the first that a request has decides, in the order of the list at each operation. \
                 Every path answers with and without the slash at its end, and `HEAD` where it answers \
                 `GET`.\n\nIn Swagger UI, \"Authorize\" takes a token or the value of a cookie (for \
                 `tokenAuth` with the word: `Token <key>`); a session \
                 login that is tried out leaves its cookies in the browser, and the page adds \
                 `X-CSRFToken` by itself.";
    let info = Info::builder()
        .title("demo-app")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(about))
        .build();
    let components = ComponentsBuilder::new()
        .schema_from::<Me>()
        .schema_from::<Alive>()
        .schema_from::<Part>()
        .schema_from::<Readiness>();
    let mut api = OpenApi::new(info, paths);
    api.components = Some(components.build());
    api.tags = Some(vec![Tag::new("Demo")]);
    api
}

fn answer<T: ToSchema>(description: &str) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(T::name())));
    ResponseBuilder::new().description(description).content("application/json", content.build())
}
