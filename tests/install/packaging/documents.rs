//! The README, the guides and the list of changes: their links, and what they repeat of conf.d.

use std::fs;
use std::path::PathBuf;

use super::{commented, project};

const GUIDES: &str = "contrib/guides";

/// The list of changes and every guide, as paths in the project, in order.
pub fn changes_and_guides() -> Vec<String> {
    let names = fs::read_dir(project(GUIDES)).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let guides = names.map(|name| format!("{GUIDES}/{name}"));
    let mut all: Vec<_> = guides.chain(["contrib/CHANGES.md".to_owned()]).collect();
    all.sort();
    all
}

fn read(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap()
}

/// The targets of the Markdown links in `text`, but for those to other hosts.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1);
    let targets = targets.map(|rest| rest.split(')').next().unwrap());
    targets.filter(|target| !target.contains("://")).collect()
}

/// The anchors of the headings in `text`, as the usual viewers make them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        words.chars().filter(kept).collect::<String>()
    };
    headings
        .map(|line| anchor(line).replace(' ', "-"))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let documents = changes_and_guides();
    assert!(documents.len() > 5, "{documents:?}");
    let readmes = ["README.md", "src/README.md"];
    for document in documents.iter().map(String::as_str).chain(readmes) {
        for link in links(&read(document)) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => project(document),
                _ => project(document).with_file_name("").join(file),
            };
            assert!(target.is_file(), "{document}: no file {link}");
            let headings = anchors(&fs::read_to_string(&target).unwrap());
            assert!(
                anchor.is_empty() || headings.iter().any(|heading| heading == anchor),
                "{document}: no heading {link}"
            );
        }
    }
}

#[test]
fn the_readme_is_short_and_leads_to_every_guide() {
    let readme = read("README.md");
    let lines = readme.lines().count();
    assert!(lines < 250, "{lines} lines");
    let linked: Vec<PathBuf> = links(&readme).into_iter().map(project).collect();
    for document in changes_and_guides() {
        assert!(linked.contains(&project(&document)), "{document}");
    }
}

#[test]
fn the_documents_name_the_settings_and_patterns_of_conf_d() {
    let (readme, guide) = (read("README.md"), read("contrib/guides/revalidate.md"));
    let others = read("contrib/guides/distributions.md");
    for (name, value) in commented() {
        assert!(readme.contains(&format!("| `{name}` |")), "{name}");
        if name == "REVALIDATE" {
            assert!(guide.contains(&format!("| `{value}` |")), "{value}");
            continue;
        }
        let row = readme
            .lines()
            .find(|line| line.contains(&format!("| `{name}` |")));
        assert!(
            row.unwrap().contains(&format!("`{value}`")) || value.is_empty(),
            "{name}"
        );
    }
    // What the examples set is what the guide says.
    let mut examples = 0;
    for line in others.lines() {
        let value = if let Some(value) = line.strip_prefix("    REVALIDATE=\"") {
            value.to_owned()
        } else if line.starts_with("    PC_OPTS=\"") {
            let options = line.split(" --revalidate ").skip(1);
            options.collect::<Vec<_>>().join(" ")
        } else {
            continue;
        };
        let value = value.trim_end_matches('"');
        assert!(guide.contains(&format!("| `{value}` |")), "{value}");
        examples += 1;
    }
    assert_eq!(examples, 4, "{others}");
}
