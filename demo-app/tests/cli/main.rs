//! The program itself, run as people run it.

mod sandbox;

mod configuration;
mod server;
mod users;
