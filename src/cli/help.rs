//! Help: the texts of `--help` and `--version`, and the option that a mistyped one was meant to be.

/// The options of one of the program's commands.
pub struct Usage {
    /// The words before the options.
    pub program: &'static str,
    /// The letters that options have, with their long names.
    letters: &'static [(u8, &'static str)],
    /// The text of `--help`, which is also the list of options for mistyped ones.
    text: &'static str,
}

/// `package-cache`.
pub const SERVE: Usage = Usage {
    program: "package-cache",
    letters: &[(b'v', "verbose"), (b'h', "help")],
    text: SERVE_TEXT,
};

/// `package-cache cull`.
pub const CULL: Usage = Usage {
    program: "package-cache cull",
    letters: &[(b'n', "dry-run"), (b'v', "verbose"), (b'h', "help")],
    text: CULL_TEXT,
};

/// `package-cache status`.
pub const STATUS: Usage = Usage {
    program: "package-cache status",
    letters: &[(b'h', "help")],
    text: STATUS_TEXT,
};

/// `package-cache verify`.
pub const VERIFY: Usage = Usage {
    program: "package-cache verify",
    letters: &[(b'v', "verbose"), (b'h', "help")],
    text: VERIFY_TEXT,
};

const SERVE_TEXT: &str = "\
Usage: package-cache [OPTIONS]
       package-cache cull [OPTIONS]
       package-cache status [OPTIONS]
       package-cache verify [OPTIONS]

A caching proxy for package downloads: the first request for a file fetches it
from a source and stores it while streaming it to whoever asked; every later
request is served from the cache directory.

Options:
      --source [NAME=]URL  mirror to fetch from, http://host[:port][/path]
                           or https://..., which needs openssl;
                           with NAME only what is below /NAME/; repeat for
                           more, tried in the order given
                           (default: none, every miss is 404)
      --cache PATH         cache directory, created when missing
                           (default: /tmp/package-cache)
      --host HOSTNAME      name or address to listen on (default: localhost)
      --port INT           port to listen on, 0 picks a free one (default: 4000)
  -v, --verbose            log requests too; twice: debug (default: warnings)
      --syslog             log to /dev/log (default: stderr)
      --revalidate GLOB    files that change at the sources: ask before serving
                           them; * matches slashes too; @gentoo, @apt, @pacman,
                           @rpm, @alpine, @freebsd, @void stand for what those
                           replace; repeat for more (default: none, what is
                           stored is served)
      --manifests DIR      ebuild repository such as /var/db/repos/gentoo, whose
                           Manifests say what distfiles must be: others are
                           neither stored nor given whole; repeat for overlays
                           (default: none)
      --timeout SECONDS    longest silence tolerated from a source, 1 to 86400;
                           never a limit on a whole transfer (default: 30)
      --min-free SIZE      free space on the cache's file system below which
                           files are passed on unstored, such as 256M, 10G or 0
                           (default: 1 % of it or 256M, the smaller)
      --max-connections N  clients served at once, 1 to 10000 (default: 1024)
      --allow ADDR[/BITS]  clients that are served beside this host itself, such
                           as 192.168.0.0/24 or 2001:db8::/32; repeat for more
                           (default: everyone)
      --no-status          no status page at /, no metrics, no health
                           (default: they are shown)
      --check              check the spelling of options and sources, the cache
                           and the address; ask no source, create nothing,
                           print what is wrong, exit (default: serve)
      --version            print the version and exit
  -h, --help               print this text and exit

To trim a cache: package-cache cull --help
What a running one does: package-cache status --help, or / in a browser
To prove its files by Gentoo's Manifests: package-cache verify --help
Of a repeated option the last one counts; every --source, --revalidate,
--manifests and --allow does.
Sources are asked through the proxies that http_proxy, https_proxy and no_proxy
name, if any.
Exit status: 0 fine, 1 cannot run, 2 usage.

Examples:
  package-cache --source http://distfiles.gentoo.org/ --revalidate @gentoo
  package-cache --host :: --cache /var/cache/package-cache --min-free 10G \\
      --source http://mirror.example/gentoo --source http://distfiles.gentoo.org
  package-cache --source gentoo=http://distfiles.gentoo.org \\
      --source debian=http://deb.debian.org/debian
Clients: GENTOO_MIRRORS=\"http://localhost:4000/\" in /etc/portage/make.conf
";

const CULL_TEXT: &str = "\
Usage: package-cache cull [OPTIONS]

Removes files from a cache, those first that were not used for longest, until
every bound given holds; at least one is needed. What a killed transfer left
goes too; running transfers stay. Safe while the cache is served.

Options:
      --cache PATH         cache directory (default: /tmp/package-cache)
      --unused-for AGE     remove what was not used for so long, such as 12h,
                           180d, 26w or 1y (default: any age stays)
      --max-size SIZE      leave files of so much disk space at most, as du
                           counts it, such as 50G (default: any size stays)
      --min-free SIZE      leave so much free on the cache's file system; if all
                           files together are too few for it, none goes for it
                           (default: free space does not matter)
  -n, --dry-run            remove nothing, name what would be removed
  -v, --verbose            name each file that is removed
  -h, --help               print this text and exit

The time of last use is the access time; the server keeps it, also on noatime
mounts. Exit status: 0 fine, 1 a bound does not hold or a file could not be
removed, 2 usage.

Examples:
  package-cache cull --cache /var/cache/package-cache --unused-for 180d -n
  package-cache cull --cache /srv/cache --max-size 50G --min-free 5G
";

const STATUS_TEXT: &str = "\
Usage: package-cache status [OPTIONS]

Shows what a running package-cache does: what came from the cache and what that
saved, the transfers that run, the state of the sources, the last failures.

Options:
      --host HOST          name or address of the server (default: localhost)
      --port PORT          its port (default: 4000)
      --json               print JSON instead of text (default: text)
      --watch[=SECONDS]    show it again and again until Ctrl-C, 1 to 86400
                           seconds apart, 2 if none are given (default: once)
  -h, --help               print this text and exit

Exit status: 0 fine, 1 none answers, 2 usage.

Examples:
  package-cache status --watch
  package-cache status --host cache.example --json
";

const VERIFY_TEXT: &str = "\
Usage: package-cache verify --manifests DIR [OPTIONS]

Proves the files of a cache: distfiles by the Manifests of ebuild repositories,
and those whose names are digests (apt's by-hash, content-hash distfiles).
Names each one that is wrong and what it should be, then counts the good, the
bad and the unknown. Safe while the cache is served.

Options:
      --cache PATH         cache directory (default: /tmp/package-cache)
      --manifests DIR      ebuild repository such as /var/db/repos/gentoo;
                           repeat for overlays (default: none, one is needed)
      --remove             remove the bad files (default: only name them)
  -v, --verbose            name good and unknown files too
  -h, --help               print this text and exit

Distfiles are the files in directories called distfiles, or distfiles/XX as
mirrors have them. Exit status: 0 none is bad, 1 some are, removed or not, or
could not be read, 2 usage.

Example:
  package-cache verify --cache /var/cache/package-cache \\
      --manifests /var/db/repos/gentoo --manifests /var/db/repos/guru --remove
";

/// The line of `--version`.
pub fn version() -> String {
    format!("package-cache {}", env!("CARGO_PKG_VERSION"))
}

impl Usage {
    /// The text of `--help`.
    pub fn text(&self) -> String {
        String::from(self.text)
    }

    /// The commands that may stand in place of the options, separated by commas.
    pub fn commands(&self) -> String {
        let calls = self.text.lines().take_while(|line| !line.is_empty());
        let calls = calls.map(|line| line.trim_start_matches("Usage:").trim_start());
        let words =
            calls.filter_map(|line| line.strip_prefix(self.program)?.split_whitespace().next());
        let commands: Vec<&str> = words.filter(|word| !word.starts_with(['[', '-'])).collect();
        commands.join(", ")
    }

    /// The long name of an option with this letter.
    pub fn long(&self, letter: u8) -> Option<&'static str> {
        let mut letters = self.letters.iter();
        letters.find(|known| known.0 == letter).map(|known| known.1)
    }

    /// The option that was probably meant: one that begins so, or that differs by at most two changes.
    pub fn nearest(&self, arg: &str) -> Option<&'static str> {
        let options = || {
            let lines = self.text.lines();
            let lines = lines.filter(|line| line.trim_start().starts_with('-'));
            let words = lines.map(|line| line.split([' ', '[']));
            words.filter_map(|mut words| words.find(|word| word.starts_with("--")))
        };
        let begun = options().find(|option| arg.len() > 3 && option.starts_with(arg));
        begun.or_else(|| {
            let near = options().map(|option| (slips(arg, option), option));
            near.filter(|&(slips, _)| slips <= 2)
                .min()
                .map(|(_, option)| option)
        })
    }
}

/// The Levenshtein distance, one row of the matrix at a time.
fn slips(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (1..=to.len()).collect();
    for (above, a) in from.bytes().enumerate() {
        let (mut diagonal, mut left) = (above, above.saturating_add(1));
        for (cell, b) in row.iter_mut().zip(to.bytes()) {
            let replaced = diagonal.saturating_add(usize::from(a != b));
            diagonal = *cell;
            left = replaced
                .min(left.saturating_add(1))
                .min(cell.saturating_add(1));
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(from.len())
}
