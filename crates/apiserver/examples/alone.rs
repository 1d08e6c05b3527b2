//! Serves the API alone on a loopback port, to drive it with `kubectl` by hand.
//!
//! `cargo run -p apiserver --example alone -- FOLDER [PORT]` writes `FOLDER/kubeconfig`; pods never run, but
//! their streams are answered by an echo.
#![expect(clippy::print_stdout, reason = "an example that says where it listens")]

#[path = "../tests/api/support.rs"]
mod support;

use std::path::PathBuf;

#[tokio::main]
async fn main() {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let folder = PathBuf::from(std::env::args().nth(1).expect("a folder"));
    let port = std::env::args().nth(2).map_or(0, |text| text.parse().expect("a port"));
    let running = support::start(&folder, port).await;
    println!("export KUBECONFIG={}", running.kubeconfig.display());
    tokio::signal::ctrl_c().await.expect("waits for a signal");
    running.stop().await;
}
