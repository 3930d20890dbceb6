//! Endpoints that the domain name system names, in place of those of the flags.

use client::Config;
use discovery::ClientsError;

use crate::exit::Exit;
use crate::flags::Arguments;

/// Puts the endpoints of `--discovery-srv` into a client's settings. Where the domain has none that
/// are wanted, those of `--endpoints` stay.
pub(crate) fn apply(arguments: &Arguments, config: &mut Config) -> Result<(), Exit> {
    let domain = arguments.text("discovery-srv");
    if domain.is_empty() {
        return Ok(());
    }
    let name = arguments.text("discovery-srv-name");
    let found = look_up(&domain, &name)?;
    let found = found.map_err(|error| Exit::error(error.to_string()))?;
    if arguments.bool("insecure-discovery") {
        take(found, config);
        return Ok(());
    }
    config.tls.server_name = Some(domain);
    config.tls_by_default = true;
    take(encrypted(found), config);
    Ok(())
}

fn take(found: Vec<String>, config: &mut Config) {
    if !found.is_empty() {
        config.endpoints = found;
    }
}

/// Who distrusts plain endpoints is told of each that is passed over.
fn encrypted(found: Vec<String>) -> Vec<String> {
    let is_plain = |endpoint: &String| endpoint.starts_with("http://");
    let (plain, encrypted): (Vec<_>, Vec<_>) = found.into_iter().partition(is_plain);
    for endpoint in plain {
        eprintln!("ignoring discovered insecure endpoint {endpoint:?}");
    }
    encrypted
}

/// On a thread of its own, since commands run on a runtime already.
fn look_up(domain: &str, name: &str) -> Result<Result<Vec<String>, ClientsError>, Exit> {
    let look_up = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.map(|runtime| runtime.block_on(discovery::clients(domain, name)))
    };
    let found = std::thread::scope(|scope| scope.spawn(look_up).join());
    let found = found.map_err(|_| Exit::error("the lookup was given up"))?;
    found.map_err(|error| Exit::error(error.to_string()))
}
