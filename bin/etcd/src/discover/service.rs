//! The discovery service: every member writes itself on a list, and waits until the list is full.
//!
//! A service that cannot be reached is asked again, ever more seldom, for as long as this process
//! lives: the members of a new cluster and the service may be started in any order.

use std::path::PathBuf;
use std::time::Duration;

use client::{Client, ClientError, Config, Credentials};
use proto::error::Code;
use proto::etcdserverpb::{PutRequest, RangeRequest, RangeResponse, WatchCreateRequest};
use tls::{ClientFiles, Pair};
use types::MemberId;

use super::registry::{self, ListError, Listed};
use crate::flags::settings::Settings;
use crate::logging::Logger;
use crate::logging::field::fields;
use notation::duration::GoDuration;

/// The longest pause between two attempts is two to this power, in seconds.
const PAUSE_EXPONENT_MAX: u32 = 8;

/// Why the list does not tell who the members are.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    /// The list.
    #[error("failed to join discovery cluster ({0})")]
    List(#[from] ListError),
    /// The service refuses this member.
    #[error("failed to join discovery cluster ({0})")]
    Refused(ClientError),
    /// The system refuses what asking takes.
    #[error("cannot ask the discovery service")]
    Runtime(#[source] std::io::Error),
}

/// Writes this member on the list and waits until all are there; what they wrote of themselves, as
/// `--initial-cluster` has it.
pub(crate) fn join(
    settings: &Settings,
    own: MemberId,
    description: &str,
    log: &Logger,
) -> Result<String, ServiceError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(ServiceError::Runtime)?;
    let token = settings.text("discovery-token").to_owned();
    runtime.block_on(async {
        let list = List {
            client: connect(settings, log).await?,
            token,
            own,
            timeout: positive(settings.duration("discovery-request-timeout")),
            log,
        };
        list.join(description).await
    })
}

/// Calls are dialled when they are made; only a login fails here.
async fn connect(settings: &Settings, log: &Logger) -> Result<Client, ServiceError> {
    let mut retries = Retries::new(log);
    loop {
        match Client::connect(config(settings)).await {
            Ok(client) => return Ok(client),
            Err(error) => {
                retries
                    .after("connect to the discovery service", error)
                    .await?
            }
        }
    }
}

fn config(settings: &Settings) -> Config {
    let path = |name: &str| {
        let text = settings.text(name);
        (!text.is_empty()).then(|| PathBuf::from(text))
    };
    let pair = path("discovery-cert").zip(path("discovery-key"));
    let trusted_ca = path("discovery-cacert");
    let has_files = pair.is_some() || trusted_ca.is_some();
    let user = settings.text("discovery-user");
    let defaults = Config::default();
    Config {
        endpoints: settings.list("discovery-endpoints").to_vec(),
        dial_timeout: positive(settings.duration("discovery-dial-timeout")),
        keepalive_time: positive(settings.duration("discovery-keepalive-time")),
        keepalive_timeout: positive(settings.duration("discovery-keepalive-timeout")),
        credentials: match user {
            "" => Credentials::None,
            name => Credentials::Password {
                name: name.to_owned(),
                password: settings.text("discovery-password").to_owned(),
            },
        },
        tls: ClientFiles {
            pair: pair.map(|(cert, key)| Pair { cert, key }),
            trusted_ca,
            skip_verify: settings.is_on("discovery-insecure-skip-tls-verify"),
            ..ClientFiles::default()
        },
        tls_by_default: has_files || !settings.is_on("discovery-insecure-transport"),
        ..defaults
    }
}

/// Zero means as long as it takes, which no attempt should.
fn positive(duration: GoDuration) -> Duration {
    duration.positive().unwrap_or(Duration::from_secs(60))
}

/// The list of one token.
struct List<'a> {
    client: Client,
    token: String,
    own: MemberId,
    timeout: Duration,
    log: &'a Logger,
}

impl List<'_> {
    async fn join(&self, description: &str) -> Result<String, ServiceError> {
        let size = self.size().await?;
        let (members, _) = self.members().await?;
        registry::check_place(self.own, &members, size)?;
        self.register(description).await?;
        let members = self.wait(size).await?;
        let fields = fields!["cluster-size" => size];
        self.log
            .info("discovery joined cluster successfully", fields);
        let described: Vec<String> = members
            .into_iter()
            .map(|member| member.description)
            .collect();
        Ok(described.join(","))
    }

    async fn size(&self) -> Result<usize, ServiceError> {
        let found = self.range(registry::size_key(&self.token), false).await?;
        Ok(registry::size(found.kvs.first())?)
    }

    /// The members that are there, and as of which revision.
    async fn members(&self) -> Result<(Vec<Listed>, i64), ServiceError> {
        let found = self
            .range(registry::members_prefix(&self.token), true)
            .await?;
        let revision = found.header.map_or(0, |header| header.revision);
        Ok((registry::members(&self.token, &found.kvs), revision))
    }

    async fn range(&self, key: String, is_prefix: bool) -> Result<RangeResponse, ServiceError> {
        let mut retries = Retries::new(self.log);
        let range_end = match is_prefix {
            true => client::prefix_end(key.as_bytes()),
            false => Default::default(),
        };
        let request = RangeRequest {
            key: key.into(),
            range_end,
            ..RangeRequest::default()
        };
        loop {
            let client = self.client.within(self.timeout);
            match client.range(request.clone()).await {
                Ok(found) => return Ok(found),
                Err(error) => retries.after("read the list of members", error).await?,
            }
        }
    }

    /// Writing twice does no harm: the first time counts.
    async fn register(&self, description: &str) -> Result<(), ServiceError> {
        let mut retries = Retries::new(self.log);
        let request = PutRequest {
            key: registry::member_key(&self.token, self.own).into(),
            value: description.to_owned().into(),
            ..PutRequest::default()
        };
        loop {
            let client = self.client.within(self.timeout);
            match client.put(request.clone()).await {
                Ok(_) => break,
                Err(error) => retries.after("register this member", error).await?,
            }
        }
        let fields = fields!["member-id" => self.own.to_string()];
        self.log.info("register member itself successfully", fields);
        Ok(())
    }

    /// Waits until the list is full.
    async fn wait(&self, size: usize) -> Result<Vec<Listed>, ServiceError> {
        let mut known = 0;
        loop {
            let (mut members, revision) = self.members().await?;
            registry::check_place(self.own, &members, size)?;
            members.truncate(size);
            for member in members.iter().skip(known) {
                let fields = fields![
                    "peer-member-id" => member.id.to_string(),
                    "peer" => member.description.as_str(),
                ];
                self.log.info("found peer from discovery service", fields);
            }
            known = members.len();
            let fields = fields!["cluster-size" => size, "found-peers" => known];
            if known == size {
                self.log
                    .info("found all needed peers from discovery service", fields);
                return Ok(members);
            }
            self.log
                .info("waiting for peers from discovery service", fields);
            self.change_after(revision).await;
        }
    }

    /// Waits for a change of the list; a watch that breaks counts as one, since the list is read
    /// again in any case.
    async fn change_after(&self, revision: i64) {
        let prefix = registry::members_prefix(&self.token);
        let request = WatchCreateRequest {
            range_end: client::prefix_end(prefix.as_bytes()),
            key: prefix.into(),
            start_revision: revision + 1,
            ..WatchCreateRequest::default()
        };
        let watcher = self.client.watcher(false);
        let mut watch = watcher.watch(request).await;
        while let Some(Ok(answer)) = watch.next().await {
            if !answer.events.is_empty() || answer.canceled {
                return;
            }
        }
        // A service that ends every watch at once is not to be asked without a pause.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The attempts at one step.
struct Retries<'a> {
    log: &'a Logger,
    count: u32,
}

impl<'a> Retries<'a> {
    fn new(log: &'a Logger) -> Self {
        Self { log, count: 0 }
    }

    /// Waits before the next attempt, unless the service has answered for good.
    async fn after(&mut self, step: &str, error: ClientError) -> Result<(), ServiceError> {
        let passes = matches!(
            error.code(),
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown
        );
        if !passes {
            return Err(ServiceError::Refused(error));
        }
        self.count = (self.count + 1).min(PAUSE_EXPONENT_MAX);
        let pause = Duration::from_secs(1 << self.count);
        let fields = fields![
            "reason" => step,
            "backoff" => format!("{}s", pause.as_secs()),
            "error" => error.to_string(),
        ];
        self.log
            .warn("retry connecting to discovery service", fields);
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
