//! One run of one command: its arguments, and the connection that they ask for.

use std::collections::BTreeMap;
use std::time::Duration;

use client::{Client, Config, Credentials};

use crate::discover;
use crate::exit::{BAD_CONNECTION, Exit};
use crate::flags::{Arguments, Command};
use crate::global;
use crate::print::{Format, Printer};
use crate::secure;
use crate::terminal;

/// A parsed command line, before anything has happened.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    /// The whole program's declaration.
    pub(crate) root: &'static Command,
    /// The name of the command as it stands in help texts.
    pub(crate) name: String,
    pub(crate) arguments: Arguments,
}

/// What a command needs to talk to a cluster and to print.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) printer: Printer,
    pub(crate) config: Config,
    /// The limit of short commands.
    pub(crate) timeout: Duration,
    /// Whether that limit was asked for.
    pub(crate) timeout_given: bool,
}

impl Invocation {
    /// Reads the environment and checks the global flags. Commands call this after they have
    /// checked their own arguments, because those errors come first.
    pub(crate) fn session(&self) -> Result<Session, Exit> {
        let mut arguments = self.arguments.clone();
        let command = self.name.split(' ').nth(1).unwrap_or_default();
        global::apply_environment(&mut arguments, &environment(), command)?;
        if arguments.bool("debug") {
            eprint!("{}", global::settings(&arguments));
        }
        let format = Format::parse(&arguments.text("write-out"))?;
        Ok(Session {
            printer: Printer::new(format, arguments.bool("hex")),
            config: config(&arguments)?,
            timeout: arguments.duration("command-timeout"),
            timeout_given: arguments.is_changed("command-timeout"),
        })
    }
}

impl Session {
    /// Connects, and logs in when a user is given.
    pub(crate) async fn client(&self) -> Result<Client, Exit> {
        connect(self.config.clone()).await
    }

    /// Connects; every call then ends with the limit of short commands.
    pub(crate) async fn short_client(&self) -> Result<Client, Exit> {
        Ok(self.client().await?.within(self.timeout))
    }

    /// Connects to one endpoint only.
    pub(crate) async fn client_of(&self, endpoint: &str) -> Result<Client, Exit> {
        let config = Config {
            endpoints: vec![endpoint.to_owned()],
            ..self.config.clone()
        };
        connect(config).await
    }
}

pub(crate) async fn connect(config: Config) -> Result<Client, Exit> {
    Client::connect(config).await.map_err(|error| {
        let exit = Exit::from(error);
        if exit.code == crate::exit::ERROR {
            exit.with_code(BAD_CONNECTION)
        } else {
            exit
        }
    })
}

fn environment() -> BTreeMap<String, String> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let pairs = std::env::vars_os();
    pairs
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

fn config(arguments: &Arguments) -> Result<Config, Exit> {
    let endpoints = arguments.list("endpoints");
    let defaults = Config::default();
    let limit = |name, default| match usize::try_from(arguments.int(name)) {
        Ok(0) | Err(_) => default,
        Ok(bytes) => bytes,
    };
    let user = User {
        text: arguments.text("user"),
        password: arguments.text("password"),
        prompt: "Password: ",
    };
    let credentials = match arguments.text("auth-jwt-token") {
        token if token.is_empty() => user.credentials()?,
        token => Credentials::Token(token),
    };
    let mut config = Config {
        endpoints: endpoints
            .iter()
            .map(|text| text.trim().to_owned())
            .collect(),
        dial_timeout: arguments.duration("dial-timeout"),
        keepalive_time: arguments.duration("keepalive-time"),
        keepalive_timeout: arguments.duration("keepalive-timeout"),
        send_bytes_max: limit("max-request-bytes", defaults.send_bytes_max),
        receive_bytes_max: limit("max-recv-bytes", defaults.receive_bytes_max),
        credentials,
        ..defaults
    };
    let skip_verify = arguments.bool("insecure-skip-tls-verify");
    secure::apply(arguments, &secure::GLOBAL, skip_verify, &mut config)?;
    // Who does not verify expects TLS.
    config.tls_by_default |= skip_verify;
    discover::apply(arguments, &mut config)?;
    Ok(config)
}

/// A user as two flags name it.
pub(crate) struct User {
    /// `name` or `name:password`.
    pub(crate) text: String,
    /// When it is set, `text` is the name alone.
    pub(crate) password: String,
    /// What to ask when there is no password.
    pub(crate) prompt: &'static str,
}

impl User {
    /// Splits the name from the password, or asks for the password.
    pub(crate) fn credentials(self) -> Result<Credentials, Exit> {
        if self.text.is_empty() {
            return Ok(Credentials::None);
        }
        let (name, password) = if !self.password.is_empty() {
            (self.text, self.password)
        } else if let Some((name, password)) = self.text.split_once(':') {
            (name.to_owned(), password.to_owned())
        } else {
            let password = terminal::ask_secretly(self.prompt)?;
            (self.text, password)
        };
        // Nobody has an empty name or password; such a client calls without a login.
        if name.is_empty() || password.is_empty() {
            return Ok(Credentials::None);
        }
        Ok(Credentials::Password { name, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, password: &str) -> Credentials {
        let user = User {
            text: text.to_owned(),
            password: password.to_owned(),
            prompt: "",
        };
        user.credentials().unwrap()
    }

    /// A colon in the password must not end up in the name.
    #[test]
    fn names_are_split_from_passwords() {
        let expected = |name: &str, password: &str| Credentials::Password {
            name: name.to_owned(),
            password: password.to_owned(),
        };
        assert_eq!(check("", ""), Credentials::None);
        assert_eq!(check("root:", ""), Credentials::None);
        assert_eq!(check(":pw", ""), Credentials::None);
        assert_eq!(check("root:a:b", ""), expected("root", "a:b"));
        assert_eq!(check("root:a", "pw"), expected("root:a", "pw"));
    }
}
