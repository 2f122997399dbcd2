//! What the program tells of itself, as pages and in a terminal.

/// `package-cache status`.
mod command;
/// Every counter and gauge, beside what the clients and the source counted.
mod counts;
/// The five pages: who gets which, what is escaped, what they never name.
mod pages;

use crate::support::{Daemon, Json, Response};

/// The names of the pages.
const PAGES: [&str; 4] = [
    "/",
    "/.package-cache/status.json",
    "/.package-cache/metrics",
    "/.package-cache/health",
];

/// What a browser says.
const BROWSER: &str = "Accept: text/html,application/xhtml+xml";

/// The status as JSON.
#[track_caller]
fn json(daemon: &Daemon) -> Json {
    Json::parse(&page(daemon, PAGES[1], "X: y").text())
}

/// A page, which must be whole and never kept.
#[track_caller]
fn page(daemon: &Daemon, target: &str, field: &str) -> Response {
    let response = daemon.ask("GET", target, &[field]);
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.field("cache-control"), Some("no-store"));
    assert_eq!(response.field("cache-status"), None);
    response
}
