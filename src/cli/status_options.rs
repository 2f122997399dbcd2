//! The options of `package-cache status`.

use std::ffi::OsString;
use std::time::Duration;

use super::parser::{Long, read};
use super::{Command, UsageError, help};
use crate::status::Options;

/// How often the picture changes, in seconds, unless somebody says otherwise.
const USUAL_PAUSE: u64 = 2;

/// The command that the arguments after `status` ask for.
pub fn parse(args: &mut dyn Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut options = Options::default();
    let other = read(args, &help::STATUS, &mut |long| {
        if long.name() == "help" {
            return long.flag(Some(Command::Print(help::STATUS.text())));
        }
        set(&mut options, long).map(|()| None)
    })?;
    Ok(other.unwrap_or(Command::Status(options)))
}

/// Takes one option.
fn set(options: &mut Options, long: &mut Long<'_>) -> Result<(), UsageError> {
    match long.name() {
        "host" => options.host = long.host()?,
        "port" => options.port = long.number(1..=u16::MAX)?,
        "json" => options.json = long.flag(true)?,
        "watch" => {
            let seconds = long.number_or(USUAL_PAUSE, 1..=86_400)?;
            options.watch = Some(Duration::from_secs(seconds));
        }
        _ => return Err(long.unknown()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    fn parsed(args: &str) -> Result<Command, UsageError> {
        cli::parse(args.split(' ').map(OsString::from))
    }

    #[test]
    fn status_options() {
        let usual = Options::default();
        assert_eq!(parsed("status"), Ok(Command::Status(usual.clone())));
        let watching = |seconds| Options {
            watch: Some(Duration::from_secs(seconds)),
            ..usual.clone()
        };
        for (args, expected) in [
            ("status --watch", watching(USUAL_PAUSE)),
            ("status --watch=7", watching(7)),
            (
                "status --host [::1] --port=80 --json",
                Options {
                    host: "::1".to_owned(),
                    port: 80,
                    json: true,
                    watch: None,
                },
            ),
        ] {
            assert_eq!(parsed(args), Ok(Command::Status(expected)), "{args}");
        }
        for args in [
            "--watch=0",
            "--watch 3",
            "--port 0",
            "--json=1",
            "-v",
            "x",
            "--host=",
        ] {
            assert!(parsed(&format!("status {args}")).is_err(), "{args}");
        }
        assert_eq!(parsed("status -h"), Ok(Command::Print(help::STATUS.text())));
        let usage = help::STATUS.text();
        assert!(usage.lines().all(|line| line.len() <= 80) && usage.is_ascii());
        for option in ["--host", "--port", "--json", "--watch", "--help"] {
            assert!(usage.contains(option), "{option}");
        }
    }
}
