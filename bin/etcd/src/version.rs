//! What this program is, as `--version` and the first log line say it.

use proto::limits::SERVER_VERSION;

use crate::environment::Environment;

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

/// Processors on which etcd is tested.
const ARCHES: [&str; 4] = ["amd64", "arm64", "ppc64le", "s390x"];
/// Names the processor on which to run nevertheless.
const VARIABLE: &str = "ETCD_UNSUPPORTED_ARCH";

/// A processor that nobody vouched for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("refusing to run etcd on unsupported architecture {0} since {VARIABLE} is not set to it")]
pub(crate) struct UnsupportedArch(String);

/// Refuses other processors, unless the environment names this one.
pub(crate) fn check_arch(arch: &str, environment: &Environment) -> Result<(), UnsupportedArch> {
    let vouched_for = environment.get(VARIABLE) == Some(arch);
    match vouched_for || ARCHES.contains(&arch) {
        true => Ok(()),
        false => Err(UnsupportedArch(arch.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tools match the beginning of the first line.
    #[test]
    fn texts() {
        assert!(text().starts_with("etcd Version: 3.7.1\nGit SHA: "));
        assert!(text().contains("\nGo OS/Arch: linux/"));
    }

    #[test]
    fn arches() {
        let nothing = Environment::default();
        let named = Environment::new(&[(VARIABLE, "riscv64")]);
        assert_eq!(check_arch("amd64", &nothing), Ok(()));
        assert_eq!(check_arch("riscv64", &named), Ok(()));
        assert!(check_arch("riscv64", &nothing).is_err());
        assert!(check_arch("mips", &named).is_err());
    }
}
