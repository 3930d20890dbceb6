//! Who may talk to the HTTP endpoints of a client port: host names, origins, the old REST prefix.

use std::{borrow::Cow, collections::BTreeSet};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        HOST, ORIGIN,
    },
    uri::PathAndQuery,
};

use crate::http1::{HttpResponse, replies};

const OLD_PREFIX: &str = "/v3beta/";
const PREFIX: &str = "/v3/";

/// A set of names, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// `*`, and so the default.
    Any,
    /// Exactly these.
    Only(BTreeSet<String>),
}

impl Allowed {
    /// Reads the values of `--cors` or `--host-whitelist`; a `*` among them, or none, allows all.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let names: BTreeSet<String> = names.into_iter().collect();
        if names.is_empty() || names.contains("*") {
            Self::Any
        } else {
            Self::Only(names)
        }
    }

    fn contains(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// The wrapper around all HTTP endpoints of a client port.
#[derive(Clone, Debug)]
pub struct AccessControl {
    /// Origins that browsers may call from (`--cors`).
    pub origins: Allowed,
    /// Host names that plain requests may name (`--host-whitelist`).
    pub hosts: Allowed,
}

impl Default for AccessControl {
    fn default() -> Self {
        Self {
            origins: Allowed::Any,
            hosts: Allowed::Any,
        }
    }
}

/// What the wrapper says before the handler is asked.
pub(crate) enum Decision {
    /// Ask the handler; add these headers to its answer.
    Pass(HeaderMap),
    /// Answer so.
    Answer(HttpResponse),
}

impl AccessControl {
    /// Applies the rules in etcd's order; rewrites the path where the old prefix is used.
    ///
    /// A request over TLS names its host by the certificate, so the name is not asked for there.
    pub(crate) fn check<B>(&self, request: &mut Request<B>, is_secured: bool) -> Decision {
        rewrite(request);
        if !is_secured {
            let host = request_host(request);
            if !self.hosts.contains(&host) {
                return Decision::Answer(misdirected(&host));
            }
        }
        let mut headers = HeaderMap::new();
        if let Some(origin) = self.admitted(request.headers()) {
            origin.admit(&mut headers);
        }
        if request.method() == Method::OPTIONS {
            let mut response = HttpResponse::default();
            *response.headers_mut() = headers;
            return Decision::Answer(response);
        }
        Decision::Pass(headers)
    }

    /// The origin that may read the answer to a request which names its own.
    pub(crate) fn admitted(&self, headers: &HeaderMap) -> Option<Origin> {
        match (&self.origins, headers.get(ORIGIN)) {
            (Allowed::Any, _) => Some(Origin(HeaderValue::from_static("*"))),
            (Allowed::Only(names), Some(origin)) => {
                let name = origin.to_str().ok()?;
                names.contains(name).then(|| Origin(origin.clone()))
            }
            (Allowed::Only(_), None) => None,
        }
    }
}

/// An origin whose pages may read an answer.
pub(crate) struct Origin(HeaderValue);

impl Origin {
    /// Tells the browser.
    pub(crate) fn admit(self, headers: &mut HeaderMap) {
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("POST, GET, OPTIONS, PUT, DELETE"),
        );
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.0);
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("accept, content-type, authorization"),
        );
    }
}

fn rewrite<B>(request: &mut Request<B>) {
    let Some(rest) = request
        .uri()
        .path_and_query()
        .and_then(|all| all.as_str().strip_prefix(OLD_PREFIX))
    else {
        return;
    };
    let Ok(path) = PathAndQuery::try_from(format!("{PREFIX}{rest}")) else {
        return;
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(path);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// The host that the request names, without its port.
fn request_host<B>(request: &Request<B>) -> Cow<'_, str> {
    let named = match request.uri().authority() {
        Some(authority) => Cow::Borrowed(authority.as_str()),
        None => match request.headers().get(HOST) {
            Some(host) => String::from_utf8_lossy(host.as_bytes()),
            None => Cow::Borrowed(""),
        },
    };
    match split_port(&named) {
        Some(len) => Cow::Owned(named[..len].trim_matches(['[', ']']).to_owned()),
        None => named,
    }
}

/// Where the host ends, if a port follows.
fn split_port(named: &str) -> Option<usize> {
    let (host, port) = named.rsplit_once(':')?;
    let bare = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
    (bare && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(host.len())
}

fn misdirected(host: &str) -> HttpResponse {
    replies::plain(
        StatusCode::MISDIRECTED_REQUEST,
        Bytes::from(format!(
            "The Host header of this request is not allowed: {host:?}.\n\n\
             Use TLS, where every host name is allowed, or start etcd with --host-whitelist \
             {host:?}.\nThis protects from DNS rebinding (CVE-2018-5702).\n"
        )),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut builder = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap()
    }

    fn only(names: &[&str]) -> Allowed {
        Allowed::new(names.iter().map(|name| (*name).to_owned()))
    }

    /// A page in a browser must not reach a member by a name that its owner did not allow.
    #[test]
    fn cve_2018_1098_and_1099_hosts() {
        let access = AccessControl {
            hosts: only(&["a.example", "::1"]),
            ..AccessControl::default()
        };
        for (host, passes) in [
            ("a.example", true),
            ("a.example:2379", true),
            ("[::1]:2379", true),
            ("b.example:2379", false),
        ] {
            let decision = access.check(&mut request("GET", "/health", &[("host", host)]), false);
            match decision {
                Decision::Pass(_) => assert!(passes, "{host}"),
                Decision::Answer(response) => {
                    assert!(!passes, "{host}");
                    assert_eq!(response.status(), 421);
                }
            }
        }
    }

    /// Browsers read the headers of every answer; without them consoles go blind.
    #[test]
    fn cve_2018_1098_origins() {
        let any = AccessControl::default();
        let Decision::Pass(headers) = any.check(&mut request("GET", "/", &[]), false) else {
            panic!("refused");
        };
        assert_eq!(headers["access-control-allow-origin"], "*");
        let some = AccessControl {
            origins: only(&["http://x:1"]),
            ..AccessControl::default()
        };
        let mut preflight = request("OPTIONS", "/", &[("origin", "http://x:1")]);
        let Decision::Answer(response) = some.check(&mut preflight, false) else {
            panic!("not answered");
        };
        assert_eq!(
            response.headers()["access-control-allow-origin"],
            "http://x:1"
        );
        let Decision::Pass(headers) =
            some.check(&mut request("GET", "/", &[("origin", "http://y")]), false)
        else {
            panic!("refused");
        };
        assert!(headers.is_empty());
    }

    /// Old clients still use the beta prefix.
    #[test]
    fn old_prefix() {
        let mut old = request("POST", "/v3beta/kv/range?x=1", &[]);
        AccessControl::default().check(&mut old, false);
        assert_eq!(old.uri(), "/v3/kv/range?x=1");
        let mut older = request("POST", "/v3alpha/kv/range", &[]);
        AccessControl::default().check(&mut older, false);
        assert_eq!(older.uri(), "/v3alpha/kv/range");
    }
}
