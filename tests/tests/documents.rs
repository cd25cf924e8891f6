//! What the documents say of the code is there: the files that they link to, and in those the tests that
//! they name.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The links of a line, each with what follows it.
fn links(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')'))
}

/// The names in back-ticks that a text begins with, separated by commas.
fn names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text.trim_start();
    while let Some((name, after)) = rest.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
        names.push(name);
        match after.strip_prefix(", ") {
            Some(more) => rest = more,
            None => break,
        }
    }
    names
}

#[test]
fn every_link_of_the_documents_leads_to_a_file() {
    let mut documents: Vec<_> = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .map(|name| root().join(name))
        .into();
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        documents.push(entry.unwrap().path());
    }
    let mut count = 0;
    for document in documents.iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = read(document);
        for (link, _) in text.lines().flat_map(links) {
            let file = link.split('#').next().unwrap_or_default();
            if file.contains("://") || file.is_empty() {
                continue;
            }
            let target = document.parent().unwrap().join(file);
            assert!(target.exists(), "{}: {link}", document.display());
            count += 1;
        }
    }
    assert!(count > 100, "{count} links");
}

#[test]
fn every_test_that_the_table_of_requirements_names_is_one() {
    let docs = root().join("docs");
    let text = read(&docs.join("security.md"));
    let mut count = 0;
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let Some((_, shown_by)) = line.trim_end_matches([' ', '|']).rsplit_once(" | ") else {
            continue;
        };
        for (file, after) in links(shown_by) {
            let code = docs.join(file);
            for name in names(after) {
                let is_there = read(&code).contains(&format!("fn {name}("));
                assert!(is_there, "{file} has no `{name}`: {line}");
                count += 1;
            }
        }
    }
    assert!(count > 150, "{count} tests are named");
    assert!(!text.contains("TODO"));
}
