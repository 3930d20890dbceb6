//! Authentication and authorization over real sockets: every method for every kind of caller, and
//! one test for each hole that was found in etcd.

mod advisories;
mod audit;
mod certified;
mod gateway;
mod methods;
#[path = "../support/mod.rs"]
mod support;
mod tokens;
mod world;
