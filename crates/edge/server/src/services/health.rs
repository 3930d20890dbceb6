//! `grpc.health.v1.Health`: the server as a whole serves as soon as its port does.

use std::collections::BTreeMap;
use std::future::pending;

use bytes::Bytes;
use proto::error::Code;
use proto::health::health_check_response::ServingStatus;
use proto::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use rpc::{Inbound, Outbound, Status};

use super::{decode, encode};

/// The one name that is known: the server.
const SERVER: &str = "";

pub(super) fn check(request: Bytes) -> Result<Bytes, Status> {
    let request: HealthCheckRequest = decode(request)?;
    if request.service == SERVER {
        Ok(encode(&response(ServingStatus::Serving)))
    } else {
        Err(Status::new(Code::NotFound, "unknown service"))
    }
}

pub(super) fn list(request: Bytes) -> Result<Bytes, Status> {
    let HealthListRequest {} = decode(request)?;
    let statuses = BTreeMap::from([(SERVER.to_owned(), response(ServingStatus::Serving))]);
    Ok(encode(&HealthListResponse { statuses }))
}

/// Tells the state once; it does not change before the stream ends.
pub(super) async fn watch(mut inbound: Inbound, outbound: Outbound) -> Result<(), Status> {
    let Some(request) = inbound.next().await else {
        return Err(Status::undecodable());
    };
    let request: HealthCheckRequest = decode(request?)?;
    let status = if request.service == SERVER {
        ServingStatus::Serving
    } else {
        ServingStatus::ServiceUnknown
    };
    if outbound.send(encode(&response(status))).await.is_ok() {
        pending::<()>().await;
    }
    Ok(())
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status as i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Load balancers ask for the empty name.
    #[test]
    fn checks() {
        assert_eq!(&check(Bytes::new()).unwrap()[..], b"\x08\x01");
        let other = check(Bytes::from_static(b"\x0a\x01x")).unwrap_err();
        assert_eq!(other, Status::new(Code::NotFound, "unknown service"));
        assert_eq!(
            &list(Bytes::new()).unwrap()[..],
            b"\x0a\x04\x12\x02\x08\x01"
        );
    }
}
