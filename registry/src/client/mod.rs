//! The few requests to a registry, as the OCI Distribution Specification has them.
//!
//! Every answer is bounded, in bytes and in time. A registry that asks for a password is answered once for each request;
//! redirects are followed one by one, so that no password goes where it does not belong.

mod answer;
mod challenge;
mod redirect;
mod sign_in;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy, ResponseExt as _};

use self::challenge::Challenge;
use self::redirect::Target;
use crate::credentials::Credentials;
use crate::digest::Digest;
use crate::error::Error;
use crate::manifest::MOST_MANIFEST;
use crate::secret::Secret;
use crate::source::{Source, is_loopback};
use crate::text::shown;

/// The longest that is read of an answer that is an error, or a token.
const MOST_ANSWER: u64 = 64 * 1024;
/// Maximum number of redirects of one request.
const MOST_REDIRECTS: usize = 5;
/// Time to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// The least speed at which a large body may come or go, in bytes for each second.
const LEAST_SPEED: u64 = 32 * 1024;

/// How registries are spoken to.
#[derive(Clone, Debug)]
pub struct Access {
    /// Hosts, with their ports, that are spoken to without TLS, beside this machine.
    pub plain_http: Vec<String>,
    /// Hosts that may get passwords of registries that send to them for tokens.
    pub token_hosts: Vec<String>,
    /// Time that a registry has to answer, and to send each 32 KiB of a large body.
    pub timeout: Duration,
    /// Where passwords are looked up.
    pub credentials: Credentials,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To read.
    Pull,
    /// To write.
    Push,
}

impl Action {
    fn scope(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
        }
    }
}

/// A repository in a registry.
pub struct Repository<'a> {
    access: &'a Access,
    source: &'a Source,
    action: Action,
    agent: Agent,
    /// The value of the header `Authorization`, once the registry has asked for it.
    authorization: RefCell<Option<Secret>>,
}

/// One request.
struct Call<'b> {
    method: Method,
    headers: Vec<(ureq::http::HeaderName, String)>,
    body: &'b [u8],
    /// What it is for, for messages.
    what: String,
    /// Time for the body in each direction.
    time: Duration,
}

impl<'a> Repository<'a> {
    /// The repository of `source`. Nothing is sent yet.
    pub fn new(access: &'a Access, source: &'a Source, action: Action) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // What can't be read among them is trusted by nobody.
        let trusted = rustls_native_certs::load_native_certs().certs;
        let trusted: Vec<_> = trusted.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&trusted))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let proxy = if is_loopback(source.server()) { None } else { Proxy::try_from_env() };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(Some(access.timeout.min(CONNECT)))
            .timeout_connect(Some(access.timeout.min(CONNECT)))
            .timeout_recv_response(Some(access.timeout))
            .proxy(proxy)
            .tls_config(tls)
            .user_agent(concat!("kapacitor-wasm/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Self { access, source, action, agent, authorization: RefCell::default() }
    }

    fn server(&self) -> &'a str {
        self.source.server()
    }

    /// Whether TLS is left out towards `host`.
    fn is_plain(&self, host: &str) -> bool {
        is_loopback(host) || self.access.plain_http.iter().any(|plain| plain == host)
    }

    fn target(&self, path: &str) -> Result<Target, Error> {
        let scheme = if self.is_plain(self.server()) { "http" } else { "https" };
        let url = format!("{scheme}://{}/v2/{}/{path}", self.server(), self.source.repository);
        Target::parse(&url).ok_or_else(|| Error::Unreachable {
            server: shown(self.server()),
            reason: "it is no name of a host".to_owned(),
        })
    }

    fn call(&self, method: Method, what: impl Into<String>) -> Call<'static> {
        Call { method, headers: Vec::new(), body: &[], what: what.into(), time: self.access.timeout }
    }

    fn time_for(&self, size: u64) -> Duration {
        self.access.timeout + Duration::from_secs(size / LEAST_SPEED)
    }

    /// The manifest with a tag or digest; its digest is what its bytes have. `None` if there is none.
    ///
    /// # Errors
    ///
    /// When the registry does not answer with a manifest of this digest.
    pub fn manifest(&self, reference: &str) -> Result<Option<Vec<u8>>, Error> {
        let what = format!("the manifest {}:{reference}", self.source.repository);
        let mut call = self.call(Method::GET, what.as_str());
        // With the lists of manifests, so that they are what the registry sends and not an error without a reason.
        let accept = format!(
            "{}, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json",
            crate::manifest::MANIFEST
        );
        call.headers.push((ACCEPT, accept));
        let response = self.get(&call, &self.target(&format!("manifests/{reference}"))?)?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let bytes = self.body(response, &what, MOST_MANIFEST)?;
        if let Ok(digest) = reference.parse::<Digest>() {
            self.check(&bytes, digest, &what)?;
        }
        Ok(Some(bytes))
    }

    /// The bytes of a blob of this size.
    ///
    /// # Errors
    ///
    /// When the registry does not answer with bytes of this digest.
    pub fn blob(&self, digest: Digest, size: u64) -> Result<Vec<u8>, Error> {
        let what = format!("the blob {digest}");
        let call = Call { time: self.time_for(size), ..self.call(Method::GET, what.as_str()) };
        let response = self.get(&call, &self.target(&format!("blobs/{digest}"))?)?;
        if response.status() == StatusCode::NOT_FOUND {
            let advice = "the registry has lost a part of it, push it again";
            return Err(Error::NotFound { server: self.server().to_owned(), what, advice });
        }
        let bytes = self.body(response, &what, size)?;
        self.check(&bytes, digest, &what)?;
        Ok(bytes)
    }

    fn check(&self, bytes: &[u8], digest: Digest, what: &str) -> Result<(), Error> {
        let found = Digest::of(bytes);
        if found == digest {
            return Ok(());
        }
        Err(Error::WrongDigest { what: format!("{what} of {}", self.server()), found })
    }

    /// Puts a blob into the registry, unless it is there.
    ///
    /// # Errors
    ///
    /// When the registry does not take it.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<(), Error> {
        let digest = Digest::of(bytes);
        let what = format!("the blob {digest}");
        let there =
            self.send(&self.call(Method::HEAD, what.as_str()), &self.target(&format!("blobs/{digest}"))?)?;
        if there.status() == StatusCode::OK {
            return Ok(());
        }
        let begin = self.target("blobs/uploads/")?;
        let response = self.send(&self.call(Method::POST, what.as_str()), &begin)?;
        let response = self.expect(response, &what, StatusCode::ACCEPTED)?;
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let upload = location.and_then(|location| begin.resolve(location)).ok_or_else(|| Error::Answer {
            server: self.server().to_owned(),
            what: "the answer to an upload".to_owned(),
            problem: "does not say where to".to_owned(),
        })?;
        self.check_redirect(&begin, &upload, &what)?;
        let upload = upload.with_query(&format!("digest={digest}")).ok_or_else(|| Error::Redirect {
            server: self.server().to_owned(),
            what: what.clone(),
            problem: "to no address".to_owned(),
        })?;
        let mut call = Call {
            body: bytes,
            time: self.time_for(bytes.len() as u64),
            ..self.call(Method::PUT, what.as_str())
        };
        call.headers.push((CONTENT_TYPE, "application/octet-stream".to_owned()));
        let response = self.send(&call, &upload)?;
        self.expect(response, &what, StatusCode::CREATED).map(drop)
    }

    /// Puts a manifest into the registry, with a tag or its digest.
    ///
    /// # Errors
    ///
    /// When the registry does not take it.
    pub fn put_manifest(&self, reference: &str, bytes: &[u8]) -> Result<(), Error> {
        let what = format!("the manifest {}:{reference}", self.source.repository);
        let mut call = Call { body: bytes, ..self.call(Method::PUT, what.as_str()) };
        call.headers.push((CONTENT_TYPE, crate::manifest::MANIFEST.to_owned()));
        let response = self.send(&call, &self.target(&format!("manifests/{reference}"))?)?;
        self.expect(response, &what, StatusCode::CREATED).map(drop)
    }

    /// The body of an answer that must be the thing itself.
    fn body(&self, response: Response<Body>, what: &str, most: u64) -> Result<Vec<u8>, Error> {
        let response = self.expect(response, what, StatusCode::OK)?;
        answer::read(response, self.server(), what, most, self.access.timeout)
    }

    fn expect(
        &self,
        response: Response<Body>,
        what: &str,
        status: StatusCode,
    ) -> Result<Response<Body>, Error> {
        if response.status() == status {
            return Ok(response);
        }
        Err(answer::refusal(response, self.server(), what))
    }

    /// Does a request that only reads, wherever the registry redirects it.
    fn get(&self, call: &Call<'_>, target: &Target) -> Result<Response<Body>, Error> {
        let mut target = target.clone();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send(call, &target)?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let Some(next) = location.and_then(|location| target.resolve(location)) else {
                return Err(self.bad_redirect(&call.what, "to no address"));
            };
            self.check_redirect(&target, &next, &call.what)?;
            target = next;
        }
        Err(self.bad_redirect(&call.what, "again and again"))
    }

    fn bad_redirect(&self, what: &str, problem: &str) -> Error {
        Error::Redirect {
            server: self.server().to_owned(),
            what: what.to_owned(),
            problem: problem.to_owned(),
        }
    }

    /// Checks that TLS is not given up on the way.
    fn check_redirect(&self, from: &Target, to: &Target, what: &str) -> Result<(), Error> {
        if to.is_https() || (!from.is_https() && self.is_plain(to.host())) {
            return Ok(());
        }
        Err(self.bad_redirect(what, &format!("to {}, which would be without TLS", shown(to.host()))))
    }

    /// Does a request, and signs in if the registry asks for it.
    fn send(&self, call: &Call<'_>, target: &Target) -> Result<Response<Body>, Error> {
        let is_registry = self.target("").is_ok_and(|own| own.is_same_host(target));
        let known = is_registry && self.authorization.borrow().is_some();
        let response = self.send_once(call, target, is_registry)?;
        if response.status() != StatusCode::UNAUTHORIZED || !is_registry {
            return Ok(response);
        }
        let login = self.access.credentials.login(&self.source.host)?;
        if known {
            return Err(self.not_allowed(login.as_ref()));
        }
        let header =
            response.headers().get_all(WWW_AUTHENTICATE).iter().find_map(|value| value.to_str().ok());
        let challenge = Challenge::parse(header.unwrap_or_default())
            .map_err(|problem| Error::Challenge { server: self.server().to_owned(), problem })?;
        let authorization = self.authorize(&challenge, login.as_ref())?;
        self.authorization.replace(Some(authorization));
        let response = self.send_once(call, target, is_registry)?;
        if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(self.not_allowed(login.as_ref()));
        }
        Ok(response)
    }

    fn send_once(&self, call: &Call<'_>, target: &Target, signed_in: bool) -> Result<Response<Body>, Error> {
        let server = shown(target.host());
        let failed = |reason: String| Error::Unreachable { server: server.clone(), reason };
        let mut request = Request::builder().method(call.method.clone()).uri(target.as_str());
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if signed_in && let Some(authorization) = &*self.authorization.borrow() {
            request = request.header(AUTHORIZATION, authorization.expose());
        }
        let sent = if matches!(call.method, Method::PUT | Method::POST) {
            let request =
                request.body(call.body).map_err(|_| failed("the request can't be made".to_owned()))?;
            self.run(request, call.time)
        } else {
            let request = request.body(()).map_err(|_| failed("the request can't be made".to_owned()))?;
            self.run(request, call.time)
        };
        sent.map_err(|e| answer::failure(&e, &server, self.access.timeout))
    }

    fn run(
        &self,
        request: Request<impl ureq::AsSendBody>,
        time: Duration,
    ) -> Result<Response<Body>, ureq::Error> {
        let request = self
            .agent
            .configure_request(request)
            .timeout_send_body(Some(time))
            .timeout_recv_body(Some(time))
            .build();
        let response = self.agent.run(request)?;
        debug_assert!(response.get_redirect_history().is_none(), "redirects are followed one by one");
        Ok(response)
    }
}
