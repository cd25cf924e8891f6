//! The program: see `demo-app --help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

mod cli;

#[actix_web::main]
async fn main() -> ExitCode {
    cli::main().await
}
