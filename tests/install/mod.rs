//! What comes with the program, and how it is installed.

/// `make install` into a directory of its own.
mod make;
/// The service scripts, the settings they ship with, the ebuilds, the completion.
mod packaging;
