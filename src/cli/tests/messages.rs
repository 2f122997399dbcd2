use super::refused;

#[test]
fn messages_name_the_value_and_the_remedy() {
    for (args, parts) in [
        (
            &["--source", "ftp://a.example/"] as &[&str],
            ["--source=ftp://a.example/", "not an http or https URL"],
        ),
        (
            &["--source=https://a.example/?x"],
            ["--source=https://a.example/?x", "a query"],
        ),
        (&["--port", "http"], ["--port=http", "from 0 to 65535"]),
        (&["--port", "70000"], ["--port=70000", "from 0 to 65535"]),
        (&["--timeout=0"], ["--timeout=0", "from 1 to 86400"]),
        (&["--min-free", "lots"], ["--min-free=lots", "256M"]),
        (&["--syslog=yes"], ["--syslog=yes", "takes no value"]),
        (&["--help=yes"], ["--help=yes", "takes no value"]),
        (&["--cache"], ["--cache has no value", "--help"]),
        (&["--cache="], ["--cache has no value", "--help"]),
        (&["--cache", ""], ["--cache has no value", "--help"]),
        (
            &["--cache", "--port", "80"],
            ["--cache has no value before --port", "--cache=--port"],
        ),
        (&["--cache", "--"], ["--cache has no value before --", ""]),
        (&["cull"], ["cull: no bound is given", "--max-size"]),
        (
            &["--port=1", "cull"],
            [
                "cull: unexpected argument",
                "a command (cull, status, verify) is the first word: see package-cache --help",
            ],
        ),
        (
            &["cull", "-s"],
            ["-s: unknown option", "package-cache cull --help"],
        ),
        (
            &["cull", "--port=1"],
            ["--port: unknown option", "package-cache cull --help"],
        ),
        (
            &["cull", "--unused=1d"],
            ["--unused: unknown option", "did you mean --unused-for?"],
        ),
        (
            &["cull", "--unused-for=180"],
            ["--unused-for=180: ", "such as 180d"],
        ),
        (
            &["cull", "--max-size", "much"],
            ["--max-size=much: ", "256M"],
        ),
        (
            &["cull", "--cache"],
            ["--cache has no value", "cull --help"],
        ),
        (&[""], [": unexpected argument", "--help"]),
        (&["-"], ["-: unexpected argument", "--help"]),
        (&["--", "-v"], ["-v: unexpected argument", "--help"]),
        (
            &["clean"],
            [
                "clean: unexpected argument",
                "a command (cull, status, verify) is",
            ],
        ),
        (
            &["cull", "clean"],
            [
                "clean: unexpected argument: see package-cache cull --help",
                "",
            ],
        ),
        (&["-x"], ["-x: unknown option", "--help"]),
        (&["-vx"], ["-vx: unknown option", "--help"]),
        (
            &["--sources=http://a/"],
            ["--sources: unknown option", "did you mean --source?"],
        ),
        (
            &["--verb"],
            ["--verb: unknown option", "did you mean --verbose?"],
        ),
        (
            &["--max-conections=1"],
            ["--max-conections", "did you mean --max-connections?"],
        ),
        (&["--minfree=1"], ["--minfree", "did you mean --min-free?"]),
        (&["-port"], ["-port", "did you mean --port?"]),
        (
            &["--bogus"],
            ["--bogus: unknown option", "see package-cache --help"],
        ),
        (
            &["--=1"],
            ["--: unknown option", "see package-cache --help"],
        ),
        (
            &["--source==http://a.example"],
            ["--source==http://a.example: no valid name", "debian=http"],
        ),
        (
            &["--source=a/b=http://u:p@a.example"],
            ["--source=a/b=http://...@a.example: no valid", "letters"],
        ),
        (
            &["--source=.package-cache=http://a.example"],
            ["the name is reserved", "begin with .package-cache"],
        ),
        (
            &["--source=debian=ftp://a.example"],
            ["--source=debian=ftp://a.example: not", "http://"],
        ),
        (
            &["--allow=localhost"],
            ["--allow=localhost: give an address", "192.168.0.0/24"],
        ),
        (
            &["--allow", "192.168.0.1/24"],
            ["--allow=192.168.0.1/24: ", "give 192.168.0.0/24"],
        ),
        (
            &["--allow=::ffff:10.0.0.0/104"],
            ["--allow=::ffff:10.0.0.0/104: ", "give 10.0.0.0/8"],
        ),
        (
            &["--revalidate=@gento"],
            ["--revalidate=@gento: give one of @gentoo @apt", "[@]"],
        ),
        (
            &["--revalidate=[a"],
            ["--revalidate=[a: close the set", "]"],
        ),
        (
            &["--a\nb"],
            ["--a\\nb: unknown option", "see package-cache --help"],
        ),
        (&["--port=\u{1b}"], ["--port=\\u{1b}", "from 0"]),
    ] {
        let message = refused(args);
        assert!(
            parts.iter().all(|part| message.contains(part)),
            "{args:?}: {message}"
        );
    }
}
