//! The sockets of a member: bound first, served when their time comes.

use std::collections::BTreeMap;

use rpc::{BindError, ListenAddress, Listener, PortKind, Security};
use tls::ServerTls;

use crate::member::ServerConfig;

/// TLS for the listeners whose URLs ask for it.
#[derive(Clone, Debug, Default)]
pub struct ListenerTls {
    /// Where other members are listened to.
    pub peer: Option<ServerTls>,
    /// Where clients are listened to, by gRPC and HTTP.
    pub client: Option<ServerTls>,
    /// Where metrics are asked for.
    pub metrics: Option<ServerTls>,
}

/// A bound socket and what it serves.
pub(crate) struct Port {
    pub(crate) listener: Listener,
    pub(crate) kind: PortKind,
    pub(crate) security: Security,
}

impl Port {
    /// The URL that is listened on; of two schemes the one with TLS.
    pub(crate) fn address(&self) -> ListenAddress {
        let is_secured = !matches!(self.security, Security::Plain);
        self.listener.address().clone().secured(is_secured)
    }
}

/// All sockets.
pub(crate) struct Ports {
    /// Those that are served at once.
    pub(crate) early: Vec<Port>,
    /// Those that wait until the member is ready.
    pub(crate) clients: Vec<Port>,
}

impl Ports {
    pub(crate) fn bind(config: &ServerConfig) -> Result<Self, BindError> {
        let tls = &config.tls;
        let bind = |addresses: &[ListenAddress], kind, tls: &Option<ServerTls>| {
            bind(addresses, kind, tls.as_ref(), config)
        };
        let shared = match config.client_http.is_empty() {
            true => PortKind::Shared,
            false => PortKind::GrpcOnly,
        };
        let mut early = bind(&config.peer, PortKind::Peer, &tls.peer)?;
        let mut clients = bind(&config.client, shared, &tls.client)?;
        clients.extend(bind(&config.client_http, PortKind::HttpOnly, &tls.client)?);
        early.extend(bind(&config.metrics, PortKind::Metrics, &tls.metrics)?);
        Ok(Self { early, clients })
    }
}

/// Which schemes a place was given with.
#[derive(Clone, Copy, Default)]
struct Schemes {
    plain: bool,
    secured: bool,
}

/// A place that is given twice, also with two schemes, is bound once.
fn bind(
    addresses: &[ListenAddress],
    kind: PortKind,
    tls: Option<&ServerTls>,
    config: &ServerConfig,
) -> Result<Vec<Port>, BindError> {
    let mut places: BTreeMap<ListenAddress, Schemes> = BTreeMap::new();
    for address in addresses {
        let schemes = places.entry(address.clone().secured(false)).or_default();
        match address.is_secured() {
            true => schemes.secured = true,
            false => schemes.plain = true,
        }
    }
    let mut ports = Vec::new();
    for (place, schemes) in places {
        let address = place.secured(schemes.secured);
        let security = match (schemes.secured.then_some(tls).flatten(), schemes.plain) {
            (Some(tls), true) => Security::Either(tls.clone()),
            (Some(tls), false) => Security::Tls(tls.clone()),
            // Nobody may be served in the clear where TLS was asked for.
            (None, _) if schemes.secured => return Err(no_tls(address)),
            (None, _) => Security::Plain,
        };
        ports.push(Port {
            listener: Listener::bind(&address, config.sockets)?,
            kind,
            security,
        });
    }
    Ok(ports)
}

fn no_tls(address: ListenAddress) -> BindError {
    let source = std::io::Error::new(std::io::ErrorKind::Unsupported, "no certificate is given");
    BindError { address, source }
}
