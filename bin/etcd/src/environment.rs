//! Environment variables: every flag has one, named `ETCD_` and the flag in capitals.

use std::collections::BTreeSet;

use crate::flags::settings::{Settings, Source};
use crate::flags::table;
use crate::flags::value::ValueError;
use crate::logging::Logger;
use crate::logging::field::fields;
use notation::quote::quote;

const PREFIX: &str = "ETCD_";
/// The variable that a careless container image might set.
const VERSION: &str = "ETCD_VERSION";
/// Names the configuration file; read before all others.
const CONFIG_FILE: &str = "ETCD_CONFIG_FILE";

/// The environment of the process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(Vec<(String, String)>);

/// Why the environment cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvironmentError {
    /// A value is none of the flag's kind.
    #[error("invalid value {} for {variable}: {reason}", quote(value))]
    Invalid {
        /// The variable.
        variable: String,
        /// Its value.
        value: String,
        /// Why.
        reason: ValueError,
    },
    /// The flag is given as well; the data is the variable's name.
    #[error("conflicting environment variable {0}")]
    Conflict(String),
}

impl Environment {
    /// The variables that this process was given.
    pub(crate) fn of_process() -> Self {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self(
            std::env::vars_os()
                .map(|(name, value)| (lossy(name), lossy(value)))
                .collect(),
        )
    }

    #[cfg(test)]
    pub(crate) fn new(variables: &[(&str, &str)]) -> Self {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        Self(variables.iter().map(owned).collect())
    }

    /// A variable; an empty one is none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The configuration file that the environment names.
    pub(crate) fn config_file(&self) -> Option<&str> {
        self.get(CONFIG_FILE)
    }

    /// Sets the flags that the command line left alone.
    ///
    /// # Errors
    /// A conflict before a bad value; of several bad values the last one.
    pub(crate) fn apply(
        &self,
        settings: &mut Settings,
        log: &Logger,
    ) -> Result<(), EnvironmentError> {
        if let Some(value) = self.get(VERSION) {
            let fields = fields!["key" => VERSION, "value" => value];
            log.warn("cannot set special environment variable", fields);
        }
        let mut used = BTreeSet::from([VERSION.to_owned()]);
        let mut by_flag = BTreeSet::new();
        let mut outcome = Ok(());
        let mut flags: Vec<_> = table::all()
            .filter(|flag| flag.variable() != VERSION)
            .collect();
        flags.sort_unstable_by_key(|flag| flag.name);
        for flag in flags {
            let variable = flag.variable();
            if settings.source(flag.name) == Source::Flag {
                by_flag.insert(variable);
                continue;
            }
            let Some(value) = self.get(&variable) else {
                continue;
            };
            match settings.parse(flag, value, Source::Environment) {
                Ok(()) => log_use(log, &variable, value),
                Err(reason) => {
                    let (variable, value) = (variable.clone(), value.to_owned());
                    outcome = Err(EnvironmentError::Invalid {
                        variable,
                        value,
                        reason,
                    });
                }
            }
            used.insert(variable);
        }
        self.use_ignored(&mut used, log);
        self.check_rest(&used, &by_flag, log)?;
        outcome
    }

    /// Variables of flags without any effect are as good as their flags.
    fn use_ignored(&self, used: &mut BTreeSet<String>, log: &Logger) {
        for name in table::IGNORED {
            let name = name.to_ascii_uppercase().replace(['-', '.'], "_");
            let variable = format!("{PREFIX}{name}");
            if let Some(value) = self.get(&variable) {
                log_use(log, &variable, value);
                used.insert(variable);
            }
        }
    }

    fn check_rest(
        &self,
        used: &BTreeSet<String>,
        by_flag: &BTreeSet<String>,
        log: &Logger,
    ) -> Result<(), EnvironmentError> {
        for (name, value) in self.0.iter().filter(|(name, _)| !used.contains(name)) {
            if by_flag.contains(name) {
                return Err(EnvironmentError::Conflict(name.clone()));
            }
            if name.starts_with(PREFIX) {
                let variable = format!("{name}={value}");
                let fields = fields!["environment-variable" => variable];
                log.warn("unrecognized environment variable", fields);
            }
        }
        Ok(())
    }
}

fn log_use(log: &Logger, variable: &str, value: &str) {
    let fields = fields!["variable-name" => variable, "variable-value" => value];
    log.info("recognized and used environment variable", fields);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(flags: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Settings, String> {
        let mut settings = Settings::default();
        for (name, value) in flags {
            let flag = table::find(name).unwrap();
            settings.parse(flag, value, Source::Flag).unwrap();
        }
        let environment = Environment::new(variables);
        let applied = environment.apply(&mut settings, &Logger::silent());
        applied
            .map(|()| settings)
            .map_err(|error| error.to_string())
    }

    /// Containers are configured by their environment alone.
    #[test]
    fn variables_set_flags() {
        let variables = [
            ("ETCD_NAME", "a"),
            ("ETCD_DATA_DIR", ""),
            ("ETCD_SNAPSHOT", "x"),
            ("ETCD_FOO", "1"),
            ("ETCD_VERSION", "3.7.1"),
            ("PATH", "/bin"),
        ];
        let settings = apply(&[("data-dir", "d")], &variables[..1]).unwrap();
        assert_eq!(settings.text("name"), "a");
        assert_eq!(settings.source("name"), Source::Environment);
        let settings = apply(&[], &variables).unwrap();
        assert!(!settings.is_on("version"));
        assert_eq!(settings.source("data-dir"), Source::Default);
    }

    #[test]
    fn refusals() {
        assert_eq!(
            apply(&[], &[("ETCD_SNAPSHOT_COUNT", "abc")]).unwrap_err(),
            "invalid value \"abc\" for ETCD_SNAPSHOT_COUNT: parse error"
        );
        assert_eq!(
            apply(
                &[("name", "a")],
                &[("ETCD_NAME", "a"), ("ETCD_PRE_VOTE", "maybe")]
            )
            .unwrap_err(),
            "conflicting environment variable ETCD_NAME"
        );
    }
}
