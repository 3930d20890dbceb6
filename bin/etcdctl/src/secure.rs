//! The flags for TLS: checked for mistakes, then handed to the client.

use std::path::PathBuf;

use client::Config;
use tls::{ClientFiles, ClientTls, Pair};

use crate::exit::Exit;
use crate::flags::Arguments;

/// Names of the flags of one side.
pub(crate) struct Names {
    pub(crate) cert: &'static str,
    pub(crate) key: &'static str,
    pub(crate) cacert: &'static str,
    pub(crate) insecure: &'static str,
}

/// The cluster that commands talk to.
pub(crate) const GLOBAL: Names = Names {
    cert: "cert",
    key: "key",
    cacert: "cacert",
    insecure: "insecure-transport",
};

/// Puts TLS into a client's settings as the flags ask for it.
///
/// Any of the files switches TLS on, also for endpoints without a scheme.
pub(crate) fn apply(
    arguments: &Arguments,
    names: &Names,
    skip_verify: bool,
    config: &mut Config,
) -> Result<(), Exit> {
    let [cert, key, cacert] =
        [names.cert, names.key, names.cacert].map(|name| arguments.text(name));
    for (name, value) in [
        (names.cert, &cert),
        (names.key, &key),
        (names.cacert, &cacert),
    ] {
        if arguments.is_changed(name) && value.is_empty() {
            let message = format!("empty string is passed to --{name} option");
            return Err(Exit::bad_arguments(message));
        }
    }
    if cert.is_empty() != key.is_empty() {
        let message =
            format!("KeyFile and CertFile must both be present[key: {key}, cert: {cert}]");
        return Err(Exit::bad_arguments(message));
    }
    let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
    let pair = path(&cert).zip(path(&key));
    config.tls = ClientFiles {
        pair: pair.map(|(cert, key)| Pair { cert, key }),
        trusted_ca: path(&cacert),
        skip_verify,
        ..ClientFiles::default()
    };
    let has_files = config.tls.pair.is_some() || config.tls.trusted_ca.is_some();
    config.tls_by_default = has_files || !arguments.bool(names.insecure);
    if has_files {
        // Files that cannot be used are a mistake in the arguments, whatever the endpoints are.
        let tried = ClientTls::new(config.tls.clone());
        tried.map_err(|error| Exit::bad_arguments(error.to_string()))?;
    }
    Ok(())
}

/// The reason as C libraries word it, without Rust's number.
pub(crate) fn io_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" (os error").next().unwrap_or_default();
    let mut letters = reason.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::parse;

    fn applied(words: &[&'static str]) -> Result<Config, String> {
        let words: Vec<_> = words.iter().map(|word| (*word).into()).collect();
        let arguments = parse(crate::global::FLAGS, &words).unwrap();
        let mut config = Config::default();
        let skip_verify = arguments.bool("insecure-skip-tls-verify");
        match apply(&arguments, &GLOBAL, skip_verify, &mut config) {
            Ok(()) => Ok(config),
            Err(exit) => Err(exit.message.unwrap_or_default()),
        }
    }

    /// A TLS flag that is dropped silently sends secrets in the clear.
    #[test]
    fn what_is_asked_for_is_kept_or_refused() {
        let check = |words: &[&'static str], message: &str| {
            assert_eq!(applied(words).unwrap_err(), message);
        };
        check(&["--cert="], "empty string is passed to --cert option");
        check(
            &["--cert=foo"],
            "KeyFile and CertFile must both be present[key: , cert: foo]",
        );
        check(
            &["--cacert=/no/such"],
            "open /no/such: no such file or directory",
        );
        check(
            &["--cacert=Cargo.toml"],
            "tls: failed to find any PEM data in certificate file Cargo.toml",
        );
        let forced = applied(&["--insecure-transport=false"]).unwrap();
        assert!(forced.tls_by_default && !forced.tls.skip_verify);
        let skipping = applied(&["--insecure-skip-tls-verify"]).unwrap();
        assert!(!skipping.tls_by_default && skipping.tls.skip_verify);
    }
}
