//! The list of proxies: each writes itself under a prefix, with a lease, in the form of Go's
//! resolver, and shows all of them as the members of the cluster.

use std::sync::Arc;
use std::time::Duration;

use client::{Client, ClientError, prefix_end};
use proto::etcdserverpb::{
    LeaseGrantRequest, Member, MemberListResponse, PutRequest, RangeRequest, ResponseHeader,
};
use serde::{Deserialize, Serialize};

use super::backend::Backend;

/// How long one step of registering, or a look at the list, may take.
const STEP_LIMIT: Duration = Duration::from_secs(5);
/// The pause before a proxy that is not registered tries it again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Where proxies are registered.
#[derive(Clone, Debug)]
pub struct Resolver {
    /// The prefix of the keys.
    pub prefix: String,
    /// Seconds after which a proxy that is gone is forgotten.
    pub ttl: i64,
}

/// What the members of a cluster are shown as.
pub(super) struct Registry {
    pub(super) resolver: Option<Resolver>,
    /// Where others find this proxy; empty for nowhere.
    pub(super) advertised: String,
    pub(super) host_name: String,
}

/// A proxy, as it is written down.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    #[serde(rename = "Op", default)]
    operation: u8,
    #[serde(rename = "Addr")]
    address: String,
    #[serde(rename = "Metadata", default)]
    metadata: serde_json::Value,
}

/// What a proxy tells of itself: JSON in a text.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    #[serde(default)]
    name: String,
}

impl Registry {
    /// The list of members that callers see; none when they see the real ones.
    pub(super) async fn members(
        &self,
        backend: &Backend,
    ) -> Option<Result<MemberListResponse, ClientError>> {
        if self.advertised.is_empty() {
            return None;
        }
        let mut members = match &self.resolver {
            None => Vec::new(),
            Some(resolver) => match list(&backend.client().within(STEP_LIMIT), resolver).await {
                Ok(members) => members,
                Err(error) => return Some(Err(error)),
            },
        };
        if members.is_empty() {
            members.push(member(self.host_name.clone(), self.advertised.clone()));
        }
        Some(Ok(MemberListResponse {
            header: Some(ResponseHeader::default()),
            members,
        }))
    }

    /// Keeps this proxy on the list, for as long as it runs.
    pub(super) async fn keep(self: Arc<Self>, backend: Arc<Backend>) {
        let Some(resolver) = &self.resolver else {
            return;
        };
        loop {
            if let Err(error) = self.register(&backend.client(), resolver).await {
                tracing::warn!(%error, "cannot register the proxy");
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// Registers once, and returns when the registration has ended.
    async fn register(&self, client: &Client, resolver: &Resolver) -> Result<(), ClientError> {
        let limited = client.within(STEP_LIMIT);
        let grant = LeaseGrantRequest {
            ttl: resolver.ttl,
            id: 0,
        };
        let lease = limited.lease_grant(grant).await?.id;
        let about = About {
            name: self.host_name.clone(),
        };
        let entry = Entry {
            operation: 0,
            address: self.advertised.clone(),
            metadata: json(&about).into(),
        };
        let request = PutRequest {
            key: format!("{}/{}", resolver.prefix, self.advertised).into(),
            value: json(&entry).into(),
            lease,
            ..PutRequest::default()
        };
        limited.put(request).await?;
        tracing::info!(
            prefix = resolver.prefix,
            address = self.advertised,
            "registered the proxy"
        );
        let mut renewals = client.keep_alive(lease);
        while renewals.next().await.is_some() {}
        Ok(())
    }
}

fn json(value: &impl Serialize) -> String {
    // Texts alone cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}

async fn list(client: &Client, resolver: &Resolver) -> Result<Vec<Member>, ClientError> {
    let prefix = format!("{}/", resolver.prefix).into_bytes();
    let request = RangeRequest {
        range_end: prefix_end(&prefix),
        key: prefix.into(),
        serializable: true,
        ..RangeRequest::default()
    };
    let found = client.range(request).await?;
    let entries = found.kvs.iter().filter_map(|pair| {
        // What others have put there is not ours to complain about.
        let entry: Entry = serde_json::from_slice(&pair.value).ok()?;
        let about = entry.metadata.as_str().unwrap_or_default();
        let name = serde_json::from_str(about).map_or(String::new(), |about: About| about.name);
        Some(member(name, entry.address))
    });
    Ok(entries.collect())
}

fn member(name: String, url: String) -> Member {
    Member {
        name,
        client_ur_ls: vec![url],
        ..Member::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Go's proxies and resolvers read what is written here.
    #[test]
    fn the_form_is_gos() {
        let about = About {
            name: "host".to_owned(),
        };
        let entry = Entry {
            operation: 0,
            address: "10.0.0.1:23790".to_owned(),
            metadata: json(&about).into(),
        };
        assert_eq!(
            json(&entry),
            r#"{"Op":0,"Addr":"10.0.0.1:23790","Metadata":"{\"name\":\"host\"}"}"#
        );
    }
}
