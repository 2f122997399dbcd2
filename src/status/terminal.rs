//! The terminal: how wide it is, what it can show, and drawing over what it shows.

use std::env;
use std::io::{self, IsTerminal};
use std::process::{Command, Stdio};

/// How wide a text is that nobody measures, in columns.
const USUAL: u16 = 80;

/// What a text is laid out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Its width.
    pub columns: u16,
    /// Whether it shows other characters than ASCII.
    pub blocks: bool,
}

impl Terminal {
    /// What stdout leads to; what is no terminal is `COLUMNS` or 80 wide.
    pub fn of_stdout() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let columns = env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let measured = || if is_terminal { measure() } else { None };
        let columns = columns.or_else(measured).filter(|columns| *columns > 0);
        Self {
            columns: columns.unwrap_or(USUAL),
            blocks: is_terminal && is_utf8(|name| env::var(name).ok()),
        }
    }
}

/// The width that the terminal has now: a shell keeps `COLUMNS` to itself, and stty(1) is on every host.
fn measure() -> Option<u16> {
    let mut stty = Command::new("stty");
    stty.arg("size")
        .stdin(Stdio::inherit())
        .stderr(Stdio::null());
    let output = stty.output().ok()?;
    let size = String::from_utf8(output.stdout).ok()?;
    size.split_whitespace().nth(1)?.parse().ok()
}

/// Whether the locale has UTF-8: the first variable that is set decides (locale(7)).
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter();
    let mut set = names.filter_map(variable).filter(|value| !value.is_empty());
    let locale = set.next().unwrap_or_default().to_ascii_uppercase();
    locale.contains("UTF-8") || locale.contains("UTF8")
}

/// What draws `text` over the last picture without a moment in which the screen is empty: each line clears the rest of
/// itself, and the end what is below.
pub fn over_the_last(text: &str) -> String {
    let mut out = String::from("\x1b[H");
    for line in text.lines() {
        out.push_str(line);
        out.push_str("\x1b[K\n");
    }
    out.push_str("\x1b[J");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_names_the_locale() {
        for (all, ctype, lang, utf8) in [
            ("", "", "", false),
            ("", "", "de_DE.UTF-8", true),
            ("", "C.utf8", "C", true),
            ("C", "C.UTF-8", "en_US.UTF-8", false),
            ("", "", "de_DE@euro", false),
        ] {
            let value = |name: &str| match name {
                "LC_ALL" => Some(all.to_owned()),
                "LC_CTYPE" => Some(ctype.to_owned()),
                _ => Some(lang.to_owned()),
            };
            assert_eq!(is_utf8(value), utf8, "{all} {ctype} {lang}");
        }
    }

    #[test]
    fn a_picture_clears_as_it_draws() {
        assert_eq!(over_the_last("a\nbc\n"), "\x1b[Ha\x1b[K\nbc\x1b[K\n\x1b[J");
    }
}
