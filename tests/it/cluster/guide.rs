//! The guide `docs/cluster.md`, followed with the commands that stand in it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mailscan_core::simulate::SimulatedWeb;
use tempfile::TempDir;

use crate::cli::{json, mailscan};
use crate::postgres::{is_there, shared};

/// The commands of the guide that are mailscan's, in their order.
fn commands() -> Vec<String> {
    let guide = include_str!("../../../docs/cluster.md");
    let mut inside = false;
    let mut commands = Vec::new();
    for line in guide.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside && line.starts_with("mailscan ") {
            commands.push(line.to_owned());
        }
    }
    commands
}

/// One of them as a process, with the database of the test and its own web for the site of the guide.
fn command(line: &str, folder: &Path, [url, site]: [&str; 2]) -> Command {
    let mut words = line.split(' ').skip(1).map(|word| if word == "https://example.org/" { site } else { word });
    let mut command = mailscan(folder);
    command.arg(words.next().unwrap()).args(words).env("MAILSCAN_DB", url);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn output(line: &str, folder: &Path, of: [&str; 2]) -> String {
    let output = command(line, folder, of).output().unwrap();
    assert!(output.status.success(), "{line}");
    String::from_utf8(output.stdout).unwrap()
}

/// Three nodes, stopped at the end.
struct Nodes(Vec<Child>);

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in &mut self.0 {
            // It may have ended by itself.
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_leads_to_three_nodes() {
    if !is_there() {
        return;
    }
    let web = SimulatedWeb::start(super::web_of(500)).await.unwrap();
    let (url, site) = (shared().url(&shared().fresh().await), web.site_url());
    let followed = tokio::task::spawn_blocking(move || {
        let folder = TempDir::new().unwrap();
        let (folder, of) = (folder.path(), [&*url, &*site]);
        let commands = commands();
        let [submit, worker, list, show, export] = &commands[..] else { panic!("the guide has changed: {commands:?}") };
        assert_eq!(json(&output(submit, folder, of))["status"], "queued");
        let start = |_| {
            let mut node = command(worker, folder, of);
            // The web of the test is on this machine.
            node.args(["--allow-network", "127.0.0.0/8"]).stdout(Stdio::null()).spawn().unwrap()
        };
        let _nodes = Nodes((0..3).map(start).collect());
        let begun = Instant::now();
        while !output(list, folder, of).contains("completed") {
            assert!(begun.elapsed() < super::STANDS_STILL, "the job does not end");
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(output(show, folder, of).contains("200"));
        output(export, folder, of).lines().count()
    });
    assert_eq!(followed.await.unwrap(), 201, "the target and a header");
}
