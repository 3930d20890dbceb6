//! Flags that ask for TLS or discovery: checked for mistakes, then refused by name.

use std::fs::File;

use crate::exit::Exit;
use crate::flags::Arguments;

/// Refuses what this program cannot do, and mistakes in it first.
pub(crate) fn check(arguments: &Arguments) -> Result<(), Exit> {
    let [cert, key, cacert] = ["cert", "key", "cacert"].map(|name| arguments.text(name));
    for (name, value) in [("cert", &cert), ("key", &key), ("cacert", &cacert)] {
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
    for path in [&cert, &key, &cacert]
        .into_iter()
        .filter(|path| !path.is_empty())
    {
        open(path)?;
    }
    for (name, value) in [("cert", &cert), ("key", &key), ("cacert", &cacert)] {
        if !value.is_empty() {
            return Err(no_tls(&format!("--{name}")));
        }
    }
    if !arguments.bool("insecure-transport") {
        return Err(no_tls("--insecure-transport=false"));
    }
    if !arguments.text("discovery-srv").is_empty() {
        let message = "--discovery-srv needs SRV lookups, which this build of etcdctl cannot do; \
                       name the members with --endpoints";
        return Err(Exit::error(message));
    }
    Ok(())
}

pub(crate) fn no_tls(flag: &str) -> Exit {
    let message = format!("{flag} needs TLS, which this build of etcdctl cannot speak");
    Exit::bad_arguments(message)
}

fn open(path: &str) -> Result<(), Exit> {
    match File::open(path) {
        Ok(_) => Ok(()),
        Err(error) => {
            let reason = io_reason(&error);
            Err(Exit::bad_arguments(format!("open {path}: {reason}")))
        }
    }
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

    fn check_refused(words: &[&'static str], message: &str) {
        let words: Vec<_> = words.iter().map(|word| (*word).into()).collect();
        let arguments = parse(crate::global::FLAGS, &words).unwrap();
        let exit = check(&arguments).unwrap_err();
        assert_eq!(exit.message.as_deref(), Some(message));
    }

    /// A TLS flag that is dropped silently sends secrets in the clear.
    #[test]
    fn what_cannot_be_kept_is_refused() {
        check_refused(&["--cert="], "empty string is passed to --cert option");
        check_refused(
            &["--cert=foo"],
            "KeyFile and CertFile must both be present[key: , cert: foo]",
        );
        check_refused(
            &["--cacert=/no/such"],
            "open /no/such: no such file or directory",
        );
        check_refused(
            &["--cacert=Cargo.toml"],
            "--cacert needs TLS, which this build of etcdctl cannot speak",
        );
        check_refused(
            &["--insecure-transport=false"],
            "--insecure-transport=false needs TLS, which this build of etcdctl cannot speak",
        );
    }
}
