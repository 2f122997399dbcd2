use super::UrlError::*;
use super::*;

#[test]
fn sources() {
    for (text, expected) in [
        (
            "http://distfiles.gentoo.org",
            Ok("http://distfiles.gentoo.org/"),
        ),
        (
            "HTTP://Distfiles.Gentoo.ORG/A/b/",
            Ok("http://distfiles.gentoo.org/A/b/"),
        ),
        ("http://h:80/", Ok("http://h/")),
        ("http://h:4000", Ok("http://h:4000/")),
        ("http://127.0.0.1:65535/a", Ok("http://127.0.0.1:65535/a")),
        ("http://[::1]/a", Ok("http://[::1]/a")),
        ("http://[0:0::1]:81", Ok("http://[::1]:81/")),
        ("http://my_host/~u/a+b:c", Ok("http://my_host/~u/a+b:c")),
        ("http://h/ü%2B", Ok("http://h/%C3%BC%2B")),
        ("http://h/a|b", Ok("http://h/a%7Cb")),
        ("http://h/a/../b/./c", Ok("http://h/b/c")),
        ("http://h/../..", Ok("http://h/")),
        ("https://H/a", Ok("https://h/a")),
        ("HTTPS://h:443", Ok("https://h/")),
        ("https://h:80/", Ok("https://h:80/")),
        ("http://h:443/", Ok("http://h:443/")),
        ("https://[::1]:4433/", Ok("https://[::1]:4433/")),
        ("HTTPS://h/?q", Err(Query)),
        ("https:/h", Err(Scheme)),
        ("ftp://h/", Err(Scheme)),
        ("h/a", Err(Scheme)),
        ("/a", Err(Scheme)),
        ("", Err(Scheme)),
        ("http:/h", Err(Scheme)),
        ("localhost:4000", Err(Scheme)),
        ("http://user@h/", Err(UserInfo)),
        ("http://user:word@h/", Err(UserInfo)),
        ("http://", Err(Host)),
        ("http:///a", Err(Host)),
        ("http://:80/", Err(Host)),
        ("http://::1/", Err(Host)),
        ("http://[::1/", Err(Host)),
        ("http://[::g]/", Err(Host)),
        ("http://hö/", Err(Host)),
        ("http://a%41/", Err(Host)),
        ("http://-a/", Err(Host)),
        ("https://-proxy:1/", Err(Host)),
        ("http://a,b/", Err(Host)),
        ("http://h:/", Err(Port)),
        ("http://h:0/", Err(Port)),
        ("http://h:65536/", Err(Port)),
        ("http://h:80x/", Err(Port)),
        ("http://h:80:80/", Err(Port)),
        ("http://[::1]x/", Err(Port)),
        ("http://h/?q", Err(Query)),
        ("http://h?q", Err(Query)),
        ("http://h/#f", Err(Fragment)),
        ("http://h#f", Err(Fragment)),
        ("http://h/a b", Err(Character)),
        ("http://h/a\n", Err(Character)),
        ("http://h/a\x7f", Err(Character)),
    ] {
        let url = Url::parse_source(text);
        assert_eq!(
            url.map(|url| url.to_string()),
            expected.map(str::to_owned),
            "{text}"
        );
    }
}

#[test]
fn parts() {
    let url = Url::parse_source("http://[::1]:81/a/").unwrap();
    assert_eq!((url.host(), url.port(), url.path()), ("::1", 81, "/a/"));
    assert_eq!(url.authority(), "[::1]:81");
    let url = url.join(b"b?c").unwrap();
    assert_eq!((url.path(), url.path_and_query()), ("/a/b", "/a/b?c"));
    for (text, port, authority) in [
        ("http://h:80/", 80, "h"),
        ("https://h/", 443, "h"),
        ("https://h:80/", 80, "h:80"),
    ] {
        let url = Url::parse_source(text).unwrap();
        assert_eq!((url.port(), url.authority().as_str()), (port, authority));
    }
}

#[test]
fn below_a_prefix() {
    for (prefix, suffix, expected) in [
        ("http://h", "a/b", "http://h/a/b"),
        ("http://h/", "a%2Bb", "http://h/a%2Bb"),
        ("http://h/gentoo", "a", "http://h/gentoo/a"),
        ("http://h/gentoo//", "a/", "http://h/gentoo/a/"),
        ("http://h/gentoo", "", "http://h/gentoo/"),
        ("http://h", "", "http://h/"),
    ] {
        let url = Url::parse_source(prefix).unwrap();
        assert_eq!(url.below(suffix).to_string(), expected, "{prefix} {suffix}");
    }
}

#[test]
fn redirects() {
    let base = Url::parse_source("http://h:81/b/c/d")
        .unwrap()
        .join(b"?q")
        .unwrap();
    for (location, expected) in [
        ("http://other/x?y#z", Ok("http://other/x?y")),
        ("HTTP://Other:80", Ok("http://other/")),
        ("http://other?y", Ok("http://other/?y")),
        ("//other/x", Ok("http://other/x")),
        ("/x", Ok("http://h:81/x")),
        ("/x/../../y", Ok("http://h:81/y")),
        ("g", Ok("http://h:81/b/c/g")),
        ("g/", Ok("http://h:81/b/c/g/")),
        ("./g", Ok("http://h:81/b/c/g")),
        (".", Ok("http://h:81/b/c/")),
        ("..", Ok("http://h:81/b/")),
        ("../g", Ok("http://h:81/b/g")),
        ("../../../g", Ok("http://h:81/g")),
        ("g/./h/../i/", Ok("http://h:81/b/c/g/i/")),
        ("g?y/../x", Ok("http://h:81/b/c/g?y/../x")),
        ("?y", Ok("http://h:81/b/c/d?y")),
        ("#s", Ok("http://h:81/b/c/d?q")),
        ("", Ok("http://h:81/b/c/d?q")),
        ("a b\"ü", Ok("http://h:81/b/c/a%20b%22%C3%BC")),
        ("x?a b", Ok("http://h:81/b/c/x?a%20b")),
        ("./a:b", Ok("http://h:81/b/c/a:b")),
        ("https://h/b/c/d", Ok("https://h/b/c/d")),
        ("ftp://h/", Err(Scheme)),
        ("a:b", Err(Scheme)),
        ("http:x", Err(Scheme)),
        ("//u@h/", Err(UserInfo)),
        ("http://u:w@h/", Err(UserInfo)),
        ("//", Err(Host)),
        ("http://a b/", Err(Host)),
        ("//h:0/", Err(Port)),
        ("/a\tb", Err(Character)),
        ("/a\r\nb", Err(Character)),
    ] {
        let url = base.join(location.as_bytes());
        assert_eq!(
            url.map(|url| url.to_string()),
            expected.map(str::to_owned),
            "{location}"
        );
    }
}

#[test]
fn a_server_stays_the_same_over_tls() {
    for (one, other, expected) in [
        ("http://h/a", "http://h:80/b", true),
        ("http://h/", "https://h/", true),
        ("http://h:81/", "https://h:81/", true),
        ("http://h/", "https://h:80/", false),
        ("http://h:443/", "https://h/", false),
        ("http://h/", "http://h:81/", false),
        ("http://h/", "http://i/", false),
    ] {
        let [one, other] = [one, other].map(|text| Url::parse_source(text).unwrap());
        assert_eq!((one.is_of(&other), other.is_of(&one)), (expected, expected));
    }
}

#[test]
fn redirects_never_leave_tls() {
    let base = Url::parse_source("https://h/b/c").unwrap();
    for (location, expected) in [
        ("d", Ok("https://h/b/d")),
        ("//other/x", Ok("https://other/x")),
        ("https://other:444/x", Ok("https://other:444/x")),
        ("http://h/b/c", Err(Downgrade)),
        ("HTTP://other/", Err(Downgrade)),
        ("ftp://h/", Err(Scheme)),
    ] {
        let url = base.join(location.as_bytes());
        let url = url.map(|url| url.to_string());
        assert_eq!(url, expected.map(str::to_owned), "{location}");
    }
}

#[test]
fn a_directory_is_a_path_with_a_slash_added() {
    for (file, directory, expected) in [
        ("http://h/a", "http://h/a/", true),
        ("http://h/gtk%2B3.0", "http://h/gtk+3.0/", true),
        ("http://h/gtk%2B3.0", "http://h/gtk%2b3.0/", true),
        ("http://h/gtk+3.0", "http://h/gtk%2B3.0/", true),
        ("http://h/b/a", "http://other:81/b/a/", true),
        ("http://h/a?x=/", "http://h/a/?y", true),
        ("http://h/a", "http://h/a", false),
        ("http://h/a", "http://h/b/", false),
        ("http://h/a", "http://h/a//", false),
        ("http://h/a", "http://h/a%2F", false),
        ("http://h/a", "http://h/?a/", false),
        ("http://h/%zz", "http://h/%zz/", true),
    ] {
        let base = Url::parse_source("http://h/").unwrap();
        let [file, directory] = [file, directory].map(|url| base.join(url.as_bytes()).unwrap());
        assert_eq!(
            directory.is_directory_of(&file),
            expected,
            "{file} {directory}"
        );
    }
}

#[test]
fn user_info_is_not_shown() {
    for (text, expected) in [
        ("http://host/a", "http://host/a"),
        ("ftp//x", "ftp//x"),
        ("http://u:secret@host/a", "http://...@host/a"),
        ("http://u:sec/ret@host/a", "http://...@host/a"),
        ("http://u:sec@ret@host/a", "http://...@host/a"),
        ("http://u:sec//ret@host", "http://...@host"),
        ("u:secret@host:3128", "...@host:3128"),
        ("//u:secret@host", "...@host"),
        ("https://u:secret@", "https://...@"),
        ("socks5h://u:secret@host", "socks5h://...@host"),
        ("@", "...@"),
    ] {
        assert_eq!(without_user_info(text), expected);
    }
}

#[test]
fn messages_are_one_line_with_a_remedy() {
    for error in [
        Downgrade, Scheme, UserInfo, Host, Port, Query, Fragment, Character,
    ] {
        let text = error.to_string();
        assert!(
            text.contains(':') && !text.contains('\n') && !text.ends_with('.'),
            "{text}"
        );
    }
}
