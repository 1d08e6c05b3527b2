//! The program in the containers: small modes, each of which shows one thing.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::Command;
use std::time::Duration;

pub(crate) fn run(args: impl Iterator<Item = OsString>) {
    let words: Vec<String> = args.filter_map(|word| word.into_string().ok()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["say", text] => say(text),
        ["say-then-wait", text] => {
            say(text);
            forever();
        }
        ["complain", text] => eprintln!("{text}"),
        ["exit", code] => std::process::exit(code.parse().unwrap()),
        ["wait"] => forever(),
        ["wait-for-term"] => wait_for_term(),
        ["abort"] => std::process::abort(),
        ["env"] => std::env::vars().for_each(|(name, value)| say(&format!("{name}={value}"))),
        ["whoami"] => say(&whoami()),
        ["read", path] => {
            say(&std::fs::read_to_string(path).unwrap_or_else(|error| error.kind().to_string()))
        }
        ["write", path, text] => match std::fs::write(path, text) {
            Ok(()) => say("written"),
            Err(error) => say(&error.kind().to_string()),
        },
        ["list", path] => list(path),
        ["cat"] => cat(),
        ["flood", lines] => flood(lines.parse().unwrap()),
        ["eat", bytes] => eat(bytes.parse().unwrap()),
        ["eat-in-child", bytes] => {
            let _ = Command::new("/payload").args(["payload", "eat", bytes]).status();
            say("the child is gone");
        }
        ["fork", count] => fork(count.parse().unwrap()),
        ["burn"] => loop {
            std::hint::spin_loop();
        },
        ["burn", milliseconds] => burn(milliseconds.parse().unwrap()),
        ["watch-child-burn", milliseconds] => watch_child_burn(milliseconds),
        ["system-calls"] => system_calls(),
        ["make-device"] => {
            make_device("/disk");
            make_device("/dev/disk");
        }
        ["terminal"] => terminal(),
        ["status", field] => status(field),
        ["orphan"] => {
            // Not waited for: that is what makes it an orphan.
            std::mem::forget(Command::new("/payload").args(["payload", "wait"]).spawn().unwrap());
        }
        other => panic!("no such mode: {other:?}"),
    }
}

fn say(text: &str) {
    println!("{text}");
    std::io::stdout().flush().unwrap();
}

fn forever() {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

fn wait_for_term() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        say("ready");
        term.recv().await;
        say("terminated");
    });
    std::process::exit(42);
}

fn whoami() -> String {
    let host = nix::unistd::gethostname().unwrap();
    let groups: Vec<u32> =
        nix::unistd::getgroups().unwrap().into_iter().map(|group| group.as_raw()).collect();
    format!(
        "pid {} uid {} gid {} groups {groups:?} host {} cwd {}",
        std::process::id(),
        nix::unistd::getuid(),
        nix::unistd::getgid(),
        host.display(),
        std::env::current_dir().unwrap().display()
    )
}

fn list(path: &str) {
    let entries = std::fs::read_dir(path).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    say(&names.join(" "));
}

fn cat() {
    let mut buffer = [0; 4096];
    loop {
        match std::io::stdin().read(&mut buffer).unwrap() {
            0 => break,
            length => {
                std::io::stdout().write_all(&buffer[..length]).unwrap();
                std::io::stdout().flush().unwrap();
            }
        }
    }
    say("end of input");
}

fn flood(lines: u64) {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for number in 0..lines {
        writeln!(out, "line {number:08} {}", "x".repeat(80)).unwrap();
    }
}

fn eat(bytes: usize) {
    let mut memory: Vec<Vec<u8>> = Vec::new();
    let chunk = 1 << 20;
    while memory.len() * chunk < bytes {
        memory.push(vec![1; chunk]);
        std::thread::sleep(Duration::from_millis(1));
    }
    say("all eaten");
    forever();
}

fn fork(count: usize) {
    let mut children = Vec::new();
    for _ in 0..count {
        match Command::new("/payload").args(["payload", "wait"]).spawn() {
            Ok(child) => children.push(child),
            Err(error) => {
                say(&format!("refused after {}: {}", children.len(), error.kind()));
                break;
            }
        }
    }
    say(&format!("forked {}", children.len()));
    forever();
}

/// Uses that much CPU time.
fn burn(milliseconds: u64) {
    let used = || {
        let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
        let milliseconds = |time: nix::sys::time::TimeVal| time.tv_sec() * 1000 + time.tv_usec() / 1000;
        milliseconds(usage.user_time()) + milliseconds(usage.system_time())
    };
    while used() < i64::try_from(milliseconds).unwrap() {
        std::hint::spin_loop();
    }
    std::process::exit(7);
}

/// Waits for a child as a shell does, which is told of a child that was stopped, too.
fn watch_child_burn(milliseconds: &str) {
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    #[expect(clippy::zombie_processes, reason = "it is waited for below, in another way")]
    let child = Command::new("/payload").args(["payload", "burn", milliseconds]).spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    loop {
        match waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap() {
            WaitStatus::Exited(_, code) => break say(&format!("the child ended with {code}")),
            other => say(&format!("{other:?}")),
        }
    }
}

/// Tries what an ordinary program does, and what only an administrator does.
fn system_calls() {
    use nix::sched::{CloneFlags, unshare};
    let told = |what: &str, result: nix::Result<()>| {
        say(&format!("{what}: {}", result.map_or_else(|errno| format!("{errno:?}"), |()| "done".to_owned())));
    };
    told("thread", std::thread::spawn(|| ()).join().map_err(|_| nix::errno::Errno::EINVAL));
    told(
        "child",
        Command::new("/payload")
            .args(["payload", "exit", "0"])
            .status()
            .map(drop)
            .map_err(|_| nix::errno::Errno::EPERM),
    );
    let none = None::<&str>;
    told("mount", nix::mount::mount(Some("x"), "/proc", Some("tmpfs"), nix::mount::MsFlags::empty(), none));
    told("host name", nix::unistd::sethostname("other"));
    told("user namespace", unshare(CloneFlags::CLONE_NEWUSER));
}

/// Tries to read the kernel's messages through a device node made here.
fn make_device(path: &str) {
    use nix::sys::stat::{Mode, SFlag, makedev, mknod};
    let kernel_messages = makedev(1, 11);
    let made = mknod(path, SFlag::S_IFCHR, Mode::S_IRWXU, kernel_messages);
    let opened = made.is_ok() && std::fs::File::open(path).is_ok();
    say(if opened { "opened" } else { "refused" });
}

fn terminal() {
    use std::io::IsTerminal;
    say(&format!("terminal: {}", std::io::stdin().is_terminal()));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    say(&format!("typed: {}", line.trim()));
}

fn status(field: &str) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or("none");
    say(line);
}
