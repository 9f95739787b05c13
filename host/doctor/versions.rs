//! Versions of Kapacitor, of this program, and of the host that runs.

use super::finding::{Finding, Findings};
use super::site::Site;

/// Minor versions of Kapacitor 1 that speak the protocol as the host does: the ids of task and node came with 1.4.
const MINOR: std::ops::RangeInclusive<u32> = 4..=8;

pub(super) fn check(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::of("versions");
    if let Some(host) = &site.running
        && host.build != env!("BUILD")
    {
        findings.warn(
            format!(
                "the running host is version {} (build {}), and this program is {} (build {})",
                host.version,
                host.build,
                env!("CARGO_PKG_VERSION"),
                env!("BUILD")
            ),
            "restart the host, and Kapacitor after it, to run what is installed",
        );
    }
    match &site.api {
        Err(why) => findings.skip(format!("the version of Kapacitor: {why}")),
        Ok(api) => {
            let version = api.version.clone().unwrap_or_default();
            match is_known(&version) {
                Some(true) => findings.ok(format!("Kapacitor {version} answers at {}", api.url)),
                Some(false) => findings.warn(
                    format!(
                        "Kapacitor {version} is none of the versions 1.{} to 1.{}",
                        MINOR.start(),
                        MINOR.end()
                    ),
                    "use one of these: the host speaks their protocol",
                ),
                None => findings.skip(format!(
                    "Kapacitor answers at {}, and its version `{version}` is no number, so it was built from its sources without one",
                    api.url
                )),
            }
        }
    }
    findings.list()
}

/// Whether it is one of the versions that the host knows; `None` if it is no number, as of a development build.
fn is_known(version: &str) -> Option<bool> {
    let mut parts = version.trim_start_matches('v').split(['.', '-', '~', '+']);
    let (major, minor): (u32, u32) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(major == 1 && MINOR.contains(&minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_1_4_to_1_8_are_known() {
        for (version, known) in [
            ("1.5.9", Some(true)),
            ("1.4.0-rc1", Some(true)),
            ("v1.8.6", Some(true)),
            ("1.3.4", Some(false)),
            ("1.10.0", Some(false)),
            ("2.5.0", Some(false)),
            ("unknown", None),
            ("", None),
        ] {
            assert_eq!(is_known(version), known, "{version}");
        }
    }
}
