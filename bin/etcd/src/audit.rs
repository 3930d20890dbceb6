//! The audit log that the settings ask for: where it goes, and the policy from its file.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use server::audit::{AuditConfig, Output, Policy, Rule, RuleError};

use crate::failure::GoIo;
use crate::file::yaml::{self, YamlError};
use crate::flags::settings::Settings;
use crate::logging::rotation::{self, Rotating};

/// The path that means standard output.
const STDOUT: &str = "-";

/// Why there is no audit log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditError {
    /// A policy without a log.
    #[error("--audit-policy-file needs --audit-log-path: nothing is recorded without it")]
    PolicyAlone,
    /// A file cannot be opened.
    #[error("--audit-log-path: open {path}: {}", GoIo(source))]
    Open {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The policy cannot be read.
    #[error("--audit-policy-file: open {path}: {}", GoIo(source))]
    Policy {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The policy is no policy.
    #[error("--audit-policy-file: {path}: {source}")]
    Syntax {
        /// The file.
        path: String,
        /// What the parser says.
        source: YamlError,
    },
    /// The policy names what does not exist.
    #[error("--audit-policy-file: {path}: {source}")]
    Rule {
        /// The file.
        path: String,
        /// Which rule.
        source: RuleError,
    },
}

/// The file that says what is recorded.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// Of these, the first that fits decides.
    #[serde(default)]
    rules: Vec<Entry>,
    /// Whether what no rule fits is recorded.
    #[serde(default = "yes")]
    otherwise: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    log: bool,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    rpcs: Vec<String>,
    #[serde(default)]
    prefixes: Vec<String>,
}

fn yes() -> bool {
    true
}

/// The audit log, if there is to be one.
pub(crate) fn config(settings: &Settings) -> Result<Option<AuditConfig>, AuditError> {
    let (path, policy) = (
        settings.text("audit-log-path"),
        settings.text("audit-policy-file"),
    );
    match (path, policy) {
        ("", "") => Ok(None),
        ("", _) => Err(AuditError::PolicyAlone),
        (path, policy) => Ok(Some(AuditConfig {
            policy: read_policy(policy)?,
            output: output(settings, path)?,
        })),
    }
}

fn read_policy(path: &str) -> Result<Policy, AuditError> {
    if path.is_empty() {
        return Ok(Policy::default());
    }
    let text = fs::read_to_string(path).map_err(|source| AuditError::Policy {
        path: path.to_owned(),
        source,
    })?;
    let document = parse(&text).map_err(|source| AuditError::Syntax {
        path: path.to_owned(),
        source,
    })?;
    compile(document).map_err(|source| AuditError::Rule {
        path: path.to_owned(),
        source,
    })
}

fn parse(text: &str) -> Result<Document, YamlError> {
    yaml::read(text)
}

fn compile(document: Document) -> Result<Policy, RuleError> {
    let rule = |Entry {
                    log,
                    users,
                    rpcs,
                    prefixes,
                }| Rule {
        log,
        users,
        rpcs,
        prefixes,
    };
    let rules = document.rules.into_iter().map(rule).collect();
    Policy::new(rules, document.otherwise)
}

fn output(settings: &Settings, path: &str) -> Result<Arc<dyn Output>, AuditError> {
    if path == STDOUT {
        return Ok(Arc::new(Stdout));
    }
    let number = |name| settings.uint(name);
    let policy = rotation::Policy::new(
        number("audit-log-maxsize"),
        number("audit-log-maxage"),
        number("audit-log-maxbackup"),
    );
    let file = Rotating::open(Path::new(path), policy);
    let file = file.map_err(|source| AuditError::Open {
        path: path.to_owned(),
        source,
    })?;
    Ok(Arc::new(Lines(file)))
}

#[derive(Debug)]
struct Stdout;

impl Output for Stdout {
    fn append(&self, lines: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(lines)?;
        out.flush()
    }
}

#[derive(Debug)]
struct Lines(Rotating);

impl Output for Lines {
    fn append(&self, lines: &[u8]) -> io::Result<()> {
        self.0.write(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::settings::Source;
    use crate::flags::table;

    fn refused(policy: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.yml");
        fs::write(&path, policy).unwrap();
        let error = read_policy(path.to_str().unwrap()).unwrap_err().to_string();
        let place = format!("--audit-policy-file: {}: ", path.display());
        error.strip_prefix(&place).unwrap().to_owned()
    }

    /// A policy that is misread records the wrong things, and nobody notices until it matters.
    #[test]
    fn policies_that_are_none() {
        for (policy, error) in [
            (
                "rules:\n- {log: true, rpc: [Put]}\n",
                "yaml: line 2: unknown field",
            ),
            ("rules:\n- {users: [root]}\n", "yaml: line 2: missing field"),
            ("rules:\n- {log: maybe}\n", "yaml: line 2: "),
            ("rules: all\n", "yaml: line 1: "),
            ("rules: [\n", "yaml: "),
            (
                "rules:\n- {log: true, rpcs: [Pot]}\n",
                "rule 1: there is no RPC \"Pot\"; names are like Put, KV/Put or KV/*",
            ),
        ] {
            let said = refused(policy);
            assert!(said.starts_with(error), "{policy}: {said}");
        }
    }

    #[test]
    fn policies() {
        let document = parse("").unwrap();
        assert!(document.rules.is_empty() && document.otherwise);
        let document = parse("# all\nrules:\n- log: false\n  users: [\"\", x]\notherwise: false\n");
        let document = document.unwrap();
        assert_eq!(document.rules[0].users, ["", "x"]);
        assert!(!document.otherwise && compile(document).is_ok());
    }

    #[test]
    fn settings() {
        let with = |values: &[(&str, &str)]| {
            let mut settings = Settings::default();
            for (name, value) in values {
                settings
                    .parse(table::find(name).unwrap(), value, Source::Flag)
                    .unwrap();
            }
            config(&settings)
                .map(|config| config.is_some())
                .map_err(|error| error.to_string())
        };
        assert_eq!(with(&[]), Ok(false));
        assert_eq!(with(&[("audit-log-path", "-")]), Ok(true));
        let error = with(&[("audit-policy-file", "x")]).unwrap_err();
        assert!(error.contains("needs --audit-log-path"), "{error}");
        let error = with(&[("audit-log-path", "/proc/x/y")]).unwrap_err();
        assert!(
            error.starts_with("--audit-log-path: open /proc/x/y: "),
            "{error}"
        );
    }
}
