//! How Go writes and reads plain values, as far as several of our programs share it: etcd's flags
//! and messages are in these notations.

pub mod duration;
pub mod initial_cluster;
pub mod number;
pub mod quote;
pub mod size;
pub mod table;
pub mod url;
