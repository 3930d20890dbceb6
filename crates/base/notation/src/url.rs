//! URLs of listeners and members, checked in etcd's order and with its texts.

use std::fmt;

use crate::quote::quote;

/// A URL with one of the four schemes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Url {
    text: String,
    scheme: Scheme,
    host: String,
}

/// How a URL is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// TCP.
    Http,
    /// TCP and TLS.
    Https,
    /// A unix socket.
    Unix,
    /// A unix socket and TLS.
    Unixs,
}

/// Why a text is no URL of a listener or member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// There is none.
    #[error("no valid URLs given")]
    None,
    /// It is no URL at all.
    #[error("parse {}: {reason}", quote(text))]
    Syntax {
        /// The text.
        text: String,
        /// Go's word for it.
        reason: String,
    },
    /// Another scheme, or none.
    #[error("URL scheme must be http, https, unix, or unixs: {0}")]
    Scheme(String),
    /// No port.
    #[error("URL address does not have the form \"host:port\": {0}")]
    HostPort(String),
    /// Something behind the port.
    #[error("URL must not contain a path: {0}")]
    Path(String),
    /// A host that cannot be bound.
    #[error("expected IP in URL for binding ({0})")]
    NotAnIp(String),
    /// A host that cannot be reached.
    #[error("unexpected empty host ({0})")]
    EmptyHost(String),
}

impl Url {
    /// Reads one URL; blanks around it do not count.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        let owned = || text.to_owned();
        let (scheme_name, rest) = split_scheme(text)?;
        let (host, path) = split_host(scheme_name.is_some(), rest, text)?;
        let scheme = match scheme_name.as_deref() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some("unix") => Scheme::Unix,
            Some("unixs") => Scheme::Unixs,
            _ => return Err(UrlError::Scheme(owned())),
        };
        if !scheme.is_unix() {
            split_port(host).ok_or_else(|| UrlError::HostPort(owned()))?;
            if !path.is_empty() && !path.starts_with(['?', '#']) {
                return Err(UrlError::Path(owned()));
            }
        }
        Ok(Self {
            text: format!("{}{rest}", scheme.prefix()),
            scheme,
            host: host.to_owned(),
        })
    }

    /// Reads a list between commas; the result is sorted and holds each URL once.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, UrlError> {
        let mut urls = text
            .split(',')
            .map(Self::parse)
            .collect::<Result<Vec<_>, _>>()?;
        urls.sort_by(|a, b| a.text.cmp(&b.text));
        urls.dedup();
        match urls.is_empty() {
            true => Err(UrlError::None),
            false => Ok(urls),
        }
    }

    /// How it is reached.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host and port as written.
    pub fn host_port(&self) -> &str {
        &self.host
    }

    /// The host, without brackets.
    pub fn hostname(&self) -> &str {
        let host = split_port(&self.host).map_or(self.host.as_str(), |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port as written.
    pub fn port(&self) -> &str {
        split_port(&self.host).map_or("", |(_, port)| port)
    }

    /// The same URL at another host and port.
    pub fn at(&self, host_port: &str) -> Self {
        Self {
            text: format!("{}//{host_port}", self.scheme.prefix()),
            scheme: self.scheme,
            host: host_port.to_owned(),
        }
    }

    /// Whether a listener can be bound there: an IP address, `localhost`, or a unix socket.
    pub fn check_bindable(&self) -> Result<(), UrlError> {
        let host = self.hostname();
        let is_ip = host.parse::<std::net::IpAddr>().is_ok();
        if self.scheme.is_unix() || host == "localhost" || is_ip {
            return Ok(());
        }
        Err(UrlError::NotAnIp(self.text.clone()))
    }

    /// Whether others can reach it by that name.
    pub fn check_reachable(&self) -> Result<(), UrlError> {
        if self.scheme.is_unix() || !self.hostname().is_empty() {
            return Ok(());
        }
        Err(UrlError::EmptyHost(self.text.clone()))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Scheme {
    /// Whether it is a socket in the file system.
    pub fn is_unix(self) -> bool {
        matches!(self, Self::Unix | Self::Unixs)
    }

    /// Whether it asks for TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Unixs)
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Http => "http:",
            Self::Https => "https:",
            Self::Unix => "unix:",
            Self::Unixs => "unixs:",
        }
    }
}

fn syntax(text: &str, reason: &str) -> UrlError {
    UrlError::Syntax {
        text: text.to_owned(),
        reason: reason.to_owned(),
    }
}

/// The scheme, if there is one, and what follows its colon.
fn split_scheme(text: &str) -> Result<(Option<String>, &str), UrlError> {
    if text.chars().any(|char| char.is_ascii_control()) {
        return Err(syntax(text, "net/url: invalid control character in URL"));
    }
    let Some(colon) = text.find(|char: char| !is_scheme_char(char)) else {
        return Ok((None, text));
    };
    match (
        colon,
        text.starts_with(|char: char| char.is_ascii_alphabetic()),
    ) {
        (0, _) if text.starts_with(':') => Err(syntax(text, "missing protocol scheme")),
        (_, true) if text[colon..].starts_with(':') => {
            let scheme = text[..colon].to_ascii_lowercase();
            Ok((Some(scheme), &text[colon + 1..]))
        }
        _ => Ok((None, text)),
    }
}

fn is_scheme_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '+' | '-' | '.')
}

/// Host with port, and what follows them.
fn split_host<'a>(
    has_scheme: bool,
    rest: &'a str,
    text: &str,
) -> Result<(&'a str, &'a str), UrlError> {
    let Some(authority) = rest.strip_prefix("//") else {
        let segment = rest.split('/').next().unwrap_or_default();
        if !has_scheme && segment.contains(':') {
            return Err(syntax(
                text,
                "first path segment in URL cannot contain colon",
            ));
        }
        return Ok(("", rest));
    };
    let end = authority.find(['/', '?', '#']).unwrap_or(authority.len());
    let (host, path) = authority.split_at(end);
    check_host(host, text)?;
    Ok((host, path))
}

fn check_host(host: &str, text: &str) -> Result<(), UrlError> {
    let port = match host.strip_prefix('[') {
        Some(bracketed) => match bracketed.rsplit_once(']') {
            Some((_, port)) => port,
            None => return Err(syntax(text, "missing ']' in host")),
        },
        None => host.rfind(':').map_or("", |colon| &host[colon..]),
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    let well_formed = port.is_empty() || port.starts_with(':');
    if !well_formed || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let reason = format!("invalid port {} after host", quote(port));
        return Err(syntax(text, &reason));
    }
    match host.chars().find(|char| {
        matches!(
            char,
            ' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}'
        )
    }) {
        Some(char) => {
            let reason = format!("invalid character {} in host name", quote(char.to_string()));
            Err(syntax(text, &reason))
        }
        None => Ok(()),
    }
}

/// Host and port of `host:port` or `[host]:port`.
fn split_port(host_port: &str) -> Option<(&str, &str)> {
    let (host, port) = host_port.rsplit_once(':')?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let bare = !host.contains([':', '[', ']']);
    (bracketed || bare).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same typing error must be answered by the same words as etcd's.
    #[test]
    fn refuses() {
        for (text, error) in [
            ("foo", "URL scheme must be http, https, unix, or unixs: foo"),
            ("", "URL scheme must be http, https, unix, or unixs: "),
            (
                "localhost:2379",
                "URL scheme must be http, https, unix, or unixs: localhost:2379",
            ),
            (
                "127.0.0.1:2379",
                "parse \"127.0.0.1:2379\": first path segment in URL cannot contain colon",
            ),
            (":2379", "parse \":2379\": missing protocol scheme"),
            (
                "ftp://a:1",
                "URL scheme must be http, https, unix, or unixs: ftp://a:1",
            ),
            (
                "http://a",
                "URL address does not have the form \"host:port\": http://a",
            ),
            (
                "http://::1:5",
                "URL address does not have the form \"host:port\": http://::1:5",
            ),
            (
                "http://a:x",
                "parse \"http://a:x\": invalid port \":x\" after host",
            ),
            (
                "http://[::1:5",
                "parse \"http://[::1:5\": missing ']' in host",
            ),
            (
                "http://a b:5",
                "parse \"http://a b:5\": invalid character \" \" in host name",
            ),
            ("http://a:1/", "URL must not contain a path: http://a:1/"),
            ("http://a:1/x", "URL must not contain a path: http://a:1/x"),
        ] {
            assert_eq!(Url::parse(text).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn lists_are_sorted_sets() {
        let urls = Url::parse_list(" http://b:2,http://a:1 ,http://b:2,unix://x:1").unwrap();
        let texts: Vec<_> = urls.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["http://a:1", "http://b:2", "unix://x:1"]);
        assert!(Url::parse_list("http://b:2,").is_err());
    }

    #[test]
    fn parts() {
        let url = Url::parse("HTTP://[::1]:2379").unwrap();
        assert_eq!(url.to_string(), "http://[::1]:2379");
        assert_eq!((url.hostname(), url.port()), ("::1", "2379"));
        assert_eq!(url.at("10.0.0.1:5").to_string(), "http://10.0.0.1:5");
        let unix = Url::parse("unix:///run/x.sock").unwrap();
        assert_eq!(unix.to_string(), "unix:///run/x.sock");
    }

    #[test]
    fn hosts_for_binding_and_for_others() {
        let check = |text: &str, bindable, reachable| {
            let url = Url::parse(text).unwrap();
            assert_eq!(url.check_bindable().is_ok(), bindable, "{text}");
            assert_eq!(url.check_reachable().is_ok(), reachable, "{text}");
        };
        check("http://127.0.0.1:1", true, true);
        check("http://[::1]:1", true, true);
        check("http://localhost:1", true, true);
        check("unix://:1", true, true);
        check("http://example.com:1", false, true);
        check("http://:1", false, false);
    }
}
