//! Folders are layers: which of our crates may use which.
//!
//! A crate uses layers below its own; a sibling only when [`SIBLINGS`] lists the edge. Some outside
//! crates belong to one layer alone.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::run::{cargo, output, root};

/// From the bottom up; a crate may use what stands before its own layer.
const LAYERS: [&str; 6] = [
    "crates/base",
    "crates/format",
    "crates/core",
    "crates/edge",
    "bin",
    "test",
];

/// Edges inside a layer.
const SIBLINGS: &[(&str, &str)] = &[
    ("command", "notation"),
    ("types", "wire"),
    ("apply", "mvcc"),
    ("apply", "lease"),
    ("apply", "auth"),
    ("apply", "cluster"),
    ("member", "raft"),
    ("server", "rpc"),
    ("server", "gateway"),
    ("rpc", "tls"),
    ("server", "tls"),
    ("server", "profile"),
    ("profile", "rpc"),
    ("proxy", "profile"),
    ("client", "tls"),
    ("server", "transport"),
    ("transport", "rpc"),
    ("transport", "tls"),
    ("bench", "certificates"),
    ("proxy", "rpc"),
    ("proxy", "client"),
    ("proxy", "tls"),
    ("gateway", "rpc"),
    ("convert", "apply"),
    ("convert", "mvcc"),
    ("convert", "cluster"),
    ("convert", "lease"),
];

/// Outside crates that must not be used below the edge, because they bring clocks, sockets or
/// threads with them.
const EDGE_ONLY: [&str; 8] = [
    "tokio",
    "hyper",
    "tonic",
    "tracing",
    "socket2",
    "prometheus",
    "rustls",
    "jiff",
];

/// Checks every edge between crates of the workspace.
pub(crate) fn check() -> Result<()> {
    eprintln!("==> layers");
    let metadata = output(
        &cargo(),
        &["metadata", "--format-version", "1", "--no-deps"],
    )?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata without packages")?;
    let layers: BTreeMap<&str, Option<usize>> = packages
        .iter()
        .map(|package| (name(package), layer(package)))
        .collect();
    for package in packages {
        let user = name(package);
        let Some(own) = layers[user] else { continue };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = name(dependency);
            let is_test_only = dependency["kind"] == "dev";
            ensure!(
                own >= 3 || is_test_only || !EDGE_ONLY.contains(&used),
                "{user} is below the edge and must not use {used}"
            );
            let Some(Some(other)) = layers.get(used) else {
                continue;
            };
            let is_allowed = *other < own
                // What tests need to make is in the layer of tests.
                || (is_test_only && LAYERS[*other] == "test")
                || (*other == own && (is_test_only || SIBLINGS.contains(&(user, used))));
            ensure!(
                is_allowed,
                "{user} must not use {used}: see xtask/src/layers.rs and ARCHITECTURE.md"
            );
        }
    }
    Ok(())
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_default()
}

fn layer(package: &Value) -> Option<usize> {
    let manifest = package["manifest_path"].as_str()?;
    let relative = manifest
        .strip_prefix(&*root().to_string_lossy())?
        .trim_start_matches('/');
    LAYERS.iter().position(|layer| relative.starts_with(layer))
}
