//! How a registry asks for a password, and the answers to it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_auth::parser::ChallengeParser;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::secret::Login;
use crate::secret::Secret;

/// Where Docker Hub gives tokens.
const DOCKER_HUB_REALM: (&str, &str) = ("registry-1.docker.io", "auth.docker.io");

/// The longest token that is used, in bytes.
const MOST_TOKEN: usize = 32 * 1024;

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Challenge {
    /// Name and password.
    Basic,
    /// A token that is given at `realm`.
    Bearer {
        /// An address.
        realm: String,
        /// The name of the registry there.
        service: Option<String>,
    },
}

impl Challenge {
    /// Reads a header `WWW-Authenticate`; an error is the end of a sentence.
    pub fn parse(header: &str) -> Result<Self, String> {
        let mut basic = false;
        for challenge in ChallengeParser::new(header) {
            let Ok(challenge) = challenge else { break };
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let of = |name: &str| {
                    let parameter = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                    parameter.map(|(_, value)| value.to_unescaped())
                };
                let realm = of("realm").ok_or("it does not say where tokens are given")?;
                return Ok(Self::Bearer { realm, service: of("service") });
            }
            basic |= challenge.scheme.eq_ignore_ascii_case("basic");
        }
        if basic { Ok(Self::Basic) } else { Err("it wants neither a password nor a token".to_owned()) }
    }
}

/// Whether the host that gives tokens is the registry itself. Ports may differ.
pub fn is_own_realm(server: &str, realm: &str) -> bool {
    let name = |host: &str| host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    name(server) == name(realm) || (server, realm) == DOCKER_HUB_REALM
}

/// The header for a name and a password.
pub fn basic(login: &Login) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{}:{}", login.user, login.password.expose()))))
}

/// The query for a token.
pub fn query(service: Option<&str>, repository: &str, scope: &str) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let scope = encoded(&format!("repository:{repository}:{scope}"));
    match service {
        Some(service) => format!("service={}&scope={scope}", encoded(service)),
        None => format!("scope={scope}"),
    }
}

/// The header for the token in an answer; an error is the end of a sentence.
pub fn bearer(answer: &[u8]) -> Result<Secret, &'static str> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(answer).map_err(|_| "is not JSON as it should be")?;
    let token = answer.token.or(answer.access_token).ok_or("has no token in it")?;
    if token.is_empty() || token.len() > MOST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("can't be one");
    }
    Ok(Secret::new(format!("Bearer {token}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>| {
            Ok(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
        };
        for (header, expected) in [
            ("Basic realm=\"x\"", Ok(Challenge::Basic)),
            ("Bearer realm=\"https://a/t\",service=\"s\",scope=\"x\"", bearer("https://a/t", Some("s"))),
            ("Basic realm=\"x\", bearer realm=\"https://a/t\"", bearer("https://a/t", None)),
            ("Bearer service=\"s\"", Err("it does not say where tokens are given".to_owned())),
            ("Negotiate", Err("it wants neither a password nor a token".to_owned())),
            ("", Err("it wants neither a password nor a token".to_owned())),
            ("\"\"\",,==", Err("it wants neither a password nor a token".to_owned())),
        ] {
            assert_eq!(Challenge::parse(header), expected, "{header}");
        }
    }

    #[test]
    fn tokens_that_break_a_header_are_refused() {
        assert_eq!(bearer(b"{\"token\":\"abc\"}").unwrap().expose(), "Bearer abc");
        assert_eq!(bearer(b"{\"access_token\":\"abc\"}").unwrap().expose(), "Bearer abc");
        for answer in [
            "",
            "{}",
            "<html>",
            "{\"token\":\"\"}",
            "{\"token\":\"a\\r\\nX: y\"}",
            "{\"token\":\"\u{e9}\"}",
            "{\"token\":5}",
        ] {
            assert!(bearer(answer.as_bytes()).is_err(), "{answer}");
        }
    }

    #[test]
    fn only_the_registry_itself_gives_its_tokens() {
        assert!(is_own_realm("h.example:5000", "H.example"));
        assert!(is_own_realm("registry-1.docker.io", "auth.docker.io"));
        assert!(!is_own_realm("h.example", "auth.docker.io"));
        assert!(!is_own_realm("h.example", "h.example.evil"));
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(query(Some("a b&c"), "x/y", "pull"), "service=a%20b%26c&scope=repository%3Ax%2Fy%3Apull");
    }
}
