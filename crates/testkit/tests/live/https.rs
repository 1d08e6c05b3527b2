//! The API on a loopback socket, with certificates of its own.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use apiserver::ApiServer;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::net::TcpListener;

/// Serves for as long as the test runs; returns the path of a kubeconfig.
pub(crate) async fn serve(api: ApiServer, folder: &Path) -> PathBuf {
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = Issuer::new(authority, authority_key);

    let server_key = KeyPair::generate().expect("a key");
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
    let server = server.signed_by(&server_key, &issuer).expect("a certificate");
    let client_key = KeyPair::generate().expect("a key");
    let mut client = CertificateParams::new(Vec::new()).expect("parameters");
    client.distinguished_name = DistinguishedName::new();
    client.distinguished_name.push(DnType::CommonName, "test");
    client.distinguished_name.push(DnType::OrganizationName, "system:masters");
    let client = client.signed_by(&client_key, &issuer).expect("a certificate");

    let key = PrivateKeyDer::try_from(server_key.serialize_der()).expect("a key");
    let tls =
        apiserver::tls::server_config(vec![server.der().clone()], key, authority_certificate.der().clone());
    let tls = tls.expect("a configuration");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move { api.serve(listener, tls, std::future::pending()).await });

    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{ "name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"),
            "certificate-authority": write("ca.crt", authority_certificate.pem()),
        } }],
        "users": [{ "name": "test", "user": {
            "client-certificate": write("client.crt", client.pem()),
            "client-key": write("client.key", client_key.serialize_pem()),
        } }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
    });
    write("kubeconfig", kubeconfig.to_string())
}
