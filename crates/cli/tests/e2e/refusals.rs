//! Bad input: a clear error that says what to do, exit code 1, nothing half-done.

use std::net::TcpListener;

use crate::support::{Answer, User, Who, everyone, repository};

fn refused(answer: &Answer, words: &[&str]) {
    assert_eq!(answer.status, 1, "{answer:?}");
    assert!(answer.stderr.starts_with("error: ") || answer.stderr.contains("\nerror: "), "{answer:?}");
    for word in words {
        assert!(answer.stderr.contains(word), "no `{word}` in {answer:?}");
    }
}

#[test]
fn a_file_that_is_no_model_is_refused_by_every_command() {
    let user = User::new(Who::Me);
    for (name, text) in [("notes.model", "just some text\n"), ("empty.pkl", ""), ("cut.pkl", "\u{80}\u{4}")] {
        let path = user.write(name, text);
        refused(&user.try_pinnace(&["predict", &path, "x"]), &[name]);
        refused(&user.try_pinnace(&["serve", &path, "--port", "0"]), &[name]);
        refused(&user.try_pinnace(&["image", "build", "-t", "a:b", "--model", &path]), &[name]);
    }
    refused(&user.try_pinnace(&["predict", "absent.model", "x"]), &["absent.model"]);
    assert!(!user.pinnace(&["image", "ls"]).contains("a:b"));
}

#[test]
fn a_table_without_the_named_column_is_refused_with_those_at_hand() {
    let user = User::new(Who::Me);
    let table = user.write("t.csv", "words,kind\na b,x\nc d,y\n");
    let answer = user.try_pinnace(&["train", &table, "--text", "text", "--label", "kind", "-o", "m.model"]);
    refused(&answer, &["text", "words", "kind"]);
    assert!(!user.home().join("m.model").exists());
}

#[test]
fn a_model_that_is_not_in_the_folder_is_refused_with_those_at_hand() {
    let user = User::new(Who::Me);
    user.write("models/lr.pkl", "x");
    let answer =
        user.try_pinnace(&["image", "build", "-t", "a:b", "--build-arg", "MODEL_TO_USE=tr.pkl", "models"]);
    refused(&answer, &["tr.pkl", "lr.pkl"]);
    refused(
        &user.try_pinnace(&["image", "build", "-t", "a:b", "--build-arg", "MODEL=x", "models"]),
        &["MODEL_TO_USE"],
    );
    let outside = user.try_pinnace(&[
        "image",
        "build",
        "-t",
        "a:b",
        "--build-arg",
        "MODEL_TO_USE=../../etc/passwd",
        "models",
    ]);
    refused(&outside, &["no file"]);
}

#[test]
fn a_port_in_use_stops_up_before_it_starts_anything() {
    let user = User::new(Who::Me);
    let holder = TcpListener::bind(("127.0.0.1", user.http_port)).unwrap();
    let words = user.up_words();
    let answer = user.try_pinnace(&words.iter().map(String::as_str).collect::<Vec<_>>());
    refused(&answer, &[&user.http_port.to_string(), "--http-port"]);
    drop(holder);
    assert!(!user.home().join("kubeconfig").exists());
    refused(&user.try_pinnace(&["down"]), &["not up"]);
}

#[test]
fn a_second_up_is_refused_and_the_first_goes_on() {
    let user = User::new(everyone()[0]);
    user.up();
    let words = user.up_words();
    let answer = user.try_pinnace(&words.iter().map(String::as_str).collect::<Vec<_>>());
    refused(&answer, &["is up already", "pinnace down"]);
    user.kubectl(&["get", "nodes"]);
}

#[test]
fn down_without_up_is_refused() {
    let user = User::new(Who::Me);
    refused(&user.try_pinnace(&["down"]), &["not up", "pinnace up"]);
    refused(&user.try_pinnace(&["down", "--name", "../x"]), &["invalid cluster name"]);
}

#[test]
fn an_unknown_field_is_named() {
    let user = User::new(everyone()[0]);
    user.up();
    let text = std::fs::read_to_string(repository().join("examples/jokemeter/20-deployment.yaml")).unwrap();
    let path = user.write("d.yaml", &text.replace("  replicas: 3", "  replicsa: 3"));
    let answer = user.try_kubectl(&["apply", "-f", &path]);
    assert_ne!(answer.status, 0);
    assert!(answer.stderr.contains("replicsa"), "{answer:?}");
    assert!(user.kubectl(&["get", "deployments", "-o", "name"]).is_empty());
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: only root can make a small disk");
        return;
    }
    let user = User::new(Who::Me);
    let disk = user.home().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let options = Some("size=64k");
    nix::mount::mount(Some("tmpfs"), &disk, Some("tmpfs"), nix::mount::MsFlags::empty(), options).unwrap();
    let data = repository().join("examples/jokemeter/jokes.csv");
    let model = disk.join("lr.model");
    std::fs::write(disk.join("fill"), vec![0u8; 60 * 1024]).unwrap();
    let words = ["train", data.to_str().unwrap(), "--text", "text", "-o", model.to_str().unwrap()];
    let answer = user.try_pinnace(&words);
    let left: Vec<_> = std::fs::read_dir(&disk).unwrap().flatten().map(|entry| entry.file_name()).collect();
    nix::mount::umount(&disk).unwrap();
    refused(&answer, &["No space left"]);
    assert_eq!(left, ["fill"], "{answer:?}");
}

#[test]
fn a_kernel_without_user_namespaces_is_named() {
    let user = User::new(Who::Me);
    // In a user namespace of its own the limit is this test's alone, and the machine's stays as it is: the one
    // namespace it allows is the one in which `pinnace` runs as an ordinary user.
    let script = format!(
        "echo 1 > /proc/sys/user/max_user_namespaces; exec unshare --user --map-user=1000 --map-group=1000 \
         {} up --api-port {} --http-port {} --https-port {}",
        user.home().parent().unwrap().join("pinnace").display(),
        user.api_port,
        user.http_port,
        user.https_port,
    );
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", &script])
        .env("HOME", user.home())
        .env("PINNACE_HOME", user.home().join("data"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("user namespaces") && stderr.contains("hint: "), "{stderr}");
    assert!(!user.home().join("kubeconfig").exists());
}
