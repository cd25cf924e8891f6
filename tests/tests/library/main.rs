//! The library as an application uses it: guards, extractors and what happens when something is
//! forgotten. Sessions are in memory; there is no demo application here.

mod body;
mod customising;
mod extractors;
mod forgotten;
mod guards;
mod noise;
mod shop;
