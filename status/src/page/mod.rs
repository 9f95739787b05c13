//! The status as pages of HTML.
//!
//! They work without their script, which only puts newer parts in the place of older ones. All text is escaped by maud;
//! nothing here writes HTML in any other way.

mod attention;
mod functions;
mod host;
mod layout;
mod links;
mod numbers;
mod overview;
mod plugins;
mod spark;
mod task;
mod task_table;
mod words;

pub use links::{TaskName, task_page};
pub use overview::overview;
pub use task::{no_such_task, task};

/// Number of tasks on a page, unless the request says how many.
pub const PAGE_SIZE: usize = 100;

/// Maximum number of tasks on a page.
pub const MOST_ON_PAGE: usize = 1000;

/// The files that the pages need: path, type and content.
pub const ASSETS: [(&str, &str, &str); 3] = [
    ("/status.css", "text/css; charset=utf-8", include_str!("../../assets/status.css")),
    ("/status.js", "text/javascript; charset=utf-8", include_str!("../../assets/status.js")),
    ("/status.svg", "image/svg+xml", include_str!("../../assets/status.svg")),
];

/// The content security policy of the pages: nothing is loaded but the files above, and no script that is in a page runs.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                          form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
