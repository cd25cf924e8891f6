//! The program itself, run as people run it.

mod sandbox;

mod configuration;
mod django;
mod keys;
mod server;
mod tokens;
mod users;
