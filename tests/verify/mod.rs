//! `package-cache verify`.

/// What is good, bad and unknown, and what is said of it.
mod prove;
/// What `--remove` takes, and where it is refused.
mod remove;
