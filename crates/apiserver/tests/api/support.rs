//! A whole API server on a loopback port, with certificates of its own and pods that echo.
// each test binary uses its own part of this
#![allow(dead_code, reason = "shared by test binaries that each use a part")]

#[path = "support/echo.rs"]
pub(crate) mod echo;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use apiserver::{ApiServer, Config};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use store::{Options, Store};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// A server that runs until it is stopped or dropped.
pub(crate) struct Running {
    pub(crate) api: ApiServer,
    pub(crate) store: Store,
    pub(crate) address: SocketAddr,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) authority: String,
    /// The administrator's certificate and key.
    pub(crate) client: (String, String),
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    /// Drains and waits for the end.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        self.task.await.expect("the server ends");
    }
}

/// Starts a server whose store and kubeconfig are in a folder.
pub(crate) async fn start(folder: &Path, port: u16) -> Running {
    std::fs::create_dir_all(folder).expect("creates the folder");
    let authority_key = KeyPair::generate().expect("makes a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(DnType::CommonName, "test authority");
    let authority = CertifiedIssuer::self_signed(params, authority_key).expect("signs itself");

    let (server, server_key) = server_certificate(&authority);
    let (client, client_key) = client_certificate(&authority, "kubernetes-admin", &["system:masters"]);
    let token_key = folder.join("token.key");
    let pkcs8 = std::fs::read(&token_key).unwrap_or_else(|_| {
        let pkcs8 = KeyPair::generate().expect("makes a key").serialize_der();
        std::fs::write(&token_key, &pkcs8).expect("writes the key");
        pkcs8
    });
    let store = Store::open(&folder.join("store"), Options::default()).expect("opens the store");
    let mut config = Config::new(store.clone(), Arc::new(echo::Echo), pkcs8);
    config.certificate_authority = authority.pem();
    config.endpoint = Some((std::net::Ipv4Addr::new(10, 243, 0, 1), 6443));
    let api = ApiServer::build(config).await.expect("builds");

    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("binds");
    let address = listener.local_addr().expect("has an address");
    let tls = apiserver::tls::server_config(
        vec![server.der().clone()],
        rustls::pki_types::PrivateKeyDer::Pkcs8(server_key.serialize_der().into()),
        authority.der().clone(),
    )
    .expect("the certificates fit");
    let (stop, stopped) = oneshot::channel::<()>();
    let served = api.clone();
    let task = tokio::spawn(async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        served.serve(listener, tls, shutdown).await.expect("serves");
    });
    let kubeconfig = folder.join("kubeconfig");
    let text = kubeconfig_text(address, &authority.pem(), &client.pem(), &client_key.serialize_pem());
    std::fs::write(&kubeconfig, text).expect("writes the kubeconfig");
    let client = (client.pem(), client_key.serialize_pem());
    Running { api, store, address, kubeconfig, authority: authority.pem(), client, stop: Some(stop), task }
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn server_certificate(authority: &Authority) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().expect("makes a key");
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).expect("good names");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (params.signed_by(&key, authority).expect("signs"), key)
}

fn client_certificate(authority: &Authority, user: &str, groups: &[&str]) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().expect("makes a key");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, user);
    for group in groups {
        params.distinguished_name.push(DnType::OrganizationName, *group);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    (params.signed_by(&key, authority).expect("signs"), key)
}

fn kubeconfig_text(address: SocketAddr, authority: &str, certificate: &str, key: &str) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\ncontexts:\n- name: test\n  context: {{cluster: test, user: admin}}\n\
         clusters:\n- name: test\n  cluster:\n    server: https://{address}\n    certificate-authority-data: {}\n\
         users:\n- name: admin\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
        BASE64.encode(authority),
        BASE64.encode(certificate),
        BASE64.encode(key),
    )
}
