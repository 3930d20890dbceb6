//! The members behind the proxy.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::{Client, ClientError, Config};
use proto::etcdserverpb::MemberListRequest;
use tokio::sync::watch;

use super::who::Who;

/// How long a look at the list of members may take.
const SYNC_LIMIT: Duration = Duration::from_secs(5);

/// Clients of the members, with connections of their own. Every connection thread has one, so that
/// calls do not change threads.
pub(super) struct Backend {
    config: Config,
    state: Mutex<State>,
}

struct State {
    endpoints: watch::Receiver<Vec<String>>,
    client: Client,
}

impl Backend {
    /// Clients of the endpoints of now and of later. Must be called inside a tokio runtime.
    pub(super) fn new(
        config: &Config,
        mut endpoints: watch::Receiver<Vec<String>>,
    ) -> Result<Self, ClientError> {
        let of_now = endpoints.borrow_and_update().clone();
        let client = connect(config, of_now)?;
        Ok(Self {
            config: config.clone(),
            state: Mutex::new(State { endpoints, client }),
        })
    }

    /// Nobody's client.
    pub(super) fn client(&self) -> Client {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.endpoints.has_changed().unwrap_or_default() {
            let endpoints = state.endpoints.borrow_and_update().clone();
            // Endpoints that cannot be used leave those that could.
            if let Ok(client) = connect(&self.config, endpoints) {
                state.client = client;
            }
        }
        state.client.clone()
    }

    /// The client of a caller.
    pub(super) fn client_of(&self, who: &Who) -> Result<Client, ClientError> {
        Ok(self.client().on_behalf(who.caller()?))
    }

    /// Where members are just now.
    pub(super) fn endpoints(&self) -> Vec<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.endpoints.borrow().clone()
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }
}

fn connect(config: &Config, endpoints: Vec<String>) -> Result<Client, ClientError> {
    Client::anonymous(Config {
        endpoints,
        ..config.clone()
    })
}

/// Follows the list of members.
pub(super) async fn follow(
    backend: Arc<Backend>,
    endpoints: watch::Sender<Vec<String>>,
    interval: Duration,
) {
    loop {
        tokio::time::sleep(interval).await;
        let client = backend.client().within(SYNC_LIMIT);
        let request = MemberListRequest {
            linearizable: false,
        };
        match client.member_list(request).await {
            Ok(list) => {
                let voters = list.members.into_iter().filter(|member| !member.is_learner);
                let urls: Vec<String> = voters.flat_map(|member| member.client_ur_ls).collect();
                if !urls.is_empty() {
                    endpoints.send_if_modified(|known| {
                        let is_new = *known != urls;
                        *known = urls;
                        is_new
                    });
                }
            }
            Err(error) => tracing::warn!(%error, "cannot follow the list of members"),
        }
    }
}
