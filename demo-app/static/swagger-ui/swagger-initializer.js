// Starts Swagger UI. A file of its own, because the page's policy allows no scripts inside the page.
"use strict";

const SAFE = ["GET", "HEAD", "OPTIONS"];

function cookie(name) {
  const pairs = document.cookie.split("; ").map((pair) => pair.split("="));
  return pairs.find(([key]) => key === name)?.[1];
}

// Scripts cannot set the header `Cookie`: what was typed at "Authorize" has to become a cookie of the browser. (One
// that a login has set stays: it is out of reach.) And an unsafe request echoes the CSRF token, as any page of ours
// has to.
function prepare(request) {
  const typed = request.headers.Cookie;
  if (typed) {
    delete request.headers.Cookie;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `${typed}; Path=/; SameSite=Lax${secure}`;
  }
  const token = cookie("csrftoken");
  const isOurs = new URL(request.url, location.href).origin === location.origin;
  if (token && isOurs && !SAFE.includes((request.method ?? "GET").toUpperCase())) {
    request.headers["X-CSRFToken"] ??= token;
  }
  return request;
}

window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: "../openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    displayRequestDuration: true,
    requestInterceptor: prepare,
    // Else it asks a server of swagger.io what it thinks of the document.
    validatorUrl: null,
  });
});
