//! The Auth service, as far as a server without users has one.

use bytes::Bytes;
use proto::error::Error;
use proto::etcdserverpb::{AuthStatusRequest, AuthStatusResponse, AuthenticateRequest};
use rpc::Status;

use super::{Services, decode, encode};

/// The auth revision of a store that never had users.
const FIRST_AUTH_REVISION: u64 = 1;

impl Services {
    pub(super) fn auth_status(&self, request: Bytes) -> Result<Bytes, Status> {
        let AuthStatusRequest {} = decode(request)?;
        Ok(encode(&AuthStatusResponse {
            header: Some(self.header_now()),
            enabled: false,
            auth_revision: FIRST_AUTH_REVISION,
        }))
    }
}

/// Clients with a user name go on without a token when they hear this.
pub(super) fn authenticate(request: Bytes) -> Result<Bytes, Status> {
    decode::<AuthenticateRequest>(request)?;
    Err(Error::AuthNotEnabled.into())
}
