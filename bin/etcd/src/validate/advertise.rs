//! The URLs that others are told.

use super::ConfigError;
use crate::flags::settings::{Settings, Source};
use notation::url::{Url, UrlError};

const PEER: &str = "initial-advertise-peer-urls";
const CLIENT: &str = "advertise-client-urls";

/// Whether others can use them.
pub(super) fn check(settings: &Settings) -> Result<(), ConfigError> {
    if let Err(reason) = reachable(settings.urls(PEER)) {
        let urls = settings.url_texts(PEER).join(",");
        return Err(ConfigError::AdvertisePeer { urls, reason });
    }
    if let Err(reason) = reachable(settings.urls(CLIENT)) {
        let urls = settings.url_texts(CLIENT).join(",");
        return Err(ConfigError::AdvertiseClient { urls, reason });
    }
    Ok(())
}

fn reachable(urls: &[Url]) -> Result<(), UrlError> {
    urls.iter().try_for_each(Url::check_reachable)
}

/// Whether clients are listened to at a place that they are not told of. A file is trusted.
pub(super) fn is_missing(settings: &Settings) -> bool {
    let listens = settings.source("listen-client-urls");
    matches!(listens, Source::Flag | Source::Environment) && !settings.is_set(CLIENT)
}
