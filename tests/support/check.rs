//! Strict readers of what the program says of itself: JSON, the text format of Prometheus, HTML. Anything that they do
//! not know fails the test.

use std::collections::BTreeMap;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(u64),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// The value that a text is.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let mut rest = text;
        let value = value(&mut rest);
        assert_eq!(rest.trim(), "", "something follows the JSON");
        value
    }

    /// The value at `path`, as in `store.free_bytes` and `sources.0.up`.
    #[track_caller]
    pub fn at(&self, path: &str) -> &Json {
        path.split('.').fold(self, |value, key| match value {
            Json::Object(members) => members
                .get(key)
                .unwrap_or_else(|| panic!("no {key} of {path}")),
            Json::List(items) => &items[key.parse::<usize>().unwrap()],
            other => panic!("no {path} in {other:?}"),
        })
    }

    #[track_caller]
    pub fn number(&self, path: &str) -> u64 {
        match self.at(path) {
            Json::Number(number) => *number,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[track_caller]
    pub fn text(&self, path: &str) -> &str {
        match self.at(path) {
            Json::Text(text) => text,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[track_caller]
    pub fn list(&self, path: &str) -> &[Json] {
        match self.at(path) {
            Json::List(items) => items,
            other => panic!("{path}: {other:?}"),
        }
    }

    /// The keys of an object, in the order of the alphabet.
    #[track_caller]
    pub fn keys(&self, path: &str) -> Vec<&str> {
        let value = if path.is_empty() { self } else { self.at(path) };
        match value {
            Json::Object(members) => members.keys().map(String::as_str).collect(),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[track_caller]
fn value(rest: &mut &str) -> Json {
    *rest = rest.trim_start_matches([' ', '\n']);
    let literals = [
        ("null", Json::Null),
        ("true", Json::Bool(true)),
        ("false", Json::Bool(false)),
    ];
    for (word, value) in literals {
        if let Some(after) = rest.strip_prefix(word) {
            *rest = after;
            return value;
        }
    }
    match rest.chars().next().expect("a value") {
        '"' => Json::Text(string(rest)),
        '[' => Json::List(items(rest, ']', value)),
        '{' => {
            let members = items(rest, '}', |rest| {
                let key = string(rest);
                expect(rest, ':');
                (key, value(rest))
            });
            let count = members.len();
            let members: BTreeMap<_, _> = members.into_iter().collect();
            assert_eq!(members.len(), count, "a key is there twice");
            Json::Object(members)
        }
        _ => {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
            let (digits, after) = rest.split_at(end);
            assert!(digits == "0" || !digits.starts_with('0'), "{rest:.20}");
            *rest = after;
            Json::Number(digits.parse().unwrap())
        }
    }
}

#[track_caller]
fn expect(rest: &mut &str, what: char) {
    *rest = rest.trim_start_matches([' ', '\n']);
    *rest = rest
        .strip_prefix(what)
        .unwrap_or_else(|| panic!("no {what:?} at {rest:.40}"));
}

#[track_caller]
fn items<T>(rest: &mut &str, end: char, item: impl Fn(&mut &str) -> T) -> Vec<T> {
    *rest = &rest[1..];
    let mut items = Vec::new();
    loop {
        *rest = rest.trim_start_matches([' ', '\n']);
        if let Some(after) = rest.strip_prefix(end) {
            *rest = after;
            return items;
        }
        if !items.is_empty() {
            expect(rest, ',');
            *rest = rest.trim_start_matches([' ', '\n']);
        }
        items.push(item(rest));
    }
}

#[track_caller]
fn string(rest: &mut &str) -> String {
    expect(rest, '"');
    let (mut text, mut chars) = (String::new(), rest.chars());
    loop {
        match chars.next().expect("the end of a string") {
            '"' => break,
            '\\' => match chars.next().unwrap() {
                'u' => {
                    let hex: String = chars.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&hex, 16).unwrap();
                    text.push(char::from_u32(code).expect("no half of a pair"));
                }
                escaped @ ('"' | '\\' | '/') => text.push(escaped),
                other => panic!("\\{other}"),
            },
            control if control < ' ' => panic!("{control:?} in a string"),
            other => text.push(other),
        }
    }
    *rest = chars.as_str();
    text
}

/// The samples of a text for Prometheus, by name and labels as they stand there. Each metric must have its HELP and TYPE,
/// all its samples behind them, and no sample may be there twice.
#[track_caller]
pub fn metrics(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let (mut samples, mut seen) = (BTreeMap::new(), Vec::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let name = line
            .strip_prefix("# HELP ")
            .unwrap_or_else(|| panic!("{line}"));
        let (name, help) = name.split_once(' ').unwrap();
        assert!(help.ends_with('.') && !help.contains('\\'), "{line}");
        assert!(!seen.contains(&name), "{name} is there twice");
        seen.push(name);
        let kind = lines
            .next()
            .unwrap()
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.strip_prefix(name));
        let kind = kind.unwrap().trim_start();
        assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            let (series, value) = sample.rsplit_once(' ').unwrap();
            let end = series.find('{').unwrap_or(series.len());
            let (of, labels) = series.split_at(end);
            let suffix = of.strip_prefix(name).unwrap_or_else(|| panic!("{sample}"));
            let suffixes: &[&str] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(suffixes.contains(&suffix), "{sample}");
            check_labels(labels);
            let twice = samples.insert(series.to_owned(), value.parse().unwrap());
            assert!(twice.is_none(), "{series} is there twice");
        }
    }
    samples
}

/// `{name="value",...}` or nothing.
#[track_caller]
fn check_labels(labels: &str) {
    let Some(mut rest) = labels.strip_prefix('{') else {
        return assert_eq!(labels, "");
    };
    loop {
        let (name, value) = rest.split_once("=\"").unwrap();
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        );
        let mut escaped = false;
        let end = value.find(|c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = &value[end.unwrap() + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return assert_eq!(rest, "}", "{labels}"),
        }
    }
}

/// The text of an HTML page, its tags left out. Every element must be closed in its order, every attribute quoted, every
/// `&` a character reference, and there may be neither a script nor anything from elsewhere.
#[track_caller]
pub fn html(page: &str) -> String {
    const VOID: [&str; 3] = ["meta", "br", "!DOCTYPE"];
    let (mut text, mut open, mut rest) = (String::new(), Vec::new(), page);
    while let Some(at) = rest.find('<') {
        text.push_str(&unescaped(&rest[..at]));
        let end = rest.find('>').unwrap();
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        let name = tag.split([' ', '\n']).next().unwrap();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{page}");
            continue;
        }
        check_tag(tag, name);
        if name == "style" {
            let end = rest.find("</style>").unwrap();
            let style = &rest[..end];
            assert!(!style.contains("url(") && !style.contains("@import"));
            rest = &rest[end + "</style>".len()..];
        } else if !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} stay open");
    text + &unescaped(rest)
}

/// A tag has a name that we use, and quoted attributes that load nothing.
#[track_caller]
fn check_tag(tag: &str, name: &str) {
    const KNOWN: &str = " !DOCTYPE html head meta title style body header main h1 h2 p dl div dt dd small span table caption thead tbody tr th td br progress code ol ul li time ";
    assert!(KNOWN.contains(&format!(" {name} ")), "<{tag}>");
    let mut rest = tag[name.len()..].trim();
    while !rest.is_empty() && name != "!DOCTYPE" {
        let (attribute, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("<{tag}>"));
        let bare = attribute
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(bare && !attribute.starts_with("on"), "<{tag}>");
        assert!(
            !["src", "href", "style", "action"].contains(&attribute),
            "<{tag}>"
        );
        let (value, after) = value.split_once('"').unwrap();
        unescaped(value);
        rest = after.trim();
    }
}

#[track_caller]
fn unescaped(text: &str) -> String {
    let mut parts = text.split('&');
    let mut out = parts.next().unwrap().to_owned();
    assert!(
        !text.contains(|c: char| c.is_control() && c != '\n'),
        "{text:?}"
    );
    for part in parts {
        let (name, rest) = part.split_once(';').unwrap_or_else(|| panic!("&{part}"));
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" => '\'',
            other => panic!("&{other};"),
        });
        out.push_str(rest);
    }
    out
}
