//! The options of `package-cache verify`.

use std::ffi::OsString;
use std::path::PathBuf;

use super::parser::{Long, read};
use super::{Command, UsageError, help};
use crate::store::DEFAULT_ROOT;
use crate::verify::Options;

/// The command that the arguments after `verify` ask for.
pub fn parse(args: &mut dyn Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut options = Options {
        cache: PathBuf::from(DEFAULT_ROOT),
        manifests: Vec::new(),
        remove: false,
        verbose: false,
    };
    let other = read(args, &help::VERIFY, &mut |long| {
        if long.name() == "help" {
            return long.flag(Some(Command::Print(help::VERIFY.text())));
        }
        set(&mut options, long).map(|()| None)
    })?;
    if let Some(command) = other {
        return Ok(command);
    }
    if options.manifests.is_empty() {
        return Err(UsageError(String::from(
            "verify: no Manifests are given: give --manifests with an ebuild repository, such as /var/db/repos/gentoo",
        )));
    }
    Ok(Command::Verify(options))
}

/// Takes one option.
fn set(options: &mut Options, long: &mut Long<'_>) -> Result<(), UsageError> {
    match long.name() {
        "cache" => options.cache = PathBuf::from(long.value()?),
        "manifests" => options.manifests.push(PathBuf::from(long.value()?)),
        "remove" => options.remove = long.flag(true)?,
        "verbose" => options.verbose = long.flag(true)?,
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
    fn verify_options() {
        let expected = Options {
            cache: PathBuf::from("/srv/c"),
            manifests: vec![PathBuf::from("/r/gentoo"), PathBuf::from("/r/guru")],
            remove: true,
            verbose: true,
        };
        for args in [
            "verify --cache /srv/c --manifests /r/gentoo --manifests /r/guru --remove --verbose",
            "verify --remove --cache=/a --manifests=/r/gentoo -v --cache=/srv/c --manifests=/r/guru --",
        ] {
            assert_eq!(parsed(args), Ok(Command::Verify(expected.clone())));
        }
        let least = Options {
            cache: PathBuf::from(DEFAULT_ROOT),
            manifests: vec![PathBuf::from("r")],
            remove: false,
            verbose: false,
        };
        assert_eq!(parsed("verify --manifests r"), Ok(Command::Verify(least)));
        let help = help::VERIFY.text();
        assert!(help.lines().all(|line| line.len() <= 80) && help.is_ascii());
        assert_eq!(parsed("verify -h --bogus"), Ok(Command::Print(help)));
    }

    #[test]
    fn verify_refuses_what_it_does_not_know() {
        for (args, word) in [
            ("verify", "--manifests"),
            ("verify --remove", "--manifests"),
            ("verify --manifests=", "--manifests"),
            ("verify --manifests", "--manifests"),
            ("verify --manifests r s", "s: unexpected"),
            ("verify --manifests r --remove=yes", "--remove=yes"),
            ("verify --manifest r", "--manifests"),
            ("verify --manifests r -n", "-n"),
            ("verify --manifests r --max-size 1", "--max-size"),
        ] {
            let why = parsed(args).unwrap_err().to_string();
            assert!(why.contains(word), "{args}: {why}");
        }
    }
}
