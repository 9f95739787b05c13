//! Addresses of requests.

use ureq::http::Uri;

/// An address, with a scheme and a host.
#[derive(Clone, Debug)]
pub struct Target {
    uri: Uri,
    text: String,
}

impl Target {
    /// Reads an address; `None` if it is none of HTTP, or has a user in it.
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?.as_str());
        let usable =
            ["http", "https"].contains(&scheme) && !authority.contains('@') && !uri.host()?.is_empty();
        usable.then(|| Self { text: uri.to_string(), uri })
    }

    /// The address that `location` means where an answer of this one says it.
    pub fn resolve(&self, location: &str) -> Option<Self> {
        if location.starts_with('/') && !location.starts_with("//") {
            let (scheme, host) = (self.uri.scheme_str()?, self.host());
            return Self::parse(&format!("{scheme}://{host}{location}"));
        }
        Self::parse(location)
    }

    /// The same with more of a query.
    pub fn with_query(&self, query: &str) -> Option<Self> {
        let separator = if self.uri.query().is_some() { '&' } else { '?' };
        Self::parse(&format!("{}{separator}{query}", self.text))
    }

    /// The host, with its port if one is named.
    pub fn host(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is one of TLS.
    pub fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Whether the other address is of the same server.
    pub fn is_same_host(&self, other: &Self) -> bool {
        let port = |target: &Self| target.uri.port_u16().unwrap_or(if target.is_https() { 443 } else { 80 });
        let host = |target: &Self| target.uri.host().unwrap_or_default().to_ascii_lowercase();
        self.is_https() == other.is_https() && host(self) == host(other) && port(self) == port(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved() {
        let from = Target::parse("https://h.example:5000/v2/a/blobs/x").unwrap();
        for (location, expected) in [
            ("/v2/b?c=d", Some("https://h.example:5000/v2/b?c=d")),
            ("https://other.example/x", Some("https://other.example/x")),
            ("//other.example/x", None),
            ("x", None),
            ("ftp://other.example/x", None),
            ("https://user:secret@other.example/x", None),
            ("file:///etc/passwd", None),
            ("", None),
        ] {
            assert_eq!(from.resolve(location).as_ref().map(Target::as_str), expected, "{location}");
        }
    }

    #[test]
    fn a_query_is_added_to_one_that_is_there() {
        let target = |text| Target::parse(text).unwrap().with_query("a=b").unwrap();
        assert_eq!(target("http://h/x").as_str(), "http://h/x?a=b");
        assert_eq!(target("http://h/x?c=d").as_str(), "http://h/x?c=d&a=b");
    }

    #[test]
    fn only_the_same_scheme_host_and_port_are_the_same_server() {
        let own = Target::parse("https://h.example/v2/").unwrap();
        for (other, same) in [
            ("https://h.example:443/x", true),
            ("https://H.example/x", true),
            ("http://h.example/x", false),
            ("https://h.example:444/x", false),
            ("https://h.example.evil/x", false),
        ] {
            assert_eq!(own.is_same_host(&Target::parse(other).unwrap()), same, "{other}");
        }
    }
}
