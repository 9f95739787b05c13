//! `/tap`: the points of a task as line protocol, while they go by.

mod comment;
mod query;
mod stream;
mod writer;

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

pub use self::query::LONGEST;
use self::query::Query;
pub use self::stream::SIGN_OF_LIFE;
use self::stream::{Seat, TapBody};
use self::writer::{CHUNK, MOST_POINT};
use super::host_header::{Door, is_meant};
use crate::shared::Shared;
use crate::tap::MOST_WAITING;

/// Memory of a tap in bytes: what waits, as much that is being written, and the text of two chunks and one long point,
/// whose characters may be written as two each.
const MEMORY: u64 = (2 * MOST_WAITING + 3 * CHUNK + 4 * MOST_POINT) as u64;

/// Path of the answer.
pub const PATH: &str = "/tap";

/// The answer to a request for [`PATH`]: it lasts as long as the tap.
pub fn answer(shared: &Arc<Shared>, door: Door, request: &Request<impl Sized>) -> Response<TapBody> {
    let opened = open(shared, door, request);
    let (status, kind, body) = match opened {
        Ok(body) => (StatusCode::OK, "text/plain; charset=utf-8", body),
        Err((status, problem)) => {
            (status, "text/plain; charset=utf-8", TapBody::of(Bytes::from(problem + "\n")))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

type Refusal = (StatusCode, String);

fn open(shared: &Arc<Shared>, door: Door, request: &Request<impl Sized>) -> Result<TapBody, Refusal> {
    if door == Door::Port {
        let problem = "points are shown on a unix socket only, by the rights of its file: \
                       add `unix:PATH` to http.listen, and ask there";
        return Err((StatusCode::FORBIDDEN, problem.to_owned()));
    }
    // A socket that is forwarded to a port, as with `ssh -L`, can be reached by web pages.
    if !is_meant(Door::Port, request) {
        let problem = "the Host of this request is neither an IP address nor a name of this machine";
        return Err((StatusCode::FORBIDDEN, problem.to_owned()));
    }
    if *request.method() != Method::GET {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "only GET is answered".to_owned()));
    }
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let Query { spec, lasts } = query.map_err(|problem| (StatusCode::BAD_REQUEST, problem))?;
    let mut memory = shared.budget().reservation();
    let unavailable = |problem: String| (StatusCode::SERVICE_UNAVAILABLE, problem);
    memory.try_set_optional(MEMORY).map_err(|full| unavailable(format!("a tap needs {full}")))?;
    let tap = shared.taps().open(spec).map_err(|e| unavailable(e.to_string()))?;
    Ok(TapBody::begin(Seat { tap, memory }, lasts, stream::running(shared)))
}
