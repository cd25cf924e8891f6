//! What the documents say of the code is there: the files that they link to, and in those the tests that
//! they name.

use std::path::{Path, PathBuf};

use auth_core::Settings;

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

/// The table of settings, from what the code says of them.
fn table_of_settings() -> String {
    let mut table = String::from("| name | type | default | what it does |\n|---|---|---|---|\n");
    for setting in Settings::DESCRIPTIONS {
        let text = setting.text.split_whitespace().collect::<Vec<_>>().join(" ");
        // Links are for rustdoc.
        let text = text.replace("](crate::KeyRing)", "]").replace("[`KeyRing`]", "`KeyRing`");
        let (effect, default) = match text.rfind("Default") {
            Some(at) => (text[..at].trim(), text[at + "Default".len()..].trim()),
            None => (text.as_str(), "none"),
        };
        let default = default.trim_start_matches([':', ' ']).trim_end_matches('.');
        // What follows the first sentence explains.
        let (default, why) = default.split_once(". ").unwrap_or((default, ""));
        let rust_type = setting.rust_type.replace(' ', "");
        let effect = [effect, why].join(" ");
        table += &format!(
            "| `{}` | `{rust_type}` | {default} | {} |\n",
            setting.name,
            effect.trim().replace('|', "\\|"),
        );
    }
    table
}

/// `UPDATE_DOCS=1` writes it anew.
#[test]
fn the_table_of_settings_is_what_the_code_says() {
    const BEGIN: &str = "<!-- settings:begin -->\n";
    const END: &str = "<!-- settings:end -->";
    let path = root().join("docs/settings.md");
    let text = read(&path);
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let table = table_of_settings();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert!(written == table, "docs/settings.md is old: run this test with UPDATE_DOCS=1");
    for setting in Settings::DESCRIPTIONS {
        let says_default = setting.text.contains("Default") || setting.text.contains("Required");
        assert!(says_default, "{} does not say its default", setting.name);
    }
}

/// The sources of a folder, as one text.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all += &sources(&path);
        } else if path.file_name().is_some_and(|name| name == "settings.rs") {
            // To be checked is not to be obeyed.
            let text = read(&path);
            let (before, _) = text.split_once("    pub fn check(&self)").unwrap();
            all += before;
        } else {
            all += &read(&path);
        }
    }
    all
}

#[test]
fn no_setting_is_unread() {
    let code = sources(&root().join("auth-core/src")) + &sources(&root().join("actix-jwt/src"));
    let is_read = |name: &str| {
        code.match_indices(&format!(".{name}")).any(|(at, found)| {
            let after = code[at + found.len()..].chars().next().unwrap_or(' ');
            !after.is_alphanumeric() && after != '_'
        })
    };
    let unread: Vec<_> = Settings::NAMES.iter().filter(|name| !is_read(name)).collect();
    // The one that is refused whenever it is set.
    assert_eq!(unread, [&"revoke_token_claim"]);
}

#[test]
fn every_type_of_problem_is_documented() {
    let code = read(&root().join("actix-jwt/src/problem/details.rs"));
    let documented = read(&root().join("docs/errors.md"));
    // `("token-expired", "The token has expired")`
    let names = code.split("(\"").skip(1).filter_map(|rest| rest.split_once("\", \""));
    let names: Vec<_> = names.map(|(name, _)| name).filter(|name| !name.contains(' ')).collect();
    assert!(names.len() > 25, "{names:?}");
    for name in &names {
        assert!(documented.contains(&format!("\n| `{name}` | ")), "{name}");
    }
}
