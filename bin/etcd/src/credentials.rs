//! From the flags to how callers prove who they are.

use std::time::Duration;

use server::credentials::{
    BCRYPT_COST, CredentialsConfig, TOKEN_TTL, TokenKind, TokenOptionsError,
};

use crate::flags::settings::Settings;
use notation::duration::GoDuration;

/// What bcrypt can do.
const COSTS: std::ops::RangeInclusive<u64> = 4..=31;

/// Reads the flags of tokens, passwords and certificates.
pub(crate) fn config(settings: &Settings) -> Result<CredentialsConfig, TokenOptionsError> {
    let given = settings.uint("bcrypt-cost");
    let cost = u32::try_from(given)
        .ok()
        .filter(|_| COSTS.contains(&given))
        .unwrap_or_else(|| {
            tracing::warn!(
                "min-cost" = COSTS.start(),
                "max-cost" = COSTS.end(),
                "default-cost" = BCRYPT_COST,
                "given-cost" = given,
                "use default bcrypt cost instead of the invalid given cost"
            );
            BCRYPT_COST
        });
    let ttl = match settings.uint("auth-token-ttl") {
        0 => TOKEN_TTL,
        seconds => Duration::from_secs(seconds),
    };
    Ok(CredentialsConfig {
        tokens: TokenKind::parse(settings.text("auth-token"), duration)?,
        simple_ttl: ttl,
        bcrypt_cost: cost,
    })
}

/// A time to live that is one.
fn duration(text: &str) -> Option<Duration> {
    let duration = GoDuration::parse(text).ok()?;
    duration.positive()
}
