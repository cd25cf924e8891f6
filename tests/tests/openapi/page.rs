//! Swagger UI: everything that it needs comes from here, and its policy lets nothing else in. (That it
//! works in a browser under this policy is not shown here.)

use reqwest::Method;
use tests::{Answer, Database, TestApp, on_each_database};

on_each_database! {
    the_page_is_served_with_whatever_it_refers_to,
    the_page_refers_to_nothing_elsewhere_and_has_no_script_in_it,
    its_policy_lets_nothing_of_other_sites_in,
    without_the_slash_it_leads_to_the_page,
    it_answers_get_and_head_alone,
    nothing_else_is_there,
    the_rest_of_the_site_keeps_the_strict_policy,
}

const PAGE: &str = "/api/v1/schema/swagger-ui/";
const DOCUMENT: &str = "/api/v1/schema/openapi.json";

/// The values of `src` and `href`.
fn links(html: &str) -> Vec<&str> {
    let after =
        |name: &'static str| html.split(name).skip(1).filter_map(|rest| rest.split('"').next());
    after("src=\"").chain(after("href=\"")).collect()
}

/// An answer whose body need not be text.
async fn head(app: &TestApp, path: &str) -> Answer {
    Answer::to(app.anonymous().request(Method::HEAD, path)).await
}

async fn the_page_is_served_with_whatever_it_refers_to(database: Database) {
    let app = TestApp::start(database).await;
    let page = app.anonymous().get(PAGE).await;
    page.expect_status(200).expect_header("content-type", "text/html; charset=utf-8");
    let links = links(&page.body);
    assert!(links.len() >= 4, "{links:?}");
    for link in links {
        let kind = match link.rsplit_once('.').unwrap().1 {
            "js" => "text/javascript",
            "css" => "text/css",
            "png" => "image/png",
            other => panic!("{other}"),
        };
        let answer = head(&app, &format!("{PAGE}{link}")).await;
        answer.expect_status(200).expect_header("x-content-type-options", "nosniff");
        let given = answer.header("content-type").unwrap();
        assert_eq!(given.split(';').next(), Some(kind), "{link}");
        let length: usize = answer.header("content-length").unwrap().parse().unwrap();
        assert!(length > 500, "{link}: {length} bytes");
    }
    let bundle = app.anonymous().get(&format!("{PAGE}swagger-ui-bundle.js")).await;
    assert!(bundle.body.contains("SwaggerUIBundle"));
}

async fn the_page_refers_to_nothing_elsewhere_and_has_no_script_in_it(database: Database) {
    let app = TestApp::start(database).await;
    let page = app.anonymous().get(PAGE).await.body;
    for link in links(&page) {
        assert!(!link.contains(':') && !link.starts_with('/') && !link.contains(".."), "{link}");
    }
    for forbidden in ["http:", "https:", "//", "<style", " style=", " onload=", " onclick="] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for script in page.split("<script").skip(1) {
        assert!(script.contains("></script>"), "a script in the page: {script}");
    }
    let script = app.anonymous().get(&format!("{PAGE}swagger-initializer.js")).await.body;
    assert!(script.contains("url: \"../openapi.json\""), "{script}");
    assert!(script.contains("validatorUrl: null"), "it would ask a server of swagger.io");
    assert!(!script.contains("//cdn") && !script.contains("http:"), "{script}");
    let style = app.anonymous().get(&format!("{PAGE}swagger-ui.css")).await.body;
    for url in style.split("url(").skip(1) {
        assert!(url.trim_start_matches('"').starts_with("data:"), "{:.80}", url);
    }
}

async fn its_policy_lets_nothing_of_other_sites_in(database: Database) {
    let app = TestApp::start(database).await;
    for file in ["", "swagger-ui-bundle.js", "swagger-initializer.js", "swagger-ui.css"] {
        let answer = head(&app, &format!("{PAGE}{file}")).await;
        let policy = answer.header("content-security-policy").unwrap();
        let mut directives: Vec<_> = policy.split("; ").collect();
        directives.sort_unstable();
        assert_eq!(
            directives,
            [
                "base-uri 'none'",
                "connect-src 'self'",
                "default-src 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
                "img-src 'self' data:",
                "script-src 'self'",
                "style-src 'self'",
            ],
            "{file}"
        );
    }
}

async fn without_the_slash_it_leads_to_the_page(database: Database) {
    let app = TestApp::start(database).await;
    let answer = app.anonymous().get(PAGE.trim_end_matches('/')).await;
    answer.expect(308, "").expect_header("location", "swagger-ui/");
    for path in [DOCUMENT.to_owned(), format!("{DOCUMENT}/")] {
        app.anonymous().get(&path).await.expect_status(200);
    }
}

async fn it_answers_get_and_head_alone(database: Database) {
    let app = TestApp::start(database).await;
    for path in [DOCUMENT, PAGE, PAGE.trim_end_matches('/'), &format!("{PAGE}swagger-ui.css")] {
        let (get, head) = (app.anonymous().get(path).await, head(&app, path).await);
        assert_eq!((head.status, &*head.body), (get.status, ""), "{path}");
        if get.status == 200 {
            for answer in [&get, &head] {
                answer.expect_header("cache-control", "public, max-age=300");
            }
            assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        }
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let answer = Answer::to(app.anonymous().request(method, path)).await;
            answer.expect_detail(405).expect_header("allow", "GET, HEAD");
        }
    }
}

async fn nothing_else_is_there(database: Database) {
    let app = TestApp::start(database).await;
    // The last would run a script in the page for OAuth, which we do not have.
    for path in
        ["x", "../../../Cargo.toml", "..%2f..%2fCargo.toml", "index.html", "oauth2-redirect.html"]
    {
        app.anonymous().get(&format!("{PAGE}{path}")).await.expect_detail(404);
    }
}

async fn the_rest_of_the_site_keeps_the_strict_policy(database: Database) {
    let app = TestApp::start(database).await;
    for path in [DOCUMENT, "/healthz", "/api/v1/schema/swagger-ui/x"] {
        let answer = app.anonymous().get(path).await;
        let policy = "default-src 'none'; frame-ancestors 'none'";
        answer.expect_header("content-security-policy", policy);
    }
}
