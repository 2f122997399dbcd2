//! The terminal: how wide it is, what it can show, and drawing over what it shows.

use std::env;
use std::io::{self, IsTerminal, Read};
use std::process::{Command, Stdio};

/// How wide a text is that nobody measures, in columns, and as high as it likes.
const USUAL: usize = 80;

/// What a text is laid out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Its width.
    pub columns: usize,
    /// Its height in lines.
    pub rows: usize,
    /// Whether it shows other characters than ASCII.
    pub blocks: bool,
}

impl Terminal {
    /// What stdout leads to; what is no terminal is `COLUMNS` or 80 wide.
    pub fn of_stdout() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let measured = if is_terminal { measure() } else { None };
        let (rows, columns) = measured.unwrap_or((usize::MAX, USUAL));
        let wanted = env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        Self {
            columns: wanted.filter(|columns| *columns > 0).unwrap_or(columns),
            rows,
            blocks: is_terminal && is_utf8(|name| env::var(name).ok()),
        }
    }
}

/// The height and width that the terminal has now: a shell keeps `COLUMNS` to itself, and stty(1) is on every host.
fn measure() -> Option<(usize, usize)> {
    let mut stty = Command::new("stty");
    stty.arg("size")
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = stty.spawn().ok()?;
    let mut size = String::new();
    let read = child.stdout.take()?.read_to_string(&mut size);
    let _ = child.wait();
    read.ok()?;
    let mut numbers = size.split_whitespace().map(str::parse);
    match (numbers.next()?, numbers.next()?) {
        // A terminal that does not know says zero.
        (Ok(rows @ 1..), Ok(columns @ 1..)) => Some((rows, columns)),
        _ => None,
    }
}

/// Whether the locale has UTF-8: the first variable that is set decides (locale(7)).
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter();
    let mut set = names.filter_map(variable).filter(|value| !value.is_empty());
    let locale = set.next().unwrap_or_default().to_ascii_uppercase();
    locale.contains("UTF-8") || locale.contains("UTF8")
}

/// What draws `text` over the last picture without a moment in which the screen is empty: each line clears the rest of
/// itself, and the end what is below. Lines for which there are no `rows` are left out, lest the screen scroll.
pub fn over_the_last(text: &str, rows: usize) -> String {
    let mut out = String::from("\x1b[H");
    for line in text.lines().take(rows.saturating_sub(1)) {
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
        let drawn = "\x1b[Ha\x1b[K\nbc\x1b[K\n\x1b[J";
        assert_eq!(over_the_last("a\nbc\n", usize::MAX), drawn);
        assert_eq!(over_the_last("a\nbc\nd\ne\n", 3), drawn);
    }
}
