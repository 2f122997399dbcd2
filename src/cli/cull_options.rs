//! Cull options: the options of `package-cache cull`.

use std::ffi::OsString;
use std::path::PathBuf;

use super::parser::{Long, read};
use super::{Command, UsageError, help};
use crate::cull::Options;
use crate::store::DEFAULT_ROOT;

/// The command that the arguments after `cull` ask for.
pub fn parse(args: &mut dyn Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut options = Options {
        cache: PathBuf::from(DEFAULT_ROOT),
        unused_for: None,
        max_size: None,
        min_free: None,
        dry_run: false,
        verbose: false,
    };
    let other = read(args, &help::CULL, &mut |long| {
        if long.name() == "help" {
            return long.flag(Some(Command::Print(help::CULL.text())));
        }
        set(&mut options, long).map(|()| None)
    })?;
    if let Some(command) = other {
        return Ok(command);
    }
    if options.unused_for.is_none() && options.max_size.is_none() && options.min_free.is_none() {
        return Err(UsageError(String::from(
            "cull: no bound is given: give --unused-for, --max-size or --min-free",
        )));
    }
    Ok(Command::Cull(options))
}

/// Sets what one option says.
fn set(options: &mut Options, long: &mut Long<'_>) -> Result<(), UsageError> {
    match long.name() {
        "cache" => options.cache = PathBuf::from(long.value()?),
        "unused-for" => options.unused_for = Some(long.age()?),
        "max-size" => options.max_size = Some(long.size()?),
        "min-free" => options.min_free = Some(long.size()?),
        "dry-run" => options.dry_run = long.flag(true)?,
        "verbose" => options.verbose = long.flag(true)?,
        _ => return Err(long.unknown()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli;

    fn parsed(args: &[&str]) -> Result<Command, UsageError> {
        cli::parse(args.iter().map(OsString::from))
    }

    #[test]
    fn cull_options() {
        let expected = Options {
            cache: PathBuf::from("/srv/c"),
            unused_for: Some(Duration::from_secs(86_400)),
            max_size: Some(50 << 30),
            min_free: Some(0),
            dry_run: true,
            verbose: true,
        };
        for args in [
            "cull --cache /srv/c --unused-for 1d --max-size 50G --min-free 0 --dry-run --verbose",
            "cull -nv --min-free=0 --max-size=50G --unused-for=24h --cache=/a --cache=/srv/c --",
        ] {
            let args: Vec<_> = args.split(' ').collect();
            assert_eq!(parsed(&args), Ok(Command::Cull(expected.clone())));
        }
        let Ok(Command::Cull(least)) = parsed(&["cull", "--max-size=1"]) else {
            panic!()
        };
        assert_eq!(least.cache, PathBuf::from(DEFAULT_ROOT));
        assert!(!least.dry_run && !least.verbose);
        assert_eq!(
            parsed(&["cull", "-h", "--bogus"]),
            Ok(Command::Print(help::CULL.text()))
        );
        let usage = help::CULL.text();
        assert!(usage.lines().all(|line| line.len() <= 80) && usage.is_ascii());
        for option in ["--cache", "--unused-for", "--max-size", "--min-free"] {
            assert!(usage.contains(option) && usage.contains(DEFAULT_ROOT));
            assert!(parsed(&["cull", &format!("{option}=")]).is_err());
        }
        for option in ["--dry-run", "--verbose", "--help"] {
            assert!(usage.contains(option), "{option}");
        }
    }
}
