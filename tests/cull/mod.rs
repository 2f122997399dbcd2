//! `package-cache cull`.

/// Directories that are never culled, whoever asks for it.
mod guard;
/// Trimming a cache by age, size and free space; what is spared.
mod remove;
