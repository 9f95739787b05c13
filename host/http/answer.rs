//! Which answer a request gets.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use kapacitor_wasm_status::page::{self, MOST_ON_PAGE, PAGE_SIZE, TaskName};
use kapacitor_wasm_status::{MOST_TASKS, Query, QueryError};

use super::health;
use super::held::HeldAnswers;
use super::host_header::{Door, is_meant};
use super::metrics;
use super::status;
use super::text_format;
use crate::shared::Shared;

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The content security policy of what is no page.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Keeps web pages of other hosts from loading an answer.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Answers requests.
pub struct Answers {
    shared: Arc<Shared>,
    held: HeldAnswers,
}

/// An answer, before it has the headers that all of them have.
struct Answer {
    status: StatusCode,
    kind: &'static str,
    body: Vec<u8>,
}

impl Answers {
    /// Answers with what `shared` knows.
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), held: HeldAnswers::default() }
    }

    /// What it answers with.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The answer to `request`.
    pub fn to(&self, door: Door, request: &Request<impl Sized>) -> Response<Full<Bytes>> {
        let answer = if !is_meant(door, request) {
            let text = "the Host of this request is neither an IP address nor a name of this machine\n";
            Answer::text(StatusCode::FORBIDDEN, text)
        } else if !matches!(*request.method(), Method::GET | Method::HEAD) {
            Answer::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n")
        } else {
            self.found(request)
        };
        let Answer { mut status, mut kind, body } = answer;
        let policy = if kind == HTML { page::POLICY } else { POLICY };
        let body = self.held.hold(body).unwrap_or_else(|| {
            (status, kind) = (StatusCode::SERVICE_UNAVAILABLE, TEXT);
            Bytes::from_static(b"other clients have not read their answers yet: try again later\n")
        });
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
        response
    }

    fn found(&self, request: &Request<impl Sized>) -> Answer {
        let query = request.uri().query().unwrap_or_default();
        match request.uri().path() {
            "/" => self.overview(query),
            "/task" => self.task(&TaskName::parse(query)),
            "/metrics" => {
                let text = metrics::openmetrics(&self.shared);
                if wants_openmetrics(request) {
                    Answer::of(StatusCode::OK, OPENMETRICS, text)
                } else {
                    Answer::of(StatusCode::OK, PROMETHEUS, text_format::of_openmetrics(&text))
                }
            }
            "/status.json" => match Query::parse(query) {
                Ok(query) => {
                    let status = status::status(&self.shared, &query, MOST_TASKS);
                    Answer::of(StatusCode::OK, JSON, status::json(&status))
                }
                Err(e) => Answer::bad_query(&e),
            },
            "/health" => Answer::of(StatusCode::OK, JSON, health::health()),
            "/ready" => {
                let (ready, text) = health::ready(&self.shared);
                let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                Answer::of(status, JSON, text)
            }
            path => match page::ASSETS.into_iter().find(|(own, ..)| *own == path) {
                Some((_, kind, text)) => Answer::of(StatusCode::OK, kind, text),
                None => Answer::text(
                    StatusCode::NOT_FOUND,
                    "there are: /, /task, /metrics, /status.json, /health, /ready, /tap\n",
                ),
            },
        }
    }

    /// The page of the whole host.
    fn overview(&self, query: &str) -> Answer {
        let query = match Query::parse(query) {
            Ok(query) => query,
            Err(e) => return Answer::bad_query(&e),
        };
        let size = query.size.map(|size| size.min(MOST_ON_PAGE));
        let query = Query { size, history: true, ..query };
        let status = status::status(&self.shared, &query, PAGE_SIZE);
        Answer::of(StatusCode::OK, HTML, page::overview(&status, &query))
    }

    /// The page of one task.
    fn task(&self, name: &TaskName) -> Answer {
        let status = status::status(&self.shared, &name.query(), PAGE_SIZE);
        match status.tasks.iter().find(|task| name.is_of(task)) {
            Some(task) => Answer::of(StatusCode::OK, HTML, page::task(&status, task)),
            None => Answer::of(StatusCode::NOT_FOUND, HTML, page::no_such_task(&status, name)),
        }
    }
}

impl Answer {
    fn of(status: StatusCode, kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, kind, body: body.into() }
    }

    fn bad_query(error: &QueryError) -> Self {
        Self::text(StatusCode::BAD_REQUEST, format!("{error}\n"))
    }

    fn text(status: StatusCode, text: impl Into<Vec<u8>>) -> Self {
        Self::of(status, TEXT, text)
    }
}

/// Whether the client reads OpenMetrics, of any version: 1.0 is the only one that there is.
fn wants_openmetrics(request: &Request<impl Sized>) -> bool {
    let mut accepted = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.contains("application/openmetrics-text"))
}
