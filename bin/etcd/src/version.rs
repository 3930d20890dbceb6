//! What this program is, as `--version` and the first log line say it.

use proto::limits::SERVER_VERSION;

/// The commit; builds from an archive have none.
pub(crate) const COMMIT: &str = match option_env!("ETCD_GIT_SHA") {
    Some(sha) => sha,
    None => "Not provided",
};
/// In place of Go's version.
pub(crate) const GO_VERSION: &str = "none (magnetite, Rust)";

/// The system, in Go's words.
pub(crate) fn os() -> &'static str {
    std::env::consts::OS
}

/// The processor, in Go's words.
pub(crate) fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

/// What `--version` prints.
pub(crate) fn text() -> String {
    format!(
        "etcd Version: {SERVER_VERSION}\nGit SHA: {COMMIT}\nGo Version: {GO_VERSION}\nGo OS/Arch: {}/{}\n",
        os(),
        arch()
    )
}
