//! Which answer a request gets.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};

use super::health;
use super::host_header::{Door, is_meant};
use super::metrics;
use super::text_format;
use crate::shared::Shared;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The answer to `request`.
pub fn answer(shared: &Arc<Shared>, door: Door, request: &Request<impl Sized>) -> Response<Full<Bytes>> {
    let mut response = if !is_meant(door, request) {
        let text = "the Host of this request is neither an IP address nor a name of this machine\n";
        of(StatusCode::FORBIDDEN, TEXT, text)
    } else if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = of(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD are answered\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        response
    } else {
        found(shared, request)
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    response
}

fn found(shared: &Arc<Shared>, request: &Request<impl Sized>) -> Response<Full<Bytes>> {
    match request.uri().path() {
        "/metrics" => {
            let text = metrics::openmetrics(shared);
            if wants_openmetrics(request) {
                of(StatusCode::OK, OPENMETRICS, text)
            } else {
                of(StatusCode::OK, PROMETHEUS, text_format::of_openmetrics(&text))
            }
        }
        "/health" => of(StatusCode::OK, JSON, health::health()),
        "/ready" => {
            let (ready, text) = health::ready(shared);
            of(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, JSON, text)
        }
        _ => of(StatusCode::NOT_FOUND, TEXT, "there are: /metrics, /health, /ready, /tap\n"),
    }
}

/// Whether the client reads OpenMetrics, of any version: 1.0 is the only one that there is.
fn wants_openmetrics(request: &Request<impl Sized>) -> bool {
    let mut accepted = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.contains("application/openmetrics-text"))
}

fn of(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
