//! Serves a model and nothing else: `serve MODEL [PORT]`; with `--bare` instead of a model, a constant.
//!
//! For scripts that try clients or measure: it builds in a fraction of the whole program's time. The bare server is
//! the limit of what HTTP itself allows.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

const ANSWER: &[u8] =
    br#"{"model":"bare","label":"joke","score":0.5,"probabilities":{"joke":0.5,"plain":0.5}}"#;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("give a model file, or --bare")?;
    let port: u16 = arguments.next().map_or(Ok(8000), |port| port.parse())?;
    if model == "--bare" {
        return bare(port).await;
    }
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let config =
        inference::Config { address, port, drain: Duration::ZERO, ..inference::Config::new(model.into()) };
    inference::Server::build(config)?.run(std::future::pending()).await?;
    Ok(())
}

/// Reads each request and answers the same.
async fn bare(port: u16) -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
                // a broken body is answered as a whole one is: only the cost counts
                drop(request.into_body().collect().await);
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(ANSWER))))
            });
            drop(
                auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}
