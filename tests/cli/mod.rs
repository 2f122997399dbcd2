//! The command line.

/// What keeps the program from starting, and `--check`.
mod check;
/// Help, version and usage errors.
mod options;

use crate::support::{LIMIT, program};

/// Runs the program to its end: exit status, standard output, standard error.
#[track_caller]
fn run(args: &[&str]) -> (i32, String, String) {
    program::run(&mut program::program(args), LIMIT)
}

/// The program must refuse in one line that says all of `words`.
#[track_caller]
fn assert_fails(args: &[&str], code: i32, words: &[&str]) {
    let (status, stdout, stderr) = run(args);
    assert_eq!(status, code, "{args:?}: {stderr}");
    assert_eq!(stdout, "", "{args:?}");
    assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args:?}: no {word:?} in {stderr}");
    }
}
