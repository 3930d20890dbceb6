//! How the program ends when something went wrong: the exit codes of etcdutl.

use std::process::ExitCode;

use command::FlagError;

/// An error with its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The operation failed: code 1.
    Operation(anyhow::Error),
    /// The command line is wrong: code 1, said before and after the usage.
    Usage {
        /// What is wrong.
        text: String,
        /// How it is used.
        usage: String,
    },
    /// The output format is unknown or not for this command: code 4.
    Format(&'static str),
    /// A command finds its arguments wrong: code 128.
    Arguments(&'static str),
    /// A command finds the value of an argument wrong: code 128.
    Argument(String),
}

impl Failure {
    /// The command line is wrong.
    pub(crate) fn usage(text: String) -> Self {
        let usage = String::new();
        Self::Usage { text, usage }
    }

    /// With how the command is used, if that is what went wrong.
    pub(crate) fn with_usage(self, usage: String) -> Self {
        match self {
            Self::Usage { text, .. } => Self::Usage { text, usage },
            other => other,
        }
    }

    /// Says what went wrong and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let code = match &self {
            Self::Operation(_) | Self::Usage { .. } => 1,
            Self::Format(_) => 4,
            Self::Arguments(_) | Self::Argument(_) => 128,
        };
        match self {
            // The whole chain on one line, as in `cannot read …: permission denied`.
            Self::Operation(error) => eprintln!("Error: {error:#}"),
            Self::Usage { text, usage } => {
                eprintln!("Error: {text}\n{usage}\nError: {text}");
            }
            Self::Format(text) | Self::Arguments(text) => eprintln!("Error: {text}"),
            Self::Argument(text) => eprintln!("Error: {text}"),
        }
        ExitCode::from(code)
    }
}

impl From<FlagError> for Failure {
    fn from(error: FlagError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Operation(error)
    }
}
