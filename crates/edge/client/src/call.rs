//! The client handle, and the rules by which a call is tried again.
//!
//! | what happened | what follows |
//! |---|---|
//! | no connection, nothing sent | the next endpoint, with growing pauses, until the deadline |
//! | unavailable, and the call only reads | the next endpoint |
//! | the token is refused, and a password is known | one login, then again |
//! | anything else | the caller's |

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prost::Message;
use proto::error::{Code, Error as Known};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::Streaming;
use tonic::metadata::AsciiMetadataValue;

use crate::config::{Config, Credentials};
use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::relay::Caller;
use crate::transport::{Failure, Headers, Transport};

/// The pause after all endpoints were tried once; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause between attempts.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How often a read is repeated when members are there but unavailable.
const REPEATS_MAX: u32 = 100;

/// One method of the API, and whether repeating it is harmless.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rpc {
    pub(crate) path: &'static str,
    pub(crate) repeatable: bool,
}

/// A handle on a cluster; clones share their connections and login.
///
/// ```no_run
/// # async fn example() -> Result<(), client::ClientError> {
/// let client = client::Client::connect(client::Config::default()).await?;
/// let request = proto::etcdserverpb::RangeRequest {
///     key: "greeting".into(),
///     ..Default::default()
/// };
/// let found = client.within(std::time::Duration::from_secs(5)).range(request).await?;
/// println!("{} keys", found.count);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    deadline: Option<Instant>,
    /// Whose calls these are, instead of the login's.
    caller: Option<Caller>,
}

#[derive(Debug)]
struct Shared {
    transport: Transport,
    config: Config,
    /// The login's token; held only to read or replace it.
    token: Mutex<Option<AsciiMetadataValue>>,
}

impl Client {
    /// Prepares a client and logs in when there is a password. Members are dialled by the first
    /// call that needs them.
    pub async fn connect(config: Config) -> Result<Self, ClientError> {
        let client = Self::prepare(config)?;
        if client.has_password() {
            let login = client.within(client.shared.config.dial_timeout);
            login.login().await?;
        }
        Ok(client)
    }

    pub(crate) fn prepare(config: Config) -> Result<Self, ClientError> {
        let transport = Transport::new(&config)?;
        let token = match &config.credentials {
            Credentials::Token(token) => Some(header(token)?),
            Credentials::None | Credentials::Password { .. } => None,
        };
        let shared = Shared {
            transport,
            token: Mutex::new(token),
            config,
        };
        Ok(Self {
            shared: Arc::new(shared),
            deadline: None,
            caller: None,
        })
    }

    /// A handle whose calls all end `timeout` from now.
    #[must_use]
    pub fn within(&self, timeout: Duration) -> Self {
        Self {
            // A timeout beyond what the clock can hold is no deadline.
            deadline: Instant::now().checked_add(timeout),
            ..self.clone()
        }
    }

    /// A handle whose calls are made for somebody else.
    #[must_use]
    pub fn on_behalf(&self, caller: Caller) -> Self {
        Self {
            caller: Some(caller),
            ..self.clone()
        }
    }

    /// The endpoints in the order they were given.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.shared.transport.endpoints()
    }

    /// The settings that the client was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    pub(crate) async fn unary<Q, R>(&self, rpc: Rpc, message: Q) -> Result<R, ClientError>
    where
        Q: Message + Clone + 'static,
        R: Message + Default + 'static,
    {
        let mut attempts = Attempts::of(self, rpc);
        loop {
            let at = attempts.pick();
            let headers = self.headers(false);
            let transport = &self.shared.transport;
            let sent = transport.unary(at, rpc.path, headers, message.clone());
            match attempts.bound(sent).await? {
                Ok(answer) => return Ok(answer),
                Err(failure) => attempts.after(failure).await?,
            }
        }
    }

    pub(crate) async fn server_stream<Q, R>(
        &self,
        rpc: Rpc,
        message: Q,
    ) -> Result<ResponseStream<R>, ClientError>
    where
        Q: Message + Clone + 'static,
        R: Message + Default + 'static,
    {
        let mut attempts = Attempts::of(self, rpc);
        loop {
            let at = attempts.pick();
            let headers = self.headers(false);
            let transport = &self.shared.transport;
            let sent = transport.server_stream(at, rpc.path, headers, message.clone());
            match attempts.bound(sent).await? {
                Ok(stream) => return Ok(ResponseStream::new(stream, self.deadline)),
                Err(failure) => attempts.after(failure).await?,
            }
        }
    }

    pub(crate) async fn bidi<Q, R>(
        &self,
        rpc: Rpc,
        require_leader: bool,
        first: Vec<Q>,
    ) -> Result<(mpsc::Sender<Q>, ResponseStream<R>), ClientError>
    where
        Q: Message + Clone + 'static,
        R: Message + Default + 'static,
    {
        let mut attempts = Attempts::of(self, rpc);
        loop {
            let at = attempts.pick();
            let headers = self.headers(require_leader);
            let transport = &self.shared.transport;
            let sent = transport.bidi(at, rpc.path, headers, first.clone());
            match attempts.bound(sent).await? {
                Ok((sender, stream)) => {
                    return Ok((sender, ResponseStream::new(stream, self.deadline)));
                }
                Err(failure) => attempts.after(failure).await?,
            }
        }
    }

    /// Replaces the token by a new one. A cluster without authentication needs none.
    async fn login(&self) -> Result<(), ClientError> {
        let Credentials::Password { name, password } = &self.shared.config.credentials else {
            return Ok(());
        };
        let request = proto::etcdserverpb::AuthenticateRequest {
            name: name.clone(),
            password: password.clone(),
        };
        let path = "/etcdserverpb.Auth/Authenticate";
        let rpc = Rpc {
            path,
            repeatable: true,
        };
        let mut attempts = Attempts::of(self, rpc);
        loop {
            let at = attempts.pick();
            let transport = &self.shared.transport;
            let headers = Headers {
                timeout: self.remaining(),
                ..Headers::default()
            };
            let sent = transport.unary(at, path, headers, request.clone());
            let answer: proto::etcdserverpb::AuthenticateResponse =
                match attempts.bound(sent).await? {
                    Ok(answer) => answer,
                    Err(failure) if failure.error.is(Known::AuthNotEnabled) => return Ok(()),
                    Err(failure) => {
                        attempts.after_without_login(failure).await?;
                        continue;
                    }
                };
            self.set_token(Some(header(&answer.token)?));
            return Ok(());
        }
    }

    fn has_password(&self) -> bool {
        self.caller.is_none()
            && matches!(self.shared.config.credentials, Credentials::Password { .. })
    }

    fn set_token(&self, token: Option<AsciiMetadataValue>) {
        *self
            .shared
            .token
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = token;
    }

    fn remaining(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    fn headers(&self, require_leader: bool) -> Headers {
        if let Some(caller) = &self.caller {
            return Headers {
                token: caller.token.clone(),
                require_leader: require_leader || caller.require_leader,
                timeout: self.remaining(),
            };
        }
        let token = self
            .shared
            .token
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Headers {
            token: token.clone(),
            require_leader,
            timeout: self.remaining(),
        }
    }
}

/// The attempts at one call.
struct Attempts<'a> {
    client: &'a Client,
    rpc: Rpc,
    unsent: usize,
    repeats: u32,
    logged_in: bool,
    pause: Duration,
    cause: Option<String>,
    /// When nobody is looked for any more.
    patience: Option<Instant>,
}

impl<'a> Attempts<'a> {
    fn of(client: &'a Client, rpc: Rpc) -> Self {
        Self {
            client,
            rpc,
            unsent: 0,
            repeats: 0,
            logged_in: false,
            pause: PAUSE_MIN,
            cause: None,
            patience: client
                .caller
                .as_ref()
                .map(|caller| Instant::now() + caller.patience),
        }
    }

    fn pick(&self) -> usize {
        self.client.shared.transport.pick()
    }

    /// Waits for `work`, but not beyond the deadline.
    async fn bound<T>(&self, work: impl Future<Output = T>) -> Result<T, ClientError> {
        let Some(deadline) = self.client.deadline else {
            return Ok(work.await);
        };
        // A timer may ring a millisecond late: an answer that came meanwhile came too late, too.
        if Instant::now() >= deadline {
            return Err(self.late());
        }
        let outcome = timeout_at(deadline, work).await;
        outcome.map_err(|_| self.late())
    }

    fn late(&self) -> ClientError {
        ClientError::DeadlineExceeded {
            cause: self.cause.clone(),
        }
    }

    /// Returns when the call may be tried again, and fails when it may not.
    async fn after(&mut self, failure: Failure) -> Result<(), ClientError> {
        if failure.error.wants_login() && self.client.has_password() && !self.logged_in {
            self.logged_in = true;
            return self.bound(self.client.login()).await?;
        }
        self.after_without_login(failure).await
    }

    async fn after_without_login(&mut self, failure: Failure) -> Result<(), ClientError> {
        let is_patient = self.patience.is_none_or(|end| Instant::now() < end);
        if let Some(cause) = failure.unsent {
            if !is_patient {
                return Err(ClientError::Status {
                    code: Code::Unavailable,
                    message: format!("transport: {cause}"),
                });
            }
            self.cause = Some(cause);
            self.unsent += 1;
            // Every endpoint gets its chance before the first pause.
            if self
                .unsent
                .is_multiple_of(self.client.shared.transport.len())
            {
                self.rest().await?;
            }
            return Ok(());
        }
        let unavailable = failure.error.code() == Code::Unavailable;
        if unavailable && is_patient && self.rpc.repeatable && self.repeats < REPEATS_MAX {
            self.repeats += 1;
            return self.rest().await;
        }
        Err(match failure.error {
            ClientError::DeadlineExceeded { cause: None } => self.late(),
            error => error,
        })
    }

    async fn rest(&mut self) -> Result<(), ClientError> {
        self.bound(sleep(self.pause)).await?;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(())
    }
}

/// The answers of a stream, in order.
#[derive(Debug)]
pub struct ResponseStream<R> {
    stream: Streaming<R>,
    deadline: Option<Instant>,
}

impl<R> ResponseStream<R> {
    fn new(stream: Streaming<R>, deadline: Option<Instant>) -> Self {
        Self { stream, deadline }
    }

    /// The next answer, or `None` when the member has ended the stream well.
    pub async fn next(&mut self) -> Result<Option<R>, ClientError> {
        let outcome = match self.deadline {
            None => self.stream.message().await,
            Some(deadline) => timeout_at(deadline, self.stream.message())
                .await
                .map_err(|_| ClientError::DeadlineExceeded { cause: None })?,
        };
        outcome.map_err(|status| Failure::of(status).error)
    }
}

fn header(token: &str) -> Result<AsciiMetadataValue, ClientError> {
    token.parse().map_err(|_| ClientError::Token)
}
