//! Signing in: what a registry that asks for a password is answered.

use ureq::http::StatusCode;
use ureq::http::header::AUTHORIZATION;

use super::challenge::{self, Challenge};
use super::redirect::Target;
use super::{MOST_ANSWER, Repository, answer};
use crate::error::Error;
use crate::secret::Login;
use crate::secret::Secret;
use crate::text::shown;

impl Repository<'_> {
    /// Why somebody with this login, or without one, gets no answer.
    pub(super) fn not_allowed(&self, login: Option<&Login>) -> Error {
        let (server, action) = (self.server().to_owned(), self.action.verb());
        match login {
            Some(login) => Error::WrongPassword { server, user: shown(&login.user), action },
            None => Error::NoPassword { server, host: self.source.host.clone(), action },
        }
    }

    /// What the header `Authorization` has to say.
    pub(super) fn authorize(&self, challenge: &Challenge, login: Option<&Login>) -> Result<Secret, Error> {
        match challenge {
            Challenge::Basic => login.map(challenge::basic).ok_or_else(|| self.not_allowed(None)),
            Challenge::Bearer { realm, service } => self.token(realm, service.as_deref(), login),
        }
    }

    /// Gets a token, with the password if the host that gives it may have it.
    fn token(&self, realm: &str, service: Option<&str>, login: Option<&Login>) -> Result<Secret, Error> {
        let wrong = |problem: &str| Error::Challenge {
            server: self.server().to_owned(),
            problem: problem.to_owned(),
        };
        let realm = Target::parse(realm).ok_or_else(|| wrong("it sends to no address for a token"))?;
        let is_safe = realm.is_https() || (self.is_plain(realm.host()) && self.is_plain(self.server()));
        if !is_safe {
            return Err(wrong("it sends to an address without TLS for a token"));
        }
        let own = challenge::is_own_realm(self.server(), realm.host());
        let named = self.access.token_hosts.iter().any(|host| host == realm.host());
        if login.is_some() && !own && !named {
            return Err(Error::ForeignRealm { server: self.server().to_owned(), realm: shown(realm.host()) });
        }
        let query = challenge::query(service, &self.source.repository, self.action.scope());
        let realm = realm.with_query(&query).ok_or_else(|| wrong("it sends to no address for a token"))?;
        let what = "a token";
        let mut call = self.call(ureq::http::Method::GET, what);
        if let Some(login) = login {
            call.headers.push((AUTHORIZATION, challenge::basic(login).expose().to_owned()));
        }
        let response = self.send_once(&call, &realm, false)?;
        if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(self.not_allowed(login));
        }
        if response.status() != StatusCode::OK {
            return Err(answer::refusal(response, realm.host(), what));
        }
        let bytes = answer::read(response, realm.host(), what, MOST_ANSWER, self.access.timeout)?;
        challenge::bearer(&bytes).map_err(|problem| Error::Answer {
            server: shown(realm.host()),
            what: what.to_owned(),
            problem: problem.to_owned(),
        })
    }
}
