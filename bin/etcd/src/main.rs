//! Skeleton of `etcd`.

fn main() {}
