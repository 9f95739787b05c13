//! Kapacitor's HTTP API, as far as it is needed: its version, and its tasks.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;
use ureq::Agent;
use ureq::http::Uri;

use super::kapacitor_conf::KapacitorConf;

/// Time for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Maximum size of one answer in bytes.
const MAX_ANSWER: u64 = 16 << 20;

/// Maximum size of all tasks in bytes.
const MAX_TASK_BYTES: usize = 256 << 20;

/// Number of tasks in one answer.
const PAGE: usize = 100;

/// Maximum time in which all pages are asked for.
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(60);

/// Maximum number of tasks that are read.
const MAX_TASKS: usize = 20_000;

/// Port of Kapacitor, unless kapacitor.conf says another one.
const PORT: &str = "9092";

/// A Kapacitor that answers.
pub struct Api {
    agent: Agent,
    /// `http://HOST:PORT`, without user and password.
    pub url: String,
    authorization: Option<String>,
    /// What it says of its version.
    pub version: Option<String>,
    /// Its time, as HTTP writes it.
    pub date: Option<String>,
}

/// One task.
#[derive(Clone, Debug, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// Its TICKscript; empty if Kapacitor has none, as for a task that was made from JSON.
    #[serde(default)]
    pub script: String,
    /// The values of its variables, as `kapacitor define -vars` takes them.
    #[serde(default)]
    pub vars: Value,
    /// `enabled` or `disabled`.
    #[serde(default)]
    pub status: String,
    /// Whether it runs.
    #[serde(default)]
    pub executing: bool,
    /// Why it has ended.
    #[serde(default)]
    pub error: String,
}

/// All tasks.
pub struct Tasks {
    /// As many as were read.
    pub list: Vec<Task>,
    /// Whether there are more.
    pub more: bool,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tasks: Option<Vec<Task>>,
}

impl Api {
    /// The Kapacitor at `url` or, without one, at the address that it listens on.
    ///
    /// # Errors
    ///
    /// Why it can't be asked.
    pub fn new(
        url: Option<&str>,
        conf: Option<&KapacitorConf>,
        environment: &[(String, String)],
    ) -> Result<Self, String> {
        let url = url.map_or_else(|| own_url(conf, environment), |url| url.trim_end_matches('/').to_owned());
        let (url, authorization) = split_user(&url)?;
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            // The address is this machine's, or was given.
            .proxy(None)
            .build();
        let mut api = Self { agent: config.into(), url, authorization, version: None, date: None };
        let answer = api.get("/kapacitor/v1/ping")?;
        let header = |name| answer.headers().get(name)?.to_str().ok().map(str::to_owned);
        (api.version, api.date) = (header("X-Kapacitor-Version"), header("Date"));
        if api.version.is_none() {
            return Err(format!(
                "what answers at {} is no Kapacitor: name its URL with --kapacitor-url",
                api.url
            ));
        }
        Ok(api)
    }

    /// All tasks, page by page.
    ///
    /// # Errors
    ///
    /// Why they can't be read.
    pub fn tasks(&self) -> Result<Tasks, String> {
        let fields =
            ["script", "vars", "status", "executing", "error"].map(|field| format!("&fields={field}"));
        let (mut list, mut bytes) = (Vec::<Task>::new(), 0);
        let until = Instant::now() + PATIENCE_FOR_ALL;
        while list.len() < MAX_TASKS && bytes < MAX_TASK_BYTES && Instant::now() < until {
            let offset = list.len();
            let path = format!(
                "/kapacitor/v1/tasks?script-format=raw&offset={offset}&limit={PAGE}{}",
                fields.concat()
            );
            let mut answer = self.get(&path)?;
            let text = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_string();
            let text = text.map_err(|e| format!("{}: the list of tasks can't be read: {e}", self.url))?;
            bytes += text.len();
            let page: Page = serde_json::from_str(&text)
                .map_err(|e| format!("{}: the list of tasks is not as Kapacitor writes it: {e}", self.url))?;
            let tasks = page.tasks.unwrap_or_default();
            if tasks.is_empty() {
                return Ok(Tasks { list, more: false });
            }
            if tasks.len() > PAGE {
                return Err(format!(
                    "{}: the list of tasks is not as Kapacitor writes it: {} tasks in place of {PAGE}",
                    self.url,
                    tasks.len()
                ));
            }
            list.extend(tasks);
        }
        Ok(Tasks { list, more: true })
    }

    fn get(&self, path: &str) -> Result<ureq::http::Response<ureq::Body>, String> {
        let url = &self.url;
        let mut request = self.agent.get(format!("{url}{path}"));
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let answer = request.call().map_err(|e| {
            format!(
                "Kapacitor does not answer at {url} ({e}): start it, or name its URL with --kapacitor-url"
            )
        })?;
        match answer.status().as_u16() {
            200..=299 => Ok(answer),
            401 | 403 => Err(format!(
                "Kapacitor at {url} wants a user: set KAPACITOR_URL=http://USER:PASSWORD@HOST:PORT"
            )),
            status => Err(format!("Kapacitor at {url} answers with status {status}: look into its log")),
        }
    }
}

/// The URL at which the Kapacitor of this machine answers.
fn own_url(conf: Option<&KapacitorConf>, environment: &[(String, String)]) -> String {
    let variable = |name: &str| {
        environment.iter().find(|(variable, _)| variable == name).map(|(_, value)| value.clone())
    };
    let address = variable("KAPACITOR_HTTP_BIND_ADDRESS").or_else(|| conf?.bind_address.clone());
    let address = address.unwrap_or_else(|| format!(":{PORT}"));
    let (host, port) = address.rsplit_once(':').unwrap_or((&address, PORT));
    let host = if matches!(host, "" | "0.0.0.0" | "[::]") { "localhost" } else { host };
    let https = variable("KAPACITOR_HTTP_HTTPS_ENABLED")
        .map_or(conf.is_some_and(|conf| conf.https), |value| value == "true");
    let scheme = if https { "https" } else { "http" };
    format!("{scheme}://{host}:{port}")
}

/// The URL without user and password, and the header that has them.
fn split_user(url: &str) -> Result<(String, Option<String>), String> {
    // A password is never said.
    let shown = url.rsplit_once('@').map_or(url, |(_, host)| host);
    let rest = match url.split_once("://") {
        Some(("http", rest)) => rest,
        Some(("https", _)) => {
            return Err(format!(
                "{shown} is HTTPS, which is not spoken here: let Kapacitor listen on HTTP on this machine as well, and name that with --kapacitor-url"
            ));
        }
        _ => return Err(format!("{shown} is no URL of Kapacitor: write http://HOST:PORT")),
    };
    let (authorization, host) = match rest.rsplit_once('@') {
        None => (None, rest),
        Some((user, host)) => {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            let plain =
                [user, password].map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned());
            (Some(format!("Basic {}", STANDARD.encode(plain.join(":")))), host)
        }
    };
    let url = format!("http://{host}");
    match url.parse::<Uri>() {
        Ok(uri) if uri.path() == "/" && uri.query().is_none() => Ok((url, authorization)),
        _ => Err(format!("{shown} is no URL of Kapacitor: write http://HOST:PORT")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_comes_from_the_configuration_and_its_overrides() {
        let conf = |address: &str, https| KapacitorConf {
            bind_address: Some(address.to_owned()),
            https,
            ..KapacitorConf::default()
        };
        let url = |conf: Option<KapacitorConf>| own_url(conf.as_ref(), &[]);
        assert_eq!(url(None), "http://localhost:9092");
        assert_eq!(url(Some(conf(":9000", false))), "http://localhost:9000");
        assert_eq!(url(Some(conf("0.0.0.0:9092", true))), "https://localhost:9092");
        assert_eq!(url(Some(conf("10.0.0.1:1", false))), "http://10.0.0.1:1");
        let environment = [("KAPACITOR_HTTP_BIND_ADDRESS".to_owned(), "127.0.0.1:7".to_owned())];
        assert_eq!(own_url(Some(&conf(":9000", false)), &environment), "http://127.0.0.1:7");
    }

    #[test]
    fn password_goes_into_a_header_and_into_no_sentence() {
        let (url, header) = split_user("http://ann:p%40ss@host:9092").unwrap();
        assert_eq!((url.as_str(), header.as_deref()), ("http://host:9092", Some("Basic YW5uOnBAc3M=")));
        for url in ["https://ann:secret@host", "ftp://ann:secret@host", "http://ann:secret@host/path?x"] {
            let error = split_user(url).unwrap_err();
            assert!(!error.contains("secret") && error.contains("host"), "{error}");
        }
    }
}
