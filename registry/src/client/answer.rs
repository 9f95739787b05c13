//! Answers of a registry: read up to a bound, and errors made into sentences.

use std::io::Read as _;
use std::time::Duration;

use serde::Deserialize;
use ureq::http::Response;
use ureq::{Body, Error as HttpError};

use crate::error::Error;
use crate::text::shown;

/// The longest that is read of the reason of a refusal.
const MOST_REASON: u64 = 16 * 1024;

/// Reads a body of at most `most` bytes.
///
/// # Errors
///
/// When it is longer, or does not come in time.
pub fn read(
    response: Response<Body>,
    server: &str,
    what: &str,
    most: u64,
    time: Duration,
) -> Result<Vec<u8>, Error> {
    let too_long = || Error::TooLong { server: shown(server), what: what.to_owned(), most };
    if response.body().content_length().is_some_and(|length| length > most) {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    let reader = response.into_body().into_reader();
    reader.take(most + 1).read_to_end(&mut bytes).map_err(|e| failure(&HttpError::from(e), server, time))?;
    if bytes.len() as u64 > most {
        return Err(too_long());
    }
    Ok(bytes)
}

/// An answer that is a refusal, with the reason that the registry gives, if it is one of a registry.
pub fn refusal(response: Response<Body>, server: &str, what: &str) -> Error {
    #[derive(Deserialize)]
    struct Answer {
        errors: Vec<Reason>,
    }
    #[derive(Deserialize)]
    struct Reason {
        code: Option<String>,
        message: Option<String>,
    }
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    // The status says enough if the rest can't be read.
    let _ = response.into_body().into_reader().take(MOST_REASON).read_to_end(&mut bytes);
    let message = match serde_json::from_slice::<Answer>(&bytes) {
        Ok(Answer { errors }) => {
            let reason = errors.into_iter().next().and_then(|reason| reason.message.or(reason.code));
            reason.map(|reason| format!(": {}", shown(&reason))).unwrap_or_default()
        }
        Err(_) if bytes.is_empty() => String::new(),
        Err(_) => ", and not as a registry does: is it one, and is the port right?".to_owned(),
    };
    Error::Status { server: shown(server), status, what: what.to_owned(), message }
}

/// Why there is no answer.
pub fn failure(error: &HttpError, server: &str, time: Duration) -> Error {
    let server = shown(server);
    let reason = match error {
        HttpError::Timeout(_) => return Error::Slow { server, seconds: time.as_secs() },
        HttpError::HostNotFound => "there is no such host".to_owned(),
        HttpError::ConnectionFailed => "the connection fails".to_owned(),
        HttpError::Io(e) => e.to_string(),
        other => other.to_string(),
    };
    let mut reason = shown(&reason);
    if reason.contains("certificate") {
        reason.push_str(": let the system trust its authority, or name the file of that in SSL_CERT_FILE");
    }
    Error::Unreachable { server, reason }
}
