//! Passwords for registries, as Docker keeps them.
//!
//! The file is that of Docker's documentation of `docker login`; Podman and others write the same.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::error::Error;
use crate::helper;
use crate::secret::{Login, Secret};

/// The key of Docker Hub in the file.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// The largest file that is read, in bytes.
const MOST: u64 = 1024 * 1024;

/// The parts of the file that matter here.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

/// Where passwords are looked up.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    file: Option<PathBuf>,
}

impl Credentials {
    /// Those of the file `config.json` in `$DOCKER_CONFIG` or in `~/.docker`.
    pub fn of_docker() -> Self {
        let folder = |name, inside: &str| {
            env::var_os(name).filter(|value| !value.is_empty()).map(|value| PathBuf::from(value).join(inside))
        };
        let folder = folder("DOCKER_CONFIG", "").or_else(|| folder("HOME", ".docker"));
        Self { file: folder.map(|folder| folder.join("config.json")) }
    }

    /// Those of `file`.
    pub fn of_file(file: &Path) -> Self {
        Self { file: Some(file.to_owned()) }
    }

    /// The login for `host`, if there is one.
    ///
    /// # Errors
    ///
    /// When the file can't be read, or a helper program fails.
    pub fn login(&self, host: &str) -> Result<Option<Login>, Error> {
        let Some(path) = &self.file else { return Ok(None) };
        let Some(file) = read(path)? else { return Ok(None) };
        let key = if host == "docker.io" { DOCKER_HUB } else { host };
        let helper = file.cred_helpers.get(key).or(file.creds_store.as_ref());
        if let Some(helper) = helper.filter(|helper| !helper.is_empty()) {
            return helper::ask(helper, key);
        }
        // Some tools write an URL for a key.
        let entry = file.auths.iter().find(|(name, _)| *name == key || host_of(name) == key);
        let Some((_, entry)) = entry else { return Ok(None) };
        login_of(entry)
            .map_err(|problem| Error::Credentials { path: path.clone(), problem: format!("{problem} {key}") })
    }
}

/// Reads the file; `None` if there is none.
fn read(path: &Path) -> Result<Option<File>, Error> {
    let wrong = |problem: String| Error::Credentials { path: path.to_owned(), problem };
    match fs::metadata(path) {
        Ok(file) if !file.is_file() => return Err(wrong("is not a file".to_owned())),
        Ok(_) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(wrong(format!("can't be read: {e}"))),
    }
    let mut text = Vec::new();
    let file = fs::File::open(path).map_err(|e| wrong(format!("can't be read: {e}")))?;
    file.take(MOST + 1).read_to_end(&mut text).map_err(|e| wrong(format!("can't be read: {e}")))?;
    if text.len() as u64 > MOST {
        return Err(wrong("is too large for a configuration of Docker".to_owned()));
    }
    // What the parser says may quote a password.
    serde_json::from_slice(&text).map(Some).map_err(|e| {
        wrong(format!("is not a configuration of Docker: see line {}, column {}", e.line(), e.column()))
    })
}

/// The host in `https://HOST/v1/`.
fn host_of(key: &str) -> &str {
    let name = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    name.split('/').next().unwrap_or_default()
}

/// The login of an entry; an error is the beginning of a sentence that ends with the host.
fn login_of(entry: &Entry) -> Result<Option<Login>, &'static str> {
    if entry.identitytoken.as_ref().is_some_and(|token| !token.is_empty()) {
        return Err(
            "has an identity token, which can't be used here: sign in with a password or access token for",
        );
    }
    if let Some(auth) = entry.auth.as_ref().filter(|auth| !auth.is_empty()) {
        let wrong = "has an `auth` that is not NAME:PASSWORD in base64 for";
        let text = STANDARD.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(wrong)?;
        let (user, password) = text.split_once(':').ok_or(wrong)?;
        return Ok(Some(Login {
            user: user.to_owned(),
            password: Secret::new(password.trim_end_matches('\0')),
        }));
    }
    match (&entry.username, &entry.password) {
        (Some(user), Some(password)) => {
            Ok(Some(Login { user: user.clone(), password: Secret::new(password.as_str()) }))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(text: &str, host: &str) -> Result<Option<(String, String)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, text).unwrap();
        let login = Credentials::of_file(&path).login(host).map_err(|e| e.to_string())?;
        Ok(login.map(|login| (login.user, login.password.expose().to_owned())))
    }

    fn of(user: &str, password: &str) -> (String, String) {
        (user.to_owned(), password.to_owned())
    }

    #[test]
    fn logins_of_docker_are_found() {
        let auth = STANDARD.encode("me:pass:word");
        let text = format!(
            "{{\"auths\":{{\"h.example:5000\":{{\"auth\":\"{auth}\"}},\"https://u.example/v1/\":{{\"username\":\"u\",\"password\":\"p\"}}}}}}"
        );
        assert_eq!(login(&text, "h.example:5000"), Ok(Some(of("me", "pass:word"))));
        assert_eq!(login(&text, "u.example"), Ok(Some(of("u", "p"))));
        assert_eq!(login(&text, "h.example"), Ok(None));
        assert_eq!(login("{}", "h.example"), Ok(None));
    }

    #[test]
    fn docker_hub_has_its_old_name() {
        let auth = STANDARD.encode("me:p");
        let text = format!("{{\"auths\":{{\"https://index.docker.io/v1/\":{{\"auth\":\"{auth}\"}}}}}}");
        assert_eq!(login(&text, "docker.io"), Ok(Some(of("me", "p"))));
    }

    #[test]
    fn errors_never_show_a_password() {
        for text in [
            "{\"auths\":{\"h.example\":{\"auth\":\"c2VjcmV0\"}}}",
            "{\"auths\":{\"h.example\":{\"auth\":\"secret!\"}}}",
            "{\"auths\":{\"h.example\":\"secret\"}}",
            "{\"auths\":{\"h.example\":{\"identitytoken\":\"secret\"}}}",
            "secret",
        ] {
            let error = login(text, "h.example").unwrap_err();
            assert!(!error.contains("secret") && !error.contains("c2VjcmV0"), "{error}");
        }
        let login = Login { user: "u".to_owned(), password: Secret::new("secret") };
        assert!(!format!("{login:?}").contains("secret"));
    }

    #[test]
    fn no_file_means_no_login() {
        let missing = Credentials::of_file(Path::new("/nonexistent/config.json"));
        assert!(missing.login("h.example").unwrap().is_none());
        assert!(Credentials::of_file(Path::new("/")).login("h.example").is_err());
    }
}
