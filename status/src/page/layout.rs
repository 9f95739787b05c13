//! What all pages have.

use maud::{DOCTYPE, Markup, html};

use super::numbers;
use crate::Status;

/// A page with `main`.
pub fn document(title: &str, status: &Status, main: Markup) -> String {
    let host = &status.host;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (numbers::visible(title)) " · kapacitor-wasm" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="stylesheet" href="/status.css";
                link rel="icon" type="image/svg+xml" href="/status.svg";
                script src="/status.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    a.brand href="/" { img src="/status.svg" alt="" width="20" height="20"; " kapacitor-wasm" }
                    nav aria-label="Parts of the page" {
                        a href="/#tasks" { "Tasks" }
                        a href="/#functions" { "Functions" }
                        a href="/#plugins" { "Plugins" }
                        a href="/#host" { "Host" }
                    }
                    div.fresh {
                        span #updated data-live { "As of " time datetime=(numbers::rfc3339(host.now_timestamp_seconds)) {
                            (numbers::rfc3339(host.now_timestamp_seconds).replace('T', " ").replace('Z', " UTC"))
                        } }
                        span #refresh role="status" {}
                        noscript { "Reload the page for newer numbers." }
                    }
                }
                main #main tabindex="-1" { (main) }
                footer {
                    "kapacitor-wasm " (numbers::visible(&host.version)) ", build " (numbers::visible(&host.build))
                    " · " a href="/status.json" { "as JSON" }
                    " · " a href="/metrics" { "metrics" }
                }
            }
        }
    };
    page.into_string()
}

/// A part of the page that can be wider than the window, and is scrolled then.
pub fn wide(label: &str, table: Markup) -> Markup {
    html! { div.wide role="region" aria-label={ "Table: " (label) } tabindex="0" { (table) } }
}
