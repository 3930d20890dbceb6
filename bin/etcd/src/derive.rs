//! Settings that follow from others: the data directory, the first members, the advertised host.

use std::net::{IpAddr, UdpSocket};

use crate::flags::settings::{Settings, Source, default};
use crate::flags::table;
use crate::flags::value::Value;
use crate::logging::Logger;
use crate::logging::field::fields;
use notation::duration::GoDuration;
use notation::url::Url;

/// Any address outside; connecting a UDP socket asks for the route and sends nothing.
const OUTSIDE: &str = "192.0.2.1:9";
/// Progress notices do not come more often, in nanoseconds.
const PROGRESS_INTERVAL_MIN: GoDuration = GoDuration(100_000_000);
/// The wildcard that others cannot connect to.
const WILDCARD: &str = "0.0.0.0";

/// Completes the settings.
pub(crate) fn derive(settings: &mut Settings, log: &Logger) {
    advertise_default_host(settings, log);
    name_initial_cluster(settings);
    if settings.text("data-dir").is_empty() {
        let data_dir = format!("{}.etcd", settings.text("name"));
        let fields = fields!["data-dir" => data_dir.as_str()];
        log.warn("'data-dir' was empty; using default", fields);
        settings.set("data-dir", Value::Text(data_dir), Source::Derived);
    }
    if settings.uint("snapshot-count") == 0 {
        let fields =
            fields!["given-snapshot-count" => 0_u64, "updated-snapshot-count" => 10_000_u64];
        log.info("updating snapshot-count to default", fields);
        settings.set("snapshot-count", Value::Uint(10_000), Source::Derived);
    }
    raise_progress_interval(settings, log);
}

/// Zero stands for the default; what is shorter than the least is raised to it.
fn raise_progress_interval(settings: &mut Settings, log: &Logger) {
    let name = "watch-progress-notify-interval";
    let given = settings.duration(name);
    if given.positive().is_some() && given < PROGRESS_INTERVAL_MIN {
        let fields =
            fields!["given-interval" => given, "updated-interval" => PROGRESS_INTERVAL_MIN];
        log.warn(
            "raising watch progress notify interval to its minimum",
            fields,
        );
        settings.set(
            name,
            Value::Duration(PROGRESS_INTERVAL_MIN),
            Source::Derived,
        );
    }
}

fn is_default(settings: &Settings, name: &str) -> bool {
    let flag = table::find(name).expect("the name is in the table");
    *settings.get(name) == default(flag)
}

/// Who listens everywhere and advertises nothing is known by the address of the default route.
fn advertise_default_host(settings: &mut Settings, log: &Logger) {
    let Some(host) = default_host() else {
        let fields = fields!["error" => "could not find default route"];
        log.info("failed to detect default host", fields);
        return;
    };
    let pairs = [
        ("listen-peer-urls", "initial-advertise-peer-urls"),
        ("listen-client-urls", "advertise-client-urls"),
    ];
    let mut used = false;
    for (listen, advertise) in pairs {
        let first = settings.urls(listen).first();
        let port = first
            .filter(|url| url.hostname() == WILDCARD)
            .map(|url| url.port().to_owned());
        let Some(port) = port.filter(|_| is_default(settings, advertise)) else {
            continue;
        };
        let at = format!("{host}:{port}");
        let urls = settings
            .urls(advertise)
            .iter()
            .map(|url| url.at(&at))
            .collect();
        settings.set(advertise, Value::Urls(urls), Source::Derived);
        used = true;
    }
    if used {
        log.info(
            "detected default host for advertise",
            fields!["host" => host.to_string()],
        );
    }
}

/// The machine's own address on the way to others.
fn default_host() -> Option<IpAddr> {
    let socket = UdpSocket::bind((WILDCARD, 0)).ok()?;
    socket.connect(OUTSIDE).ok()?;
    let host = socket.local_addr().ok()?.ip();
    (!host.is_unspecified()).then_some(host)
}

/// A cluster that nobody described has this member, under its own name and URLs.
fn name_initial_cluster(settings: &mut Settings) {
    let renamed = settings.text("name") != "default";
    let moved = settings.source("initial-advertise-peer-urls") == Source::Derived;
    if is_default(settings, "initial-cluster") && (renamed || moved) {
        let name = settings.text("name");
        let urls = settings.urls("initial-advertise-peer-urls");
        let members: Vec<String> = urls
            .iter()
            .map(|url: &Url| format!("{name}={url}"))
            .collect();
        let cluster = Value::Text(members.join(","));
        settings.set("initial-cluster", cluster, Source::Derived);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(values: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (name, value) in values {
            let flag = table::find(name).unwrap();
            settings.parse(flag, value, Source::Flag).unwrap();
        }
        derive(&mut settings, &Logger::silent());
        settings
    }

    /// `etcd --name a` must start.
    #[test]
    fn a_name_is_enough() {
        let settings = derived(&[
            ("name", "a"),
            ("initial-advertise-peer-urls", "http://h:2,http://h:1"),
        ]);
        assert_eq!(settings.text("data-dir"), "a.etcd");
        assert_eq!(
            settings.text("initial-cluster"),
            "a=http://h:1,a=http://h:2"
        );
        let settings = derived(&[
            ("watch-progress-notify-interval", "1ms"),
            ("snapshot-count", "0"),
        ]);
        let interval = settings.duration("watch-progress-notify-interval");
        assert_eq!(interval, PROGRESS_INTERVAL_MIN);
        assert_eq!(settings.uint("snapshot-count"), 10_000);
        assert_eq!(settings.text("data-dir"), "default.etcd");
        assert_eq!(
            settings.text("initial-cluster"),
            "default=http://localhost:2380"
        );
    }

    #[test]
    fn a_wildcard_is_not_advertised() {
        let settings = derived(&[
            ("listen-client-urls", "http://0.0.0.0:9"),
            ("advertise-client-urls", "http://localhost:2379"),
        ]);
        let advertised = settings.url_texts("advertise-client-urls");
        match default_host() {
            Some(host) => assert_eq!(advertised, [format!("http://{host}:9")]),
            None => assert_eq!(advertised, ["http://localhost:2379"]),
        }
    }
}
