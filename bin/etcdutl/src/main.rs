//! Skeleton of `etcdutl`.

fn main() {}
