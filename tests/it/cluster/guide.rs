//! The guide `docs/cluster.md`, followed with the commands that stand in it.

use std::process::{Child, Command, Stdio};

use mailscan_core::simulate::SimulatedWeb;

use crate::cli::{binary, json};
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
fn command(line: &str, url: &str, site: &str) -> Command {
    let mut words = line.split(' ').skip(1).map(|word| if word == "https://example.org/" { site } else { word });
    let mut command = Command::new(binary());
    command.arg(words.next().unwrap()).args(words).env("MAILSCAN_DB", url).current_dir(std::env::temp_dir());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn output(line: &str, url: &str, site: &str) -> String {
    let output = command(line, url, site).output().unwrap();
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
        let commands = commands();
        let [submit, worker, list, show, export] = &commands[..] else { panic!("the guide has changed: {commands:?}") };
        assert_eq!(json(&output(submit, &url, &site))["status"], "queued");
        let start = |_| {
            let mut node = command(worker, &url, &site);
            // The web of the test is on this machine.
            node.args(["--allow-network", "127.0.0.0/8"]).stdout(Stdio::null()).spawn().unwrap()
        };
        let _nodes = Nodes((0..3).map(start).collect());
        while !output(list, &url, &site).contains("completed") {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        assert!(output(show, &url, &site).contains("200"));
        output(export, &url, &site).lines().count()
    });
    assert_eq!(followed.await.unwrap(), 201, "the target and a header");
}
