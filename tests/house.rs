//! The house itself: which room may import from which.
//!
//! A room is a folder of src. It imports only from rooms further down this list, so that a reader who opens one
//! needs to know only those below it.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the top down; those of one line do not know each other.
const ORDER: [&[&str]; 11] = [
    &["main"],
    &["cli"],
    &["serve"],
    &["cache"],
    &["transfer"],
    &["upstream"],
    &["cull", "status", "verify"],
    &["store"],
    &["manifests", "net"],
    &["log", "stats"],
    &["http", "digest", "sys"],
];

fn floor(room: &str) -> Option<usize> {
    ORDER.iter().position(|rooms| rooms.contains(&room))
}

/// Every source file, with its path below src.
fn sources() -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut dirs) = (Vec::new(), vec![src.clone()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&src).unwrap().to_path_buf(), text));
            }
        }
    }
    found.sort();
    found
}

/// The rooms that a text names after `crate::`, comments left out; `crate::{a::b, c}` names two.
fn imports(text: &str) -> Vec<String> {
    let code = text.lines().map(|line| line.split("//").next().unwrap());
    let code = code.collect::<Vec<_>>().join("\n");
    let paths = code.split("crate::").skip(1);
    let names = paths.flat_map(|path| match path.strip_prefix('{') {
        Some(list) => list.split('}').next().unwrap().split(',').collect(),
        None => vec![path],
    });
    names
        .map(first_name)
        .filter(|room| !room.is_empty())
        .collect()
}

/// The first name of a path such as `http::date::HttpDate`; empty for a type.
fn first_name(path: &str) -> String {
    let is_name = |c: &char| c.is_ascii_lowercase() || *c == '_';
    path.trim_start().chars().take_while(is_name).collect()
}

/// What breaks the order in one file.
fn breaches(path: &Path, text: &str) -> Vec<String> {
    let own = path.iter().next().unwrap().to_str().unwrap();
    let own = own.strip_suffix(".rs").unwrap_or(own);
    let at = floor(own);
    let wrong =
        |room: &String| room != own && at.is_none_or(|at| floor(room).is_none_or(|to| to <= at));
    let imports = imports(text).into_iter().filter(wrong);
    imports
        .map(|room| format!("{} imports {room}", path.display()))
        .collect()
}

#[test]
fn rooms_import_only_from_rooms_below() {
    let found: Vec<_> = sources()
        .iter()
        .flat_map(|(path, text)| breaches(path, text))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_import_upwards_is_found() {
    for (path, text) in [
        ("store/mod.rs", "use crate::cache::Cache;"),
        ("http/date.rs", "use crate::sys::limits::limits;"),
        ("sys/lock.rs", "fn f() { crate::log::error!(\"\") }"),
        ("net/wire.rs", "use crate::{http::Fields, serve};"),
        ("attic/mod.rs", "use crate::http::Fields;"),
    ] {
        assert_eq!(breaches(Path::new(path), text).len(), 1, "{path}: {text}");
    }
    let fine = "use crate::{http::Fields, log};\n// crate::serve\nuse crate::cache::Glob;";
    assert!(breaches(Path::new("cli/mod.rs"), fine).is_empty());
}

#[test]
fn unsafe_code_stands_in_one_file_and_nothing_is_hidden_in_threads() {
    for (path, text) in sources() {
        let calls = path == Path::new("sys/calls.rs");
        assert!(
            calls || !text.contains("unsafe "),
            "unsafe in {}",
            path.display()
        );
        assert!(!text.contains("thread_local"), "{}", path.display());
        assert!(
            text.lines().count() <= 400,
            "{} is too long",
            path.display()
        );
    }
}

#[test]
fn the_map_names_files_and_functions_that_are_there() {
    let sources = sources();
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = fs::read_to_string(project.join("src/README.md")).unwrap();
    let mut named = 0;
    for word in map.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '/' | ':' | '.')) {
        let word = word.trim_start_matches('/');
        if word.ends_with(".rs") {
            let is_file = |dir: &str| project.join(dir).join(word).is_file();
            let ends_so = |(path, _): &(PathBuf, String)| path.ends_with(word);
            assert!(is_file("") || sources.iter().any(ends_so), "no file {word}");
        } else if let Some((_, name)) = word.rsplit_once("::")
            && !name.is_empty()
        {
            let known = [
                format!("fn {name}("),
                format!("fn {name}<"),
                format!(" {name}: "),
                format!("struct {name} "),
                format!("macro_rules! {name} "),
            ];
            let is_known = |(_, text): &(PathBuf, String)| known.iter().any(|it| text.contains(it));
            assert!(sources.iter().any(is_known), "nothing is called {word}");
            named += 1;
        }
    }
    assert!(named > 40, "{named}");
}
