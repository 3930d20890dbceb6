//! A running member: threads, mailboxes and services around the machines of the core.
//!
//! [`engine`] is the durable, replicated store; the services in front of it decode, check and
//! answer what clients ask.

pub mod engine;
