//! Where members are: given, or found in the DNS.

use discovery::Target;

use crate::failure;
use crate::logging::Logger;
use crate::logging::field::fields;
use command::Arguments;

/// The services of SRV records for clients, with their schemes.
const SERVICES: [(&str, &str); 2] = [("etcd-client-ssl", "https"), ("etcd-client", "http")];

/// Where members are.
pub(super) enum Found {
    /// As the flag says.
    Given(Vec<String>),
    /// As records of the DNS say.
    Discovered(Vec<Discovered>),
}

/// A member that a record names.
pub(super) struct Discovered {
    pub(super) url: String,
    pub(super) priority: u16,
    pub(super) weight: u16,
}

/// The endpoints that the flags name, or the domain in one of them.
pub(super) fn found(values: &Arguments, log: &Logger) -> Result<Found, String> {
    let domain = values.str("discovery-srv");
    if domain.is_empty() {
        return Ok(Found::Given(values.list("endpoints")));
    }
    let insecure = values.bool("insecure-discovery");
    let records = look_up(domain, values.str("discovery-srv-name"))?;
    let has_plain = records.iter().any(|(scheme, _)| *scheme == "http");
    let records = records
        .into_iter()
        // Whoever can answer for the DNS could name anybody, but for TLS.
        .filter(|(scheme, _)| insecure || *scheme == "https");
    let found: Vec<Discovered> = records
        .map(|(scheme, target)| discovered(scheme, &target))
        .collect();
    if has_plain && !insecure {
        let fields = fields!["discovery-srv" => domain];
        log.warn(
            "ignoring discovered endpoints without TLS; use --insecure-discovery to accept them",
            fields,
        );
    }
    if found.is_empty() {
        return Err(format!("no endpoints found in the SRV records of {domain}"));
    }
    let urls: Vec<String> = found.iter().map(|found| found.url.clone()).collect();
    log.info(
        "discovered cluster from SRV",
        fields!["srv-server" => domain, "endpoints" => urls],
    );
    Ok(Found::Discovered(found))
}

type Records = Vec<(&'static str, Target)>;

/// The records of both services; an error when there is neither.
fn look_up(domain: &str, name: &str) -> Result<Records, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let (mut records, mut errors) = (Records::new(), Vec::new());
        for (service, scheme) in SERVICES {
            match discovery::srv(service, domain, name).await {
                Ok(targets) => records.extend(targets.into_iter().map(|target| (scheme, target))),
                Err(error) => errors.push(failure::chain(&error)),
            }
        }
        match records.is_empty() {
            true => Err(errors.join("; ")),
            false => Ok(records),
        }
    })
}

fn discovered(scheme: &str, target: &Target) -> Discovered {
    let host = target.host.trim_end_matches('.');
    Discovered {
        url: format!("{scheme}://{host}:{}", target.port),
        priority: target.priority,
        weight: target.weight,
    }
}
