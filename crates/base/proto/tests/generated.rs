//! The checked-in code is what the `.proto` files say.
//!
//! Generated code is committed so that building needs neither `protoc` nor a code generator.
//! `UPDATE=1 cargo test -p proto` rewrites it.
#![expect(clippy::unwrap_used, reason = "a generator run by a test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[path = "generated/descriptors.rs"]
mod descriptors;

const FILES: [&str; 9] = [
    "auth.proto",
    "election.proto",
    "health.proto",
    "lease.proto",
    "lock.proto",
    "membership.proto",
    "mvcc.proto",
    "raft_internal.proto",
    "rpc.proto",
];

/// Rare and large members of a proposal: kept out of line, so that a put stays small.
const BOXED: [&str; 4] = [
    "auth_user_add",
    "auth_role_grant_permission",
    "authenticate",
    "cluster_member_attr_set",
];

fn generate() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile(FILES, [root.join("proto")]).unwrap();
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let mut config = prost_build::Config::new();
    config.bytes(["."]).btree_map(["."]).out_dir(&out);
    for field in BOXED {
        config.boxed(format!(".etcdserverpb.InternalRaftRequest.{field}"));
    }
    let methods = method_table(&descriptors);
    let described = descriptors::table(&descriptors);
    config.compile_fds(descriptors).unwrap();
    let mut files: BTreeMap<String, String> = [
        "authpb",
        "etcdserverpb",
        "grpc.health.v1",
        "leasepb",
        "membershippb",
        "mvccpb",
        "v3electionpb",
        "v3lockpb",
    ]
    .into_iter()
    .map(|package| {
        let text = std::fs::read_to_string(out.join(format!("{package}.rs"))).unwrap();
        (format!("{package}.rs"), text)
    })
    .collect();
    files.insert("methods.rs".to_owned(), methods);
    files.insert("descriptors.rs".to_owned(), described);
    files
}

/// Every method of every service, in the order of the files.
fn method_table(descriptors: &prost_types::FileDescriptorSet) -> String {
    let mut text = String::from("// This file is generated from the `.proto` files.\n");
    let mut rows = Vec::new();
    for file in &descriptors.file {
        for service in &file.service {
            for method in &service.method {
                rows.push(format!(
                    "    Method {{ service: \"{}.{}\", name: \"{}\", client_streaming: {}, server_streaming: {} }},\n",
                    file.package(), service.name(), method.name(), method.client_streaming(), method.server_streaming(),
                ));
            }
        }
    }
    writeln!(text, "pub const METHODS: [Method; {}] = [", rows.len()).unwrap();
    text.extend(rows);
    text.push_str("];\n");
    text
}

/// Stale generated code would silently speak another protocol than the files say.
#[test]
fn generated_code_is_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gen");
    for (name, text) in generate() {
        let path = folder.join(&name);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(&path).unwrap_or_default(),
            text,
            "{name} is stale: UPDATE=1 cargo test -p proto"
        );
    }
}
