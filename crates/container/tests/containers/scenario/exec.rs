//! Commands in running containers, and clients attached to them.

use container::{Error, ExecSpec};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::world::{World, end_of, payload, until};

fn command(words: &[&str]) -> ExecSpec {
    ExecSpec { args: payload(words), ..ExecSpec::default() }
}

async fn all(reader: Option<container::Reader>) -> String {
    let mut text = String::new();
    reader.expect("this stream exists").read_to_string(&mut text).await.unwrap();
    text
}

pub(crate) async fn a_command_has_its_own_streams_and_code(world: &World) {
    let sandbox = world.sandbox("exec").await;
    let mut spec = world.container("main", &["wait"]);
    spec.env = vec![("FROM".to_owned(), "container".to_owned())];
    sandbox.start(spec).await.unwrap();
    let mut exec = sandbox.exec("main", command(&["say", "hi"])).await.unwrap();
    assert_eq!(all(exec.stdout.take()).await, "hi\n");
    assert_eq!(exec.wait().await.unwrap().code, 0);
    let mut exec = sandbox.exec("main", command(&["complain", "oh"])).await.unwrap();
    assert_eq!(all(exec.stderr.take()).await, "oh\n");
    let exec = sandbox.exec("main", command(&["exit", "3"])).await.unwrap();
    assert_eq!(exec.wait().await.unwrap().code, 3);
    assert_eq!(exec.wait().await.unwrap().code, 3);
    let mut with_env = command(&["env"]);
    with_env.env = vec![("MORE".to_owned(), "1".to_owned())];
    let mut exec = sandbox.exec("main", with_env).await.unwrap();
    let env = all(exec.stdout.take()).await;
    assert!(env.contains("FROM=container\n") && env.contains("MORE=1\n"), "{env}");
    let mut elsewhere = command(&["whoami"]);
    elsewhere.cwd = Some("/etc".into());
    let mut exec = sandbox.exec("main", elsewhere).await.unwrap();
    let who = all(exec.stdout.take()).await;
    assert!(who.contains("host exec-host cwd /etc") && !who.contains("pid 1 "), "{who}");
    assert_eq!(world.log("main"), "");
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn input_is_carried_and_its_end_too(world: &World) {
    let sandbox = world.sandbox("input").await;
    sandbox.start(world.container("main", &["wait"])).await.unwrap();
    let mut exec = sandbox.exec("main", ExecSpec { stdin: true, ..command(&["cat"]) }).await.unwrap();
    let mut stdin = exec.stdin.take().unwrap();
    let sent = "0123456789abcdef".repeat(40_000);
    let copy = sent.clone();
    let writer = tokio::spawn(async move {
        stdin.write_all(copy.as_bytes()).await.unwrap();
        stdin.shutdown().await.unwrap();
    });
    assert_eq!(all(exec.stdout.take()).await, format!("{sent}end of input\n"));
    writer.await.unwrap();
    assert_eq!(exec.wait().await.unwrap().code, 0);
    let mut without = sandbox.exec("main", command(&["cat"])).await.unwrap();
    assert!(without.stdin.is_none());
    assert_eq!(all(without.stdout.take()).await, "end of input\n");
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_command_can_be_killed(world: &World) {
    let sandbox = world.sandbox("kill").await;
    sandbox.start(world.container("main", &["wait"])).await.unwrap();
    let exec = sandbox.exec("main", command(&["wait"])).await.unwrap();
    exec.signal(9).await.unwrap();
    let code = exec.wait().await.unwrap();
    assert_eq!((code.code, code.signal), (137, Some(9)));
    let left = sandbox.exec("main", command(&["wait"])).await.unwrap();
    sandbox.signal("main", 9).await.unwrap();
    end_of(&sandbox, "main").await;
    assert_eq!(left.wait().await.unwrap().signal, Some(9));
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_command_on_a_terminal_sees_it_and_its_size(world: &World) {
    let sandbox = world.sandbox("tty").await;
    sandbox.start(world.container("main", &["wait"])).await.unwrap();
    let spec = ExecSpec { stdin: true, tty: true, size: Some((132, 43)), ..command(&["terminal"]) };
    let mut exec = sandbox.exec("main", spec).await.unwrap();
    exec.resize(100, 30);
    assert!(exec.stderr.is_none());
    let mut lines = BufReader::new(exec.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "terminal: true");
    let mut stdin = exec.stdin.take().unwrap();
    stdin.write_all(b"hello\n").await.unwrap();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "hello");
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "typed: hello");
    assert_eq!(lines.next_line().await.unwrap(), None);
    assert_eq!(exec.wait().await.unwrap().code, 0);
    let spec = ExecSpec { stdin: true, tty: true, ..command(&["cat"]) };
    let mut exec = sandbox.exec("main", spec).await.unwrap();
    exec.stdin.take().unwrap().shutdown().await.unwrap();
    assert_eq!(exec.wait().await.unwrap().code, 0);
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_missing_command_says_so(world: &World) {
    let sandbox = world.sandbox("missing").await;
    sandbox.start(world.container("main", &["wait"])).await.unwrap();
    let spec = ExecSpec { args: vec!["bash".to_owned()], ..ExecSpec::default() };
    let error = sandbox.exec("main", spec).await.unwrap_err();
    assert_eq!(error.to_string(), "exec: \"bash\": executable file not found in $PATH");
    assert!(matches!(error, Error::Command { code: 127, .. }));
    assert_eq!(sandbox.exec("main", command(&["exit", "0"])).await.unwrap().wait().await.unwrap().code, 0);
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_stopped_container_takes_no_command(world: &World) {
    let sandbox = world.sandbox("stopped").await;
    sandbox.start(world.container("main", &["exit", "0"])).await.unwrap();
    end_of(&sandbox, "main").await;
    let stopped = sandbox.exec("main", command(&["say", "hi"])).await;
    assert!(matches!(stopped, Err(Error::NotRunning(_))), "{stopped:?}");
    let unknown = sandbox.exec("other", command(&["say", "hi"])).await;
    assert!(matches!(unknown, Err(Error::NoSuchContainer { .. })), "{unknown:?}");
    assert!(matches!(sandbox.attach("main").await, Err(Error::NotRunning(_))));
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn many_commands_leave_nothing_behind(world: &World) {
    let sandbox = world.sandbox("many").await;
    let started = sandbox.start(world.container("main", &["wait"])).await.unwrap();
    let runs = (0..20).map(|_| async {
        sandbox.exec("main", command(&["exit", "5"])).await.unwrap().wait().await.unwrap().code
    });
    assert_eq!(futures::future::join_all(runs).await, [5; 20]);
    let folder = world.folder.join("pods/many/containers/main");
    let names = |folder: &std::path::Path| {
        let entries = std::fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&folder), ["config.json", "lower", "root", "state"]);
    let shim = world.shim("many");
    let fds = std::fs::read_dir(format!("/proc/{shim}/fd")).unwrap().count();
    assert!(fds < 16, "{fds} descriptors are open");
    let children = std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap();
    assert_eq!(children.trim(), started.pid.to_string());
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn attached_clients_see_output_and_give_input(world: &World) {
    let sandbox = world.sandbox("attach").await;
    let mut spec = world.container("main", &["cat"]);
    spec.stdin = true;
    spec.stdin_once = true;
    sandbox.start(spec).await.unwrap();
    let mut attached = sandbox.attach("main").await.unwrap();
    let mut second = sandbox.attach("main").await.unwrap();
    assert!(second.stdin.take().is_some_and(|stdin| {
        std::mem::forget(stdin);
        true
    }));
    let mut stdin = attached.stdin.take().unwrap();
    stdin.write_all(b"one\n").await.unwrap();
    let mut lines = BufReader::new(attached.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "one");
    drop(stdin);
    until("the shim closes the input", || true).await;
    sandbox.signal("main", 9).await.unwrap();
    end_of(&sandbox, "main").await;
    assert!(all(second.stdout.take()).await.starts_with("one\n"));
    sandbox.destroy().await.unwrap();

    let sandbox = world.sandbox("once").await;
    let mut spec = world.container("once", &["cat"]);
    (spec.stdin, spec.stdin_once) = (true, true);
    sandbox.start(spec).await.unwrap();
    let mut attached = sandbox.attach("once").await.unwrap();
    drop(attached.stdin.take());
    assert_eq!(end_of(&sandbox, "once").await.code, 0);
    assert_eq!(all(attached.stdout.take()).await, "end of input\n");
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_terminal_container_is_attached_to(world: &World) {
    let sandbox = world.sandbox("console").await;
    let mut spec = world.container("console", &["terminal"]);
    (spec.stdin, spec.tty) = (true, true);
    sandbox.start(spec).await.unwrap();
    until("it speaks", || world.log("console").contains("terminal: true")).await;
    let mut attached = sandbox.attach("console").await.unwrap();
    attached.resize(80, 24);
    assert!(attached.stderr.is_none());
    attached.stdin.take().unwrap().write_all(b"hi\n").await.unwrap();
    assert_eq!(end_of(&sandbox, "console").await.code, 0);
    assert_eq!(all(attached.stdout.take()).await, "hi\r\ntyped: hi\r\n");
    assert!(world.log("console").contains("stdout F typed: hi"), "{}", world.log("console"));
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_port_on_loopback_can_be_dialled(world: &World) {
    world.loopback_up();
    let sandbox = world.sandbox("dial").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut stream = sandbox.dial(port).await.unwrap();
    let (mut accepted, _) = listener.accept().await.unwrap();
    accepted.write_all(b"hello").await.unwrap();
    drop(accepted);
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello");
    drop(listener);
    assert!(matches!(sandbox.dial(port).await, Err(Error::Dial { .. } | Error::Container { .. })));
    sandbox.destroy().await.unwrap();
}
