//! Against a real registry (Debian's `docker-registry`), with `skopeo` on the other end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use image::{
    Credentials, PullError, PushError, Registry, RegistryError, RegistryOptions, Transfer, TransferOptions,
    TransferState,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::support::{Fixture, name, noise};

/// What `htpasswd -Bbn user secret` writes.
const PASSWORDS: &str = "user:$2y$05$n43.dp3.jbCMpp8tbtvXxOQMNwR68M3zkP8OSR3Zj11IzLZg33g76\n";

/// What a registry asks of those who come.
#[derive(Clone, Copy, Default)]
struct Setup {
    password: bool,
    tls: bool,
    client_certificate: bool,
}

struct RealRegistry {
    process: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl RealRegistry {
    /// Starts a registry on a free port; `None`, with the reason printed, where there is none.
    fn start(setup: Setup) -> Option<RealRegistry> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http:\n  addr: 127.0.0.1:0\n",
            path("data").display()
        );
        if setup.tls {
            write_certificates(&path("ca.crt"), &path("server.crt"), &path("server.key"));
            let (certificate, key) = (path("server.crt"), path("server.key"));
            let authorities = path("ca.crt").display().to_string();
            let clients = if setup.client_certificate { authorities } else { String::new() };
            config += &format!(
                "  tls: {{certificate: {}, key: {}, clientcas: [{clients}]}}\n",
                certificate.display(),
                key.display()
            );
        }
        if setup.password {
            fs::write(path("passwords"), PASSWORDS).unwrap();
            config +=
                &format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", path("passwords").display());
        }
        fs::write(path("config.yml"), config).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(path("config.yml")).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = match command.spawn() {
            Ok(process) => process,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("docker-registry is not installed: pulls and pushes against it are not checked");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "the registry ended");
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.split(['"', ',']).next().unwrap().trim().to_owned();
            }
        };
        // Read on, so that the registry never waits for somebody to read its log.
        std::thread::spawn(move || log.lines().for_each(drop));
        Some(RealRegistry { process, address, folder })
    }

    fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// A folder that holds our authority's certificate for this registry.
    fn certificates(&self) -> PathBuf {
        let folder = self.folder.path().join("certs.d").join(&self.address);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(self.folder.path().join("ca.crt"), folder.join("ca.crt")).unwrap();
        self.folder.path().join("certs.d")
    }

    fn skopeo(&self, arguments: &[&str]) {
        let output = Command::new("skopeo").arg("--insecure-policy").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn write_certificates(authority: &std::path::Path, certificate: &std::path::Path, key: &std::path::Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let server_key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
    let server = server.signed_by(&server_key, &issuer).unwrap();
    // The same one serves for a client.
    fs::write(authority, issuer.pem()).unwrap();
    fs::write(certificate, server.pem()).unwrap();
    fs::write(key, server_key.serialize_pem()).unwrap();
}

fn password(registry: &RealRegistry, password: &str) -> TransferOptions {
    let config = format!(
        r#"{{"auths": {{"{}": {{"username": "user", "password": "{password}"}}}}}}"#,
        registry.address
    );
    let credentials = Credentials::from_docker_config(config.as_bytes()).unwrap();
    TransferOptions { credentials, ..TransferOptions::default() }
}

fn recorded() -> (TransferOptions, Arc<Mutex<Vec<Transfer>>>) {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let kept = reports.clone();
    let progress = Arc::new(move |transfer| kept.lock().unwrap().push(transfer));
    (TransferOptions { progress, ..TransferOptions::default() }, reports)
}

fn count(reports: &Mutex<Vec<Transfer>>, state: TransferState) -> usize {
    reports.lock().unwrap().iter().filter(|transfer| transfer.state == state).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_comes_back_as_it_was_brought() {
    let Some(server) = RealRegistry::start(Setup::default()) else { return };
    let (here, there) = (Fixture::new(), Fixture::new());
    let remote = server.image("team/web:1");
    let built = here.build("web:1", &noise(3 << 20));
    let registry = Registry::new(RegistryOptions::default());

    let (options, reports) = recorded();
    let digest = registry.push(&here.store, &name("web:1"), &name(&remote), &options).await.unwrap();
    assert_eq!(digest, built.digest);
    assert_eq!(count(&reports, TransferState::Done), 2, "a layer and a configuration");

    let (options, reports) = recorded();
    registry.push(&here.store, &name("web:1"), &name(&remote), &options).await.unwrap();
    assert_eq!(count(&reports, TransferState::Present), 2, "nothing is sent twice");
    assert_eq!(count(&reports, TransferState::Done), 0);

    let (options, reports) = recorded();
    let pulled = registry.pull(&there.store, &name(&remote), &options).await.unwrap();
    assert_eq!((&pulled.digest, &pulled.layers), (&built.digest, &built.layers));
    assert_eq!(there.store.resolve(&remote).unwrap().as_ref(), Some(&pulled));
    assert_eq!(count(&reports, TransferState::Done), 2);
    let last = reports.lock().unwrap().iter().rfind(|transfer| transfer.total > 1 << 20).cloned();
    assert!(last.is_some_and(|transfer| transfer.done == transfer.total));

    let by_digest = name(&remote).pinned(digest);
    let (options, reports) = recorded();
    let pinned = registry.pull(&there.store, &by_digest, &options).await.unwrap();
    assert_eq!(pinned.digest, built.digest);
    assert_eq!(count(&reports, TransferState::Present), 2, "what is at hand is not fetched again");
    assert!(there.store.resolve(&by_digest.canonical()).unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_and_we_understand_each_other_through_a_registry() {
    let Some(server) = RealRegistry::start(Setup::default()) else { return };
    let fixture = Fixture::new();
    let built = fixture.build("web:1", b"content");
    let registry = Registry::new(RegistryOptions::default());
    let ours = server.image("ours:1");
    registry.push(&fixture.store, &name("web:1"), &name(&ours), &TransferOptions::default()).await.unwrap();
    if Command::new("skopeo").arg("--version").output().is_err() {
        println!("skopeo is not installed: that it understands us is not checked");
        return;
    }
    // As Docker's kind of image, with a list of one platform around it.
    let (from, to) = (format!("docker://{ours}"), format!("docker://{}", server.image("theirs:1")));
    server.skopeo(&[
        "copy",
        "-q",
        "--format=v2s2",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        &from,
        &to,
    ]);
    let (theirs, options) = (name(&server.image("theirs:1")), TransferOptions::default());
    let pulled = registry.pull(&fixture.store, &theirs, &options).await.unwrap();
    assert_ne!(pulled.digest, built.digest, "it is another manifest");
    let diff_ids =
        |image: &image::Image| image.layers.iter().map(|layer| layer.diff_id.clone()).collect::<Vec<_>>();
    assert_eq!(diff_ids(&pulled), diff_ids(&built));
    // And on to a third place, in Docker's format.
    let again = server.image("again:1");
    registry.push(&fixture.store, &theirs, &name(&again), &options).await.unwrap();
    server.skopeo(&["inspect", "--tls-verify=false", &format!("docker://{again}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_what_is_closed_without() {
    let Some(server) = RealRegistry::start(Setup { password: true, ..Setup::default() }) else { return };
    let fixture = Fixture::new();
    fixture.build("web:1", b"content");
    let (local, remote) = (name("web:1"), name(&server.image("web:1")));
    let registry = Registry::new(RegistryOptions::default());
    for options in [TransferOptions::default(), password(&server, "wrong")] {
        let error = registry.push(&fixture.store, &local, &remote, &options).await.unwrap_err();
        assert!(matches!(error, PushError::Registry(RegistryError::Denied { .. })), "{error}");
        let error = registry.pull(&fixture.store, &remote, &options).await.unwrap_err();
        assert!(matches!(error, PullError::Registry(RegistryError::Denied { .. })), "{error}");
    }
    let options = password(&server, "secret");
    registry.push(&fixture.store, &local, &remote, &options).await.unwrap();
    registry.pull(&fixture.store, &remote, &options).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_trusted_only_if_its_authority_is() {
    let Some(server) = RealRegistry::start(Setup { password: true, tls: true, ..Setup::default() }) else {
        return;
    };
    let fixture = Fixture::new();
    fixture.build("web:1", b"content");
    let (local, remote) = (name("web:1"), name(&server.image("web:1")));
    let options = password(&server, "secret");
    let stranger =
        Registry::new(RegistryOptions { certificate_folders: Vec::new(), ..RegistryOptions::default() });
    let error = stranger.push(&fixture.store, &local, &remote, &options).await.unwrap_err().to_string();
    assert_eq!(error, format!("the certificate of `{}` can't be trusted", server.address));

    let certificate_folders = vec![server.certificates()];
    let registry = Registry::new(RegistryOptions { certificate_folders, ..RegistryOptions::default() });
    registry.push(&fixture.store, &local, &remote, &options).await.unwrap();
    registry.pull(&fixture.store, &remote, &options).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_may_ask_for_our_certificate() {
    let setup = Setup { tls: true, client_certificate: true, ..Setup::default() };
    let Some(server) = RealRegistry::start(setup) else { return };
    let fixture = Fixture::new();
    fixture.build("web:1", b"content");
    let (local, remote) = (name("web:1"), name(&server.image("web:1")));
    let folder = server.certificates();
    let push = async || {
        let options =
            RegistryOptions { certificate_folders: vec![folder.clone()], ..RegistryOptions::default() };
        let registry = Registry::new(options);
        registry.push(&fixture.store, &local, &remote, &TransferOptions::default()).await
    };
    assert!(push().await.is_err(), "nobody comes in without a certificate");
    let of_registry = folder.join(&server.address);
    fs::copy(server.folder.path().join("server.crt"), of_registry.join("client.cert")).unwrap();
    fs::copy(server.folder.path().join("server.key"), of_registry.join("client.key")).unwrap();
    push().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found() {
    let Some(server) = RealRegistry::start(Setup::default()) else { return };
    let fixture = Fixture::new();
    let registry = Registry::new(RegistryOptions::default());
    let missing = name(&server.image("web:none"));
    let error = registry.pull(&fixture.store, &missing, &TransferOptions::default()).await.unwrap_err();
    assert!(matches!(error, PullError::Registry(RegistryError::NotFound { .. })), "{error}");
    let error =
        registry.push(&fixture.store, &missing, &missing, &TransferOptions::default()).await.unwrap_err();
    assert!(matches!(error, PushError::NotFound { .. }), "{error}");
    let pinned = missing.pinned(image::Digest::of(b""));
    let error =
        registry.push(&fixture.store, &missing, &pinned, &TransferOptions::default()).await.unwrap_err();
    assert!(matches!(error, PushError::Pinned { .. }), "{error}");
}
