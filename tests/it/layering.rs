//! Who may import whom in the core: reads the sources and holds the rule that ARCHITECTURE.md states.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The layers from the bottom up. A module may import its own layer and the layers before it.
const LAYERS: [(&str, &[&str]); 5] = [
    ("vocabulary", &["address", "class", "clock", "error", "job", "lease", "limits", "recent", "suppression", "task"]),
    ("pure", &["eta", "extract", "forecast", "limiter", "plan", "retry"]),
    ("contracts", &["fetch", "pipeline", "queue", "store", "turns"]),
    ("support", &["dedup", "desk", "export", "resources"]),
    ("parts", &["backend", "conformance", "engine", "simulate", "source"]),
];

/// The parts do not know each other.
const PARTS: usize = 4;

fn core_sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../mailscan-core/src")
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|(_, modules)| modules.contains(&module))
}

/// The top-level module that a source file belongs to.
fn module_of(file: &Path) -> String {
    let relative = file.strip_prefix(core_sources()).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The top-level modules that a text names as `crate::module`, documentation and tests excepted.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut found = BTreeSet::new();
    for line in lines {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            found.insert(name);
        }
    }
    found
}

#[test]
fn imports_go_down_only() {
    let mut files = Vec::new();
    rust_files(&core_sources(), &mut files);
    assert!(files.len() > 20, "the sources were not found");
    let mut wrong = Vec::new();
    for file in files {
        let module = module_of(&file);
        if module == "lib" {
            continue;
        }
        let Some(layer) = layer_of(&module) else {
            wrong.push(format!("`{module}` has no layer"));
            continue;
        };
        for import in imports(&std::fs::read_to_string(&file).unwrap()) {
            let Some(imported) = layer_of(&import) else { continue };
            if imported > layer || (imported == PARTS && layer == PARTS && import != module) {
                wrong.push(format!("{} imports `{import}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn adapters_do_not_reach_for_a_database() {
    let http = core_sources().join("../../mailscan-http/Cargo.toml");
    let manifest = std::fs::read_to_string(http).unwrap();
    assert!(!manifest.contains("rusqlite"), "the server works over any pipeline");
}

#[test]
fn the_check_sees_a_wrong_import() {
    let found = imports("use crate::engine::Engine;\n// crate::source\nfn f() { crate::queue::x() }\n");
    assert_eq!(found, BTreeSet::from(["engine".to_owned(), "queue".to_owned()]));
}
