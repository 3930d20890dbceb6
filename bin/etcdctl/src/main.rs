//! Skeleton of `etcdctl`.

fn main() {}
