//! What a pod can't reach: the host's loopback, other pods' files, the cluster's own files and sockets, the machine's
//! devices and settings, and more of the API than its account may.

use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

use crate::support::{Answer, User, eventually, everyone};
use crate::toolbox;

const PODS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: treasure}
stringData: {gold: the-treasure-in-a-secret}
---
apiVersion: v1
kind: Pod
metadata: {name: victim}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: toolbox:1
    command: [sh, -c, 'echo the-treasure-in-a-volume > /own/file; echo the-treasure-in-a-layer > /file; echo the-treasure-in-a-log; sleep infinity']
    volumeMounts: [{name: own, mountPath: /own}, {name: memory, mountPath: /memory}, {name: treasure, mountPath: /treasure}]
  volumes:
  - {name: own, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory}}
  - {name: treasure, secret: {secretName: treasure}}
---
apiVersion: v1
kind: Pod
metadata: {name: spy}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: c, image: 'toolbox:1', command: [sleep, infinity]}
";

fn sh(user: &User, script: &str) -> Answer {
    user.try_kubectl(&["exec", "spy", "--", "bash", "-c", script])
}

fn said(user: &User, script: &str) -> String {
    let answer = sh(user, script);
    assert_eq!(answer.status, 0, "{script}: {answer:?}");
    answer.stdout
}

/// Whether somebody answers the spy. That a connection is made says nothing: the way out of the cluster takes every one
/// before it knows whether there is anybody at the other end.
fn answers(user: &User, address: IpAddr, port: u16) -> bool {
    let talk = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && read -rt 2 -N 1 -u 3";
    let script =
        format!("trap '' PIPE; exec 3<>/dev/tcp/{address}/{port} && {talk} && echo open || echo closed");
    said(user, &script).trim() == "open"
}

/// Greets everybody who connects; the number of the port.
fn greet(address: IpAddr) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let _ = connection.and_then(|mut stream| stream.write_all(b"hello"));
        }
    });
    port
}

/// The address by which the machine is known to others, if it has one.
fn address_of_the_machine() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Nothing is sent: the kernel says from where it would be. The address is one for documentation (RFC 5737).
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

fn addresses(user: &User) -> Vec<IpAddr> {
    let node = user.object(&["nodes"])["items"][0]["status"]["addresses"][0]["address"].clone();
    let fixed = ["127.0.0.1", "127.0.0.53", "0.0.0.0", "169.254.1.1", "10.96.0.1", "10.96.0.10"];
    let all = fixed.iter().copied().chain([node.as_str().unwrap()]);
    all.map(|address| address.parse().unwrap()).collect()
}

/// Listens on the host's loopback and has the spy try every address that might lead there.
fn the_hosts_loopback_is_not_reached(user: &User) {
    let port = greet(Ipv4Addr::LOCALHOST.into());
    let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    let udp_port = datagrams.local_addr().unwrap().port();
    let outside = address_of_the_machine();
    for address in addresses(user).into_iter().chain(outside) {
        assert!(!answers(user, address, port), "{address} leads to the host's loopback");
        sh(user, &format!("echo hello > /dev/udp/{address}/{udp_port}"));
        // The API is served to the host by its loopback alone.
        assert!(!answers(user, address, user.api_port), "{address}:{} is open", user.api_port);
    }
    // What is meant for others does arrive, and by then what went before would have.
    if let Some(outside) = outside {
        assert!(answers(user, outside, greet(outside)), "{outside} is not reached");
        let open = UdpSocket::bind((outside, 0)).unwrap();
        open.set_nonblocking(true).unwrap();
        let port = open.local_addr().unwrap().port();
        eventually("a datagram arrives", || {
            sh(user, &format!("echo hello > /dev/udp/{outside}/{port}"));
            open.recv(&mut [0; 16]).ok()
        });
    }
    assert_eq!(datagrams.recv(&mut [0; 16]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// The sockets on which a process of the cluster's network listens, from the kernel's own list.
fn listeners(user: &User) -> Vec<SocketAddr> {
    let main = user.record()["main"]["pid"].as_i64().unwrap();
    let table = std::fs::read_to_string(format!("/proc/{main}/net/tcp")).unwrap();
    let listening = table.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (local, state) = (fields.nth(1)?, fields.nth(1)?);
        let (address, port) = local.split_once(':').filter(|_| state == "0A")?;
        let address = u32::from_str_radix(address, 16).ok()?;
        let address = Ipv4Addr::from(address.to_ne_bytes());
        Some(SocketAddr::from((address, u16::from_str_radix(port, 16).ok()?)))
    });
    listening.collect()
}

/// Of the cluster's own listeners DNS and the API, whose door is locked, answer a pod.
fn the_clusters_own_listeners_are_few(user: &User) {
    let found = listeners(user);
    assert!(found.iter().any(|listener| listener.port() == 6443), "{found:?}");
    for listener in found {
        let is_meant_for_pods = [53, 6443].contains(&listener.port());
        assert!(is_meant_for_pods || !answers(user, listener.ip(), listener.port()), "{listener} answers");
    }
}

fn others_files_are_not_there(user: &User) {
    let found =
        said(user, "grep -rIl the-treasure / --exclude-dir=proc --exclude-dir=sys 2> /dev/null; true");
    assert_eq!(found, "", "another pod's");
    let found =
        said(user, "find / -xdev -type s -o -name cluster.json -o -name '*.sock' -o -path /run/pinnace");
    assert_eq!(found, "", "the cluster's");
    assert!(sh(user, &format!("ls {}", user.home().display())).status != 0, "the user's home");
    // Only its own processes, through whose /proc/*/root another's files could be seen.
    let found = said(user, "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done");
    assert!(!found.contains("pinnace") && !found.contains("the-treasure"), "{found}");
    let found = said(user, "cat /proc/net/unix");
    assert!(!found.contains("pinnace") && !found.contains("shim"), "{found}");
    // A mount tells where it comes from by name only: nothing is mounted that is not its own.
    let found = said(user, "cat /proc/self/mountinfo");
    assert!(!found.contains("treasure") && !found.contains("shim"), "{found}");
}

fn the_machine_is_not_touched(user: &User) {
    let core = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    for script in [
        "echo x > /proc/sys/kernel/core_pattern",
        "test -w /proc/sysrq-trigger",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "mkdir /sys/fs/cgroup/escaped",
        "mkdir /sys/fs/cgroup/memory/escaped",
        "echo 1 > /sys/kernel/mm/ksm/run",
        // The machine's first disk, whatever its number.
        "n=$(grep -m1 -oE '^ *[0-9]+ +[0-9]+ ' /proc/partitions) && mknod /tmp/disk b $n && head -c 1 /tmp/disk",
        "mknod /dev/memory c 1 1 && head -c 1 /dev/memory",
        "mount -t tmpfs none /tmp",
        "mount -o remount,rw /sys",
        "mount --bind /proc/1/root /tmp",
        "ls /proc/1/cwd/../../run/pinnace",
        "cat /proc/kcore",
        "cat /proc/keys | grep .",
    ] {
        let answer = sh(user, script);
        assert!(answer.status != 0, "`{script}` was let through: {answer:?}");
        assert!(!answer.stderr.contains("not found"), "`{script}` could not be tried: {answer:?}");
    }
    assert_eq!(std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), core);
    assert!(!Path::new("/sys/fs/cgroup/escaped").exists());
}

/// A link that a pod leaves in its volume leads the kubelet nowhere.
fn a_link_in_a_volume_leads_nowhere(user: &User) {
    user.apply(
        "
apiVersion: v1
kind: Pod
metadata: {name: climber}
spec:
  terminationGracePeriodSeconds: 1
  initContainers:
  - {name: link, image: 'toolbox:1', command: [ln, -s, /, /v/up], volumeMounts: [{name: v, mountPath: /v}]}
  containers:
  - name: c
    image: toolbox:1
    command: [sleep, infinity]
    volumeMounts: [{name: v, mountPath: /up, subPath: up}]
  volumes: [{name: v, emptyDir: {}}]
",
    );
    eventually("the pod is refused its path", || {
        let shown = user.kubectl(&["get", "pod", "climber", "--no-headers"]);
        shown.contains("CreateContainerConfigError").then_some(())
    });
    user.kubectl(&["delete", "pod", "climber"]);
}

/// What the API answers to somebody with this token only.
fn with_token(user: &User, token: &str, words: &[&str]) -> Answer {
    let server = format!("--server=https://127.0.0.1:{}", user.api_port);
    let token = format!("--token={token}");
    let fixed = ["--kubeconfig=/dev/null", "--insecure-skip-tls-verify", &server, &token];
    user.try_kubectl(&[&fixed[..], words].concat())
}

fn the_api_gives_an_account_what_it_may(user: &User) {
    let token = said(user, "cat /var/run/secrets/kubernetes.io/serviceaccount/token");
    let whoami = "system:serviceaccount:default:default";
    for words in [
        &["get", "secrets"][..],
        &["get", "pods", "-A"],
        &["get", "nodes"],
        &["get", "secret", "treasure"],
        &["delete", "pod", "victim"],
        &["logs", "victim"],
        &["exec", "victim", "--", "cat", "/own/file"],
        &["get", "--raw", "/api/v1/nodes/pinnace/proxy/pods"],
        &["get", "--raw", "/metrics"],
        &["create", "token", "default", "-n", "kube-system"],
    ] {
        let answer = with_token(user, &token, words);
        let refusal = format!("User \"{whoami}\" cannot");
        assert!(answer.status != 0 && answer.stderr.contains(&refusal), "{words:?}: {answer:?}");
        assert!(!answer.stdout.contains("the-treasure"), "{words:?}: {answer:?}");
    }
    let can = with_token(user, &token, &["auth", "can-i", "list", "pods"]);
    assert_eq!((can.status, can.stdout.trim()), (1, "no"), "{can:?}");
    for wrong in ["wrong", &token[..token.len() - 8], &format!("{token}x")] {
        let answer = with_token(user, wrong, &["get", "pods"]);
        assert!(answer.stderr.contains("Unauthorized") || answer.stderr.contains("logged in"), "{answer:?}");
    }
    // What it is given it has, there and no further.
    let words = ["create", "rolebinding", "seeing", "--clusterrole=view", "--serviceaccount=default:default"];
    user.kubectl(&words);
    eventually("the account may look", || {
        (with_token(user, &token, &["get", "pods"]).status == 0).then_some(())
    });
    assert!(with_token(user, &token, &["get", "secrets"]).status != 0);
    assert!(with_token(user, &token, &["get", "pods", "-n", "kube-system"]).status != 0);
    assert!(with_token(user, &token, &["delete", "pod", "victim"]).status != 0);
    // A pod's token ends with the pod.
    user.kubectl(&["delete", "pod", "spy"]);
    eventually("the token of a pod that is gone is refused", || {
        (with_token(user, &token, &["get", "pods"]).status != 0).then_some(())
    });
}

#[test]
fn a_pod_reaches_what_is_its_own_and_no_more() {
    for who in everyone() {
        let user = User::new(who);
        toolbox::load(&user);
        user.up();
        user.apply(PODS);
        user.kubectl(&["wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s"]);
        let treasure = ["exec", "victim", "--", "cat", "/own/file", "/treasure/gold"];
        assert!(user.kubectl(&treasure).contains("the-treasure"));
        assert!(answers(&user, "10.96.0.1".parse().unwrap(), 443), "the API is not reached from a pod");
        the_hosts_loopback_is_not_reached(&user);
        the_clusters_own_listeners_are_few(&user);
        others_files_are_not_there(&user);
        the_machine_is_not_touched(&user);
        a_link_in_a_volume_leads_nowhere(&user);
        the_api_gives_an_account_what_it_may(&user);
    }
}
