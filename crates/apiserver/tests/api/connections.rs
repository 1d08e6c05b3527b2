//! Real connections: certificates, tokens, draining.

use std::{io::Read, process::Command, time::Duration};

use crate::support;

/// Runs `curl`, which every machine that builds this has, or says why not.
fn curl(arguments: &[&str]) -> Option<String> {
    match Command::new("curl").args(["-sk", "--max-time", "10"]).args(arguments).output() {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) => {
            println!("skipped: curl cannot be run: {error}");
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused_and_tokens_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let running = support::start(folder.path(), 0).await;
    let url = |path: &str| format!("https://{}{path}", running.address);
    let code = ["-o", "/dev/null", "-w", "%{http_code} %{http_version}"];
    let ask = |path: &str, header: &str| {
        let url = url(path);
        let arguments: Vec<&str> = code.iter().copied().chain(["-H", header, &url]).collect();
        tokio::task::block_in_place(|| curl(&arguments))
    };
    let Some(anonymous) = ask("/api/v1/pods", "a: b") else { return running.stop().await };
    assert_eq!(anonymous, "401 2");
    assert_eq!(ask("/healthz", "a: b").unwrap(), "200 2");
    assert_eq!(ask("/api", "Authorization: Bearer nonsense").unwrap(), "401 2");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_ends_its_watches() {
    let folder = tempfile::tempdir().unwrap();
    let running = support::start(folder.path(), 0).await;
    let kubeconfig = running.kubeconfig.clone();
    let child = Command::new("kubectl")
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(["get", "--raw", "/api/v1/namespaces?watch=1"])
        .stdout(std::process::Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: kubectl cannot be run: {error}");
            return running.stop().await;
        }
    };
    let mut stdout = child.stdout.take().unwrap();
    let read = |mut stdout: std::process::ChildStdout, whole: bool| {
        tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; 1];
            let read =
                if whole { stdout.read_to_end(&mut bytes).map(drop) } else { stdout.read_exact(&mut bytes) };
            read.map(|()| stdout)
        })
    };
    // the first byte shows that the watch stands
    stdout = read(stdout, false).await.unwrap().expect("the watch begins");
    tokio::time::timeout(Duration::from_secs(8), running.stop()).await.expect("the server drains in time");
    let ended = tokio::time::timeout(Duration::from_secs(8), read(stdout, true)).await;
    let _ = child.kill();
    let _ = child.wait();
    assert!(ended.is_ok(), "the watch ends with the server");
}
