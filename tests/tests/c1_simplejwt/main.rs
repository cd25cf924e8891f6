//! Contract C1: obtain, refresh, verify, blacklist as djangorestframework-simplejwt answers them.

mod blacklist;
mod bodies;
mod forged;
mod obtain;
mod protected;
mod refresh;
mod settings;
mod sliding;
mod users;
mod verify;
