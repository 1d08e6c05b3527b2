//! Namespaces, the holder, and the thread that stays on the host.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use network::machine::{EnterError, Options, RUN_DIRECTORY, enter, holder_is_alive, stop_holder};

use crate::{Case, support};

pub(crate) const CASES: &[Case] = &[
    ("entering_gives_a_network_mounts_and_run_folder_of_our_own", entering),
    ("a_listener_bound_before_serves_the_host", listener_before),
    ("the_host_handle_connects_and_listens_on_the_host", host_handle),
    ("namespaces_survive_a_killed_main_process_and_are_joined", rejoin),
    ("a_process_that_is_no_holder_is_neither_joined_nor_killed", no_holder),
];

fn link(kind: &str) -> String {
    fs::read_link(format!("/proc/thread-self/ns/{kind}")).unwrap().to_string_lossy().into_owned()
}

fn entering() {
    let before: Vec<String> = ["net", "mnt"].map(link).into();
    let was_root = support::is_root();
    let started = Instant::now();
    let entered = support::entered();
    let (rootless, many_ids) = (entered.machine.rootless, entered.machine.many_ids);
    eprintln!("  entered in {:?}, rootless: {rootless}, more than one id: {many_ids}", started.elapsed());
    assert_eq!(rootless, !was_root);
    // Root of the new namespaces either way, and with the ids that the maps allow.
    assert!(support::is_root());
    let file = std::env::temp_dir().join(format!("network-ids-{}", std::process::id()));
    fs::write(&file, "").unwrap();
    let given = std::os::unix::fs::chown(&file, Some(33), Some(33));
    fs::remove_file(&file).unwrap();
    assert_eq!(given.is_ok(), many_ids, "{given:?}");
    assert_ne!(before, ["net", "mnt"].map(link));
    assert!(fs::read_dir("/run").unwrap().all(|entry| entry.unwrap().path().as_os_str() == RUN_DIRECTORY));
    assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap().trim(), "1");
    assert!(holder_is_alive(entered.machine.holder, &entered.name));
    stop_holder(entered.machine.holder, &entered.name).unwrap();
    assert!(!holder_is_alive(entered.machine.holder, &entered.name));
}

fn listener_before() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // A client that stays on the host: it waits for a line before it connects.
    let mut client = helper_process(&["connect-and-read", &address.to_string()]);
    let _entered = support::entered();
    assert!(TcpStream::connect(address).is_err(), "our own loopback is another one");
    client.stdin.take().unwrap().write_all(b"go\n").unwrap();
    listener.accept().unwrap().0.write_all(b"hello").unwrap();
    let mut said = String::new();
    client.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "hello");
    client.wait().unwrap();
}

fn host_handle() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    support::in_cluster(|entered| async move {
        let host = entered.machine.host.clone();
        host.connect(address).await.unwrap();
        listener.accept().unwrap();

        // A listener made later is on the host too: the host's handle reaches it, we do not.
        let later = host.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let later_address = later.local_addr().unwrap();
        let (client, server) = tokio::join!(host.connect(later_address), later.accept());
        client.unwrap();
        server.unwrap();
        assert!(tokio::net::TcpStream::connect(later_address).await.is_err());
        assert!(host.listen(later_address).await.is_err(), "a port in use is refused");

        let one = host.udp("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let other = host.udp("127.0.0.1:0".parse().unwrap()).await.unwrap();
        one.send_to(b"ping", other.local_addr().unwrap()).await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 4);
        assert!(!host.resolvers().await.is_empty());

        let started = Instant::now();
        for _ in 0..100 {
            host.connect(later_address).await.unwrap();
        }
        eprintln!("  a connection from the host takes {:?}", started.elapsed() / 100);
    });
}

fn rejoin() {
    let name = support::unique_name();
    // Its namespaces are the first main process's: it is killed with SIGKILL, as by accident.
    let mut first = helper_process(&["main-process", &name]);
    let mut line = String::new();
    BufReader::new(first.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let holder = line.trim().parse().expect("the holder's id");
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(holder_is_alive(holder, &name));

    let started = Instant::now();
    let machine = enter(Options { name: name.clone(), join: Some(holder), executable: None }).unwrap();
    eprintln!("  joined in {:?}", started.elapsed());
    let _entered = support::Entered { machine, name };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let pods = support::pod_network().await;
        let list = pods.list().await.unwrap();
        assert_eq!(list, [("first".to_owned(), "10.244.0.9".parse().unwrap())]);
        // Attaching again finds it as it was; the unfinished one is gone and can be made.
        let before = fs::metadata(format!("{RUN_DIRECTORY}/netns/first")).unwrap();
        let again = pods.attach("first", "10.244.0.9".parse().unwrap()).await.unwrap();
        let after = fs::metadata(again).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::ino(&before), std::os::unix::fs::MetadataExt::ino(&after));
        assert!(!fs::exists(format!("{RUN_DIRECTORY}/netns/unfinished")).unwrap());
        pods.attach("unfinished", "10.244.0.10".parse().unwrap()).await.unwrap();
    });
}

fn no_holder() {
    let mut stranger = helper_process(&["connect-and-read", "127.0.0.1:1"]);
    let pid = i32::try_from(stranger.id()).unwrap();
    assert!(!holder_is_alive(pid, "x"));
    stop_holder(pid, "x").unwrap();
    assert!(stranger.try_wait().unwrap().is_none(), "it lives on");
    let refused = enter(Options { name: "x".to_owned(), join: Some(pid), executable: None }).unwrap_err();
    assert!(matches!(refused, EnterError::HolderGone { .. }), "{refused}");
    assert!(refused.hint().is_some());
    drop(stranger.stdin.take());
    stranger.wait().unwrap();
}

fn helper_process(arguments: &[&str]) -> std::process::Child {
    Command::new("/proc/self/exe")
        .arg("__helper")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What helper processes do.
pub(crate) fn helper(arguments: &[String]) -> ExitCode {
    match arguments[0].as_str() {
        "connect-and-read" => {
            let mut line = String::new();
            if std::io::stdin().read_line(&mut line).unwrap() > 0 {
                let address: SocketAddr = arguments[1].parse().unwrap();
                let mut text = String::new();
                TcpStream::connect(address).unwrap().read_to_string(&mut text).unwrap();
                print!("{text}");
            }
        }
        "main-process" => {
            let machine = enter(Options { name: arguments[1].clone(), ..Options::default() }).unwrap();
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let pods = support::pod_network().await;
                pods.attach("first", "10.244.0.9".parse().unwrap()).await.unwrap();
                pods.attach("unfinished", "10.244.0.10".parse().unwrap()).await.unwrap();
            });
            // As if killed before the last step.
            fs::remove_file(format!("{RUN_DIRECTORY}/addresses/unfinished")).unwrap();
            println!("{}", machine.holder);
            std::io::stdin().read_line(&mut String::new()).ok();
        }
        other => panic!("no helper `{other}`"),
    }
    ExitCode::SUCCESS
}
