//! Settings that are possible one by one, but not together, or not here.

mod advertise;
mod idle;

use crate::flags::settings::Settings;
use crate::gates::GateError;
use crate::logging::Logger;
use crate::logging::field::fields;
use crate::secure;
use notation::duration::GoDuration;
use notation::quote::quote;
use notation::size;
use notation::url::{Url, UrlError};
use server::SAMPLING_WHOLE;

/// An election must not take longer, in milliseconds.
const ELECTION_TIMEOUT_MAX: u64 = 50_000;
/// Largest request that is recommended, in bytes.
const REQUEST_BYTES_RECOMMENDED: u64 = 10 << 20;

/// Why a member cannot be started with these settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A URL that cannot be listened on.
    #[error(transparent)]
    Listen(#[from] UrlError),
    /// The peer URLs cannot be reached.
    #[error(
        "--initial-advertise-peer-urls {} must be \"host:port\" ({reason})",
        quote(urls)
    )]
    AdvertisePeer {
        /// The URLs.
        urls: String,
        /// Why.
        reason: UrlError,
    },
    /// The client URLs cannot be reached.
    #[error(
        "--advertise-client-urls {} must be in the format \"host:port\", \"unix:/path/to/socket\" or \"unixs:/path/to/socket\" ({reason})",
        quote(urls)
    )]
    AdvertiseClient {
        /// The URLs.
        urls: String,
        /// Why.
        reason: UrlError,
    },
    /// Several ways to find the first members.
    #[error(
        "multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", \"discovery-endpoints\" or \"discovery-srv\""
    )]
    SeveralBootstraps,
    /// Discovery without its token or its endpoints.
    #[error("both --discovery-token and --discovery-endpoints must be set")]
    HalfDiscovery,
    /// An endpoint without a name.
    #[error("--discovery-endpoints must not contain empty endpoints")]
    EmptyEndpoint,
    /// The fallback that is gone.
    #[error("v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\"")]
    ProxyFallback,
    /// No heartbeats.
    #[error("--heartbeat-interval must be >0 (set to 0ms)")]
    NoHeartbeat,
    /// No elections.
    #[error("--election-timeout must be >0 (set to 0ms)")]
    NoElection,
    /// Elections that a late heartbeat would start.
    #[error(
        "--election-timeout[{election}ms] should be at least as 5 times as --heartbeat-interval[{heartbeat}ms]"
    )]
    ElectionTooShort {
        /// Milliseconds.
        election: u64,
        /// Milliseconds.
        heartbeat: u64,
    },
    /// Elections that hardly ever come.
    #[error(
        "--election-timeout[{0}ms] is too long, and should be set less than {ELECTION_TIMEOUT_MAX}ms"
    )]
    ElectionTooLong(u64),
    /// Clients would be told the wrong place.
    #[error("--advertise-client-urls is required when --listen-client-urls is set explicitly")]
    NoAdvertisedClientUrls,
    /// No mode of compaction.
    #[error("undefined auto-compaction-mode")]
    NoCompactionMode,
    /// A mode of compaction that does not exist.
    #[error("unknown auto-compaction-mode {}", quote(.0))]
    CompactionMode(String),
    /// No time between two checks.
    #[error("--compact-hash-check-time must be >0 (set to {0})")]
    HashCheckTime(GoDuration),
    /// Nothing that can be counted by.
    #[error("--usage-metrics: {}: it counts by client, user and prefix", quote(.0))]
    Usage(String),
    /// A share below nothing.
    #[error(
        "distributed tracing configurition is not valid: (tracing sampling rate must be positive)"
    )]
    NegativeSampling,
    /// A share of more than all.
    #[error(
        "distributed tracing configurition is not valid: (tracing sampling rate must be less than {SAMPLING_WHOLE})"
    )]
    TooMuchSampling,
    /// Versions and cipher suites of TLS.
    #[error(transparent)]
    Tls(#[from] tls::SettingsError),
    /// Feature gates.
    #[error(transparent)]
    Gates(#[from] GateError),
    /// More learners than there may be, before there is any.
    #[error("membership: too many learner members in cluster")]
    Learners,
}

/// Checks the settings in etcd's order.
///
/// # Errors
/// The first [`ConfigError`].
pub(crate) fn validate(settings: &Settings, log: &Logger) -> Result<(), ConfigError> {
    listeners(settings, log)?;
    advertise::check(settings)?;
    bootstrap(settings)?;
    elections(settings)?;
    if advertise::is_missing(settings) {
        return Err(ConfigError::NoAdvertisedClientUrls);
    }
    compaction(settings)?;
    settings.gates().check()?;
    secure::settings(settings)?;
    if settings.int("max-learners") < 0 {
        return Err(ConfigError::Learners);
    }
    tracing(settings)?;
    usage(settings)?;
    advise(settings, log);
    Ok(())
}

fn listeners(settings: &Settings, log: &Logger) -> Result<(), ConfigError> {
    let check = |name| settings.urls(name).iter().try_for_each(Url::check_bindable);
    check("listen-peer-urls")?;
    check("listen-client-urls")?;
    if settings.urls("listen-client-http-urls").is_empty() {
        let message =
            "Running http and grpc server on single port. This is not recommended for production.";
        log.warn(message, &[]);
    }
    check("listen-client-http-urls")?;
    check("listen-metrics-urls")?;
    Ok(())
}

fn bootstrap(settings: &Settings) -> Result<(), ConfigError> {
    let endpoints = settings.list("discovery-endpoints");
    let token = settings.text("discovery-token");
    let static_cluster =
        settings.is_set("initial-cluster") && !settings.text("initial-cluster").is_empty();
    let ways = [
        static_cluster,
        !endpoints.is_empty(),
        !settings.text("discovery-srv").is_empty(),
    ];
    if ways.into_iter().filter(|&way| way).count() > 1 {
        return Err(ConfigError::SeveralBootstraps);
    }
    if settings.text("discovery-fallback") == "proxy" {
        return Err(ConfigError::ProxyFallback);
    }
    if token.is_empty() != endpoints.is_empty() {
        return Err(ConfigError::HalfDiscovery);
    }
    if endpoints.iter().any(|endpoint| endpoint.trim().is_empty()) {
        return Err(ConfigError::EmptyEndpoint);
    }
    Ok(())
}

fn elections(settings: &Settings) -> Result<(), ConfigError> {
    let heartbeat = settings.uint("heartbeat-interval");
    let election = settings.uint("election-timeout");
    if heartbeat == 0 {
        return Err(ConfigError::NoHeartbeat);
    }
    if election == 0 {
        return Err(ConfigError::NoElection);
    }
    if heartbeat.saturating_mul(5) > election {
        return Err(ConfigError::ElectionTooShort {
            election,
            heartbeat,
        });
    }
    if election > ELECTION_TIMEOUT_MAX {
        return Err(ConfigError::ElectionTooLong(election));
    }
    Ok(())
}

fn compaction(settings: &Settings) -> Result<(), ConfigError> {
    match settings.text("auto-compaction-mode") {
        "periodic" | "revision" => {}
        "" => return Err(ConfigError::NoCompactionMode),
        mode => return Err(ConfigError::CompactionMode(mode.to_owned())),
    }
    let check = settings.duration("compact-hash-check-time");
    match check.positive() {
        Some(_) => Ok(()),
        None => Err(ConfigError::HashCheckTime(check)),
    }
}

/// The share of calls that are traced; it matters only where any are.
fn tracing(settings: &Settings) -> Result<(), ConfigError> {
    let rate = settings.int("distributed-tracing-sampling-rate");
    match u64::try_from(rate) {
        _ if !settings.is_on("enable-distributed-tracing") => Ok(()),
        Err(_) => Err(ConfigError::NegativeSampling),
        Ok(rate) if rate > SAMPLING_WHOLE => Err(ConfigError::TooMuchSampling),
        Ok(_) => Ok(()),
    }
}

fn usage(settings: &Settings) -> Result<(), ConfigError> {
    let known = |word: &&String| ["client", "user", "prefix"].contains(&word.as_str());
    match settings
        .list("usage-metrics")
        .iter()
        .find(|word| !known(word))
    {
        Some(word) => Err(ConfigError::Usage(word.clone())),
        None => Ok(()),
    }
}

/// Warns of what is possible, but seldom meant.
fn advise(settings: &Settings, log: &Logger) {
    if settings.is_set("max-snapshots") {
        let message = "--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8.";
        log.warn(message, &[]);
    }
    if settings.is_set("v2-deprecation") {
        let message = "--v2-deprecation is deprecated and ignored; there is no v2 API any more.";
        log.warn(message, &[]);
    }
    if settings.text("name") == "default" {
        log.warn("it isn't recommended to use default name, please set a value for --name. Note that etcd might run into issue when multiple members have the same default name", fields!["name" => "default"]);
    }
    let request = settings.uint("max-request-bytes");
    if request > REQUEST_BYTES_RECOMMENDED {
        let fields = fields![
            "max-request-bytes" => request,
            "max-request-size" => size::human(request),
            "recommended-request-bytes" => REQUEST_BYTES_RECOMMENDED,
            "recommended-request-size" => size::human(REQUEST_BYTES_RECOMMENDED),
        ];
        log.warn("exceeded recommended request limit", fields);
    }
    idle::mention(settings, log);
}

#[cfg(test)]
mod tests;
