//! Who may import whom, and what is absent from where: reads the sources and holds the rules that ARCHITECTURE.md states.

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

/// The lines of a source, documentation and tests excepted.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    code.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// The sources of a crate that are not tests.
fn sources(of_crate: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(of_crate).join("src");
    let mut files = Vec::new();
    rust_files(&folder, &mut files);
    files.retain(|file| {
        let mut parts = file.strip_prefix(&folder).unwrap().iter();
        !parts.any(|part| part == "tests" || part == "tests.rs")
    });
    assert!(files.len() > 20, "the sources were not found");
    files
}

/// The places in these files where one of these words stands.
fn places(files: impl IntoIterator<Item = PathBuf>, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = code(&text).filter(|line| words.iter().any(|word| line.contains(word)));
        found.extend(lines.map(|line| format!("{}: {}", file.display(), line.trim())));
    }
    found
}

/// The sources of the core's modules of which this holds.
fn modules(wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut files = sources("mailscan-core");
    files.retain(|file| wanted(&module_of(file)));
    assert!(!files.is_empty(), "the modules were not found");
    files
}

/// What opens a socket or a file.
const INPUT_AND_OUTPUT: [&str; 9] = [
    "std::fs",
    "tokio::fs",
    "File::",
    "tokio::net",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "std::process::Command",
];

/// The top-level modules that a text names as `crate::module`, documentation and tests excepted.
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in code(text) {
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
fn the_engine_opens_no_socket_and_no_file() {
    assert_eq!(places(modules(|module| module == "engine"), &INPUT_AND_OUTPUT), [""; 0]);
}

#[test]
fn the_pure_layer_has_no_clock_and_does_nothing_but_compute() {
    let pure = |module: &str| layer_of(module) == Some(1);
    assert!(modules(pure).len() > 20, "the sources were not found");
    let clocks = ["Instant", "SystemTime", "Clock", "tokio::", "std::env", "std::thread", "rand::"];
    assert_eq!(places(modules(pure), &[&clocks[..], &INPUT_AND_OUTPUT].concat()), [""; 0]);
}

#[test]
fn core_types_are_not_what_is_stored_or_sent() {
    // What is exported is for others, in forms of its own.
    let below_parts = |module: &str| layer_of(module).is_some_and(|layer| layer < PARTS) && module != "export";
    assert_eq!(places(modules(below_parts), &["serde"]), [""; 0]);
}

#[test]
fn sql_and_its_clients_are_in_backends_alone() {
    let sql = ["SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE ", "PRAGMA ", ".sql\"", "sql!("];
    let clients = ["rusqlite", "tokio_postgres", "deadpool"];
    let elsewhere = modules(|module| module != "backend").into_iter();
    let elsewhere = elsewhere.chain(sources("mailscan-http")).chain(sources("mailscan-cli"));
    assert_eq!(places(elsewhere, &[&sql[..], &clients].concat()), [""; 0]);
    // Where they are is seen.
    assert!(!places(modules(|module| module == "backend"), &clients).is_empty());
    assert!(!places(modules(|module| module == "backend"), &sql).is_empty());
}

#[test]
fn adapters_do_not_reach_for_a_database() {
    let manifest = std::fs::read_to_string(core_sources().join("../../mailscan-http/Cargo.toml")).unwrap();
    let product = manifest.split("[dev-dependencies]").next().unwrap();
    for database in ["rusqlite", "postgres", "deadpool", "sqlite"] {
        assert!(!product.contains(database), "the server works over any pipeline, not over {database}");
    }
    assert_eq!(places(sources("mailscan-http"), &["backend::"]), [""; 0]);
    // The only place where a backend is chosen.
    let mut others = sources("mailscan-cli");
    others.retain(|file| !file.iter().any(|part| part == "wire" || part == "wire.rs"));
    assert_eq!(places(others, &["backend::"]), [""; 0]);
}

#[test]
fn the_check_sees_what_is_out_of_place() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("a.rs");
    std::fs::write(&file, "use std::fs;\n// std::fs\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n").unwrap();
    assert_eq!(places([file.clone()], &INPUT_AND_OUTPUT), [format!("{}: use std::fs;", file.display())]);
}

#[test]
fn the_check_sees_a_wrong_import() {
    let found = imports("use crate::engine::Engine;\n// crate::source\nfn f() { crate::queue::x() }\n");
    assert_eq!(found, BTreeSet::from(["engine".to_owned(), "queue".to_owned()]));
}
