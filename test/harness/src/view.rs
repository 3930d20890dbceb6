//! What the members of a cluster say of themselves.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{Cluster, ctl};

/// What one member says of itself.
///
/// # Errors
/// When it does not answer.
pub fn status(endpoint: &str) -> Result<Value> {
    let endpoint = [endpoint.to_owned()];
    let answer = ctl::json(&endpoint, &["endpoint", "status"])?;
    Ok(answer[0]["Status"].clone())
}

/// The id of a member, from its status.
#[must_use]
pub fn id(status: &Value) -> u64 {
    status["header"]["member_id"].as_u64().unwrap_or_default()
}

/// The place of the leader that all the members at `places` agree on, as soon as they do.
///
/// # Errors
/// When they never do.
pub fn leader(cluster: &Cluster, places: &[usize]) -> Result<usize> {
    let agreed = || {
        let mut leaders = Vec::new();
        let mut ids = Vec::new();
        for place in places {
            let status = status(&cluster[*place].endpoint())?;
            leaders.push(status["leader"].as_u64().unwrap_or_default());
            ids.push(id(&status));
        }
        let first = leaders[0];
        ensure!(leaders.iter().all(|leader| *leader == first), "{leaders:?}");
        let place = ids.iter().position(|id| *id == first);
        place.map(|at| places[at]).context("nobody leads")
    };
    ctl::eventually("one leader", agreed)
}

/// Waits until the members at `places` store the same at the same revision.
///
/// # Errors
/// When they never do.
pub fn agree(cluster: &Cluster, places: &[usize]) -> Result<()> {
    let endpoints: Vec<String> = places
        .iter()
        .map(|place| cluster[*place].endpoint())
        .collect();
    let same = || {
        let answer = ctl::json(&endpoints, &["endpoint", "hashkv"])?;
        let hashes = answer.as_array().context("no list")?;
        let of = |hash: &Value| {
            let hash = &hash["HashKV"];
            (hash["hash"].as_u64(), hash["header"]["revision"].as_i64())
        };
        let first = of(&hashes[0]);
        ensure!(hashes.len() == places.len(), "{answer}");
        ensure!(
            first.0.is_some() && hashes.iter().all(|hash| of(hash) == first),
            "{answer}"
        );
        Ok(())
    };
    ctl::eventually("equal hashes", same)
}
