//! The OpenAPI document says what the server does, and Swagger UI shows it: over real HTTP.

mod answers;
mod described;
mod document;
mod library;
mod page;
