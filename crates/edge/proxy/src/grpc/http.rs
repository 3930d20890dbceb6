//! The plain HTTP endpoints of the proxy: its own metrics and health, and those of the members.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderValue, Method, StatusCode};
use bytes::Bytes;
use proto::error::Error;
use proto::etcdserverpb::RangeRequest;
use rpc::{HttpHandler, HttpRequest, HttpResponse, replies};

use super::backend::Backend;
use super::metrics::Metrics;
use super::scrape;

/// How long members may take to show that they are there.
const HEALTH_LIMIT: Duration = Duration::from_secs(5);
const METRICS_TYPE: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Answers the plain HTTP requests of one connection thread.
pub(super) struct Http {
    backend: Arc<Backend>,
    metrics: Metrics,
    has_profiles: bool,
}

impl Http {
    pub(super) fn new(backend: Arc<Backend>, metrics: Metrics, has_profiles: bool) -> Self {
        Self {
            backend,
            metrics,
            has_profiles,
        }
    }

    async fn answer(&self, request: HttpRequest) -> HttpResponse {
        match request.uri.path() {
            "/health" | "/proxy/health" if request.method != Method::GET => {
                replies::method_not_allowed("GET")
            }
            "/health" | "/proxy/health" => self.health().await,
            "/proxy/metrics" => {
                let text = self.metrics.render();
                replies::with_type(StatusCode::OK, METRICS_TYPE, text.into())
            }
            "/metrics" => match scrape::scrape(&self.backend).await {
                Ok(text) => replies::with_type(StatusCode::OK, METRICS_TYPE, text),
                Err(error) => replies::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
            },
            path if self.has_profiles && profile::http::is_profile(path) => {
                profile::http::answer(path, &request.query()).await
            }
            _ => replies::not_found(),
        }
    }

    /// A proxy without members is no use, so that both are healthy together.
    async fn health(&self) -> HttpResponse {
        let request = RangeRequest {
            key: Bytes::from_static(b"a"),
            ..RangeRequest::default()
        };
        let answer = self
            .backend
            .client()
            .within(HEALTH_LIMIT)
            .range(request)
            .await;
        let reason = match answer {
            Ok(_) => None,
            // A member that refuses is there.
            Err(error) if error.is(Error::PermissionDenied) || error.is(Error::UserEmpty) => None,
            Err(error) => Some(format!("GET ERROR:{error}")),
        };
        match reason {
            None => replies::plain(
                StatusCode::OK,
                Bytes::from_static(br#"{"health":"true","reason":""}"#),
            ),
            Some(reason) => {
                let reason = serde_json::Value::from(reason);
                let body = format!("{{\"health\":\"false\",\"reason\":{reason}}}\n");
                replies::nosniff(StatusCode::SERVICE_UNAVAILABLE, body.into())
            }
        }
    }
}

impl HttpHandler for Http {
    async fn handle(self: Rc<Self>, request: HttpRequest) -> HttpResponse {
        self.answer(request).await
    }
}
