//! What is counted of each source.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::counter::{Counter, values};
use super::failures::plain;
use crate::sys::lock::lock;

/// Why a source gave nothing of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its name has no address.
    Resolve,
    /// It could not be reached.
    Connect,
    /// It was silent.
    Timeout,
    /// The connection broke.
    Broken,
    /// It does not speak HTTP rightly.
    Malformed,
    /// It answered with a status that is no content, beside 404 and 410.
    Status,
    /// It redirected to where nobody can follow.
    Redirect,
    /// What it gave is not the file.
    NotTheFile,
}

impl Reason {
    /// All, in the order of their counters.
    pub const ALL: [Self; 8] = [
        Self::Resolve,
        Self::Connect,
        Self::Timeout,
        Self::Broken,
        Self::Malformed,
        Self::Status,
        Self::Redirect,
        Self::NotTheFile,
    ];

    /// Its name as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Malformed => "malformed",
            Self::Status => "status",
            Self::Redirect => "redirect",
            Self::NotTheFile => "not_the_file",
        }
    }
}

/// One source.
#[derive(Debug)]
pub struct Source {
    name: Option<String>,
    url: String,
    label: String,
    /// False from when it could not be reached, was silent or dripped, until it answers.
    up: AtomicBool,
    /// Questions to it, redirects left out.
    pub requests: Counter,
    /// Bytes of content that it sent, without heads and chunk framing.
    pub received: Counter,
    failures: [Counter; Reason::ALL.len()],
    last_failure: Mutex<Option<String>>,
}

impl Source {
    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Notes whether it answers.
    pub fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
    }

    /// Counts a failure.
    pub(super) fn failed(&self, reason: Reason, why: &str) {
        if let Some(failures) = self.failures.get(reason as usize) {
            failures.add(1);
        }
        *lock(&self.last_failure) = Some(plain(why));
    }

    /// What is known of it now.
    pub(super) fn view(&self) -> SourceView {
        SourceView {
            name: self.name.clone(),
            url: self.url.clone(),
            label: self.label.clone(),
            up: self.up.load(Ordering::Relaxed),
            requests: self.requests.get(),
            received: self.received.get(),
            failures: values(&self.failures),
            last_failure: lock(&self.last_failure).clone(),
        }
    }
}

/// What is known of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceView {
    /// The first segment of the paths that it serves, if not those without another.
    pub name: Option<String>,
    /// Its URL.
    pub url: String,
    /// By what it differs from all others: a monitor knows no two of one label.
    pub label: String,
    /// False from when it could not be reached, was silent or dripped, until it answers.
    pub up: bool,
    /// Questions to it, redirects left out.
    pub requests: u64,
    /// Bytes of content that it sent, without heads and chunk framing.
    pub received: u64,
    /// By [`Reason`].
    pub failures: [u64; Reason::ALL.len()],
    /// Why it failed the last time, in ASCII.
    pub last_failure: Option<String>,
}

/// The sources of these names and URLs; one that is given twice gets a number behind its label.
pub fn of(sources: impl IntoIterator<Item = (Option<String>, String)>) -> Box<[Source]> {
    let mut seen: Vec<String> = Vec::new();
    let source = |(name, url): (Option<String>, String)| {
        let mut label = match &name {
            Some(name) => format!("{name}={url}"),
            None => url.clone(),
        };
        seen.push(label.clone());
        let count = seen.iter().filter(|known| **known == label).count();
        if count > 1 {
            // No source has a fragment.
            label = format!("{label}#{count}");
        }
        Source {
            name,
            url,
            label,
            up: AtomicBool::new(true),
            requests: Counter::default(),
            received: Counter::default(),
            failures: Default::default(),
            last_failure: Mutex::default(),
        }
    };
    sources.into_iter().map(source).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_sources_have_one_label() {
        let url = || "http://a.example/".to_owned();
        let named = |name: &str| Some(name.to_owned());
        let sources = of([
            (None, url()),
            (None, url()),
            (named("a"), url()),
            (named("b"), url()),
            (named("a"), url()),
        ]);
        let labels: Vec<_> = sources.iter().map(|source| &*source.label).collect();
        assert_eq!(
            labels,
            [
                "http://a.example/",
                "http://a.example/#2",
                "a=http://a.example/",
                "b=http://a.example/",
                "a=http://a.example/#2",
            ]
        );
    }

    #[test]
    fn a_failure_is_counted_by_its_reason() {
        let sources = of([(None, "http://a.example/".to_owned())]);
        for reason in Reason::ALL {
            sources[0].failed(reason, reason.name());
        }
        sources[0].failed(Reason::Timeout, "again\n");
        sources[0].set_up(false);
        let view = sources[0].view();
        assert_eq!(view.failures, [1, 1, 2, 1, 1, 1, 1, 1]);
        assert_eq!(view.last_failure.as_deref(), Some("again\\n"));
        assert!(!view.up);
    }
}
