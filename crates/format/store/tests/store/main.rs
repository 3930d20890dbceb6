//! The store as its callers use it, on a simulated disk.

mod concurrency;
mod crash;
mod damage;
mod model;
mod reads;
mod space;
mod tombstones;
mod world;
