//! Calls on behalf of others: with the caller's own token, and messages as they are.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use prost::DecodeError;
use prost::Message;
use prost::encoding::{DecodeContext, WireType};
use tokio::sync::mpsc;
use tonic::metadata::AsciiMetadataValue;

use crate::call::{Client, ResponseStream, Rpc};
use crate::config::{Config, Credentials};
use crate::error::ClientError;

/// A message that nobody reads on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw(pub Bytes);

/// Who a call is made for.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(crate) token: Option<AsciiMetadataValue>,
    pub(crate) require_leader: bool,
    pub(crate) patience: Duration,
}

impl Caller {
    /// A caller with its token, if it has one. `patience` is how long a member is looked for before
    /// the call fails; the token is never replaced by another one.
    ///
    /// # Errors
    /// [`ClientError::Token`] when a header cannot carry the token.
    pub fn new(
        token: Option<&str>,
        require_leader: bool,
        patience: Duration,
    ) -> Result<Self, ClientError> {
        let token = token.map(|token| token.parse().map_err(|_| ClientError::Token));
        Ok(Self {
            token: token.transpose()?,
            require_leader,
            patience,
        })
    }
}

impl Client {
    /// Prepares a client that does not log in: every call is made on behalf of somebody, or of
    /// nobody. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`ClientError`] naming an endpoint or a file that cannot be used.
    pub fn anonymous(config: Config) -> Result<Self, ClientError> {
        Self::prepare(Config {
            credentials: Credentials::None,
            ..config
        })
    }

    /// A unary call of any method. What is `repeatable` is asked of another member when one is
    /// unavailable.
    ///
    /// # Errors
    /// What the member answered, or that none could be reached.
    pub async fn relay(
        &self,
        path: &'static str,
        repeatable: bool,
        message: Bytes,
    ) -> Result<Bytes, ClientError> {
        let rpc = Rpc { path, repeatable };
        let Raw(answer) = self.unary(rpc, Raw(message)).await?;
        Ok(answer)
    }

    /// A call of any method that is answered with a stream.
    ///
    /// # Errors
    /// As [`Client::relay`].
    pub async fn relay_stream(
        &self,
        path: &'static str,
        message: Bytes,
    ) -> Result<ResponseStream<Raw>, ClientError> {
        let rpc = Rpc {
            path,
            repeatable: true,
        };
        self.server_stream(rpc, Raw(message)).await
    }

    /// A stream both ways; `first` is sent at once. Nothing is repeated when it breaks.
    ///
    /// # Errors
    /// As [`Client::relay`].
    pub async fn relay_both<Q, R>(
        &self,
        path: &'static str,
        first: Vec<Q>,
    ) -> Result<(mpsc::Sender<Q>, ResponseStream<R>), ClientError>
    where
        Q: Message + Clone + 'static,
        R: Message + Default + 'static,
    {
        let rpc = Rpc {
            path,
            repeatable: true,
        };
        self.bidi(rpc, false, first).await
    }
}

impl Message for Raw {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put(self.0.clone());
    }

    fn merge_field(
        &mut self,
        _: u32,
        _: WireType,
        _: &mut impl Buf,
        _: DecodeContext,
    ) -> Result<(), DecodeError> {
        // Never asked for: the whole is taken at once.
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }

    fn merge(&mut self, mut buf: impl Buf) -> Result<(), DecodeError> {
        self.0 = buf.copy_to_bytes(buf.remaining());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A proxy that changes a byte of what it does not know breaks the next version of a client.
    #[test]
    fn bytes_stay_as_they_are() {
        let bytes = Bytes::from_static(b"\xff\x00not protobuf");
        assert_eq!(Raw(bytes.clone()).encode_to_vec(), bytes);
        assert_eq!(Raw::decode(bytes.clone()).unwrap(), Raw(bytes));
    }
}
