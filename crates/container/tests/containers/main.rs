//! Containers for real: every test runs as root and as an ordinary user, each in namespaces made
//! like those of a cluster. This binary is the test, the shim, the main process that is killed, and
//! the program inside the containers.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "this is the test harness and the program in the containers"
)]

mod measure;
mod payload;
mod scenario;
mod suite;
mod world;

use std::os::unix::process::CommandExt;
use std::process::Command;

/// An id that no user has.
const NOBODY: u32 = 54_321;

fn main() {
    let mut args = std::env::args_os().skip(1);
    let first = args.next().and_then(|word| word.into_string().ok()).unwrap_or_default();
    match first.as_str() {
        "__shim" => container::shim::main(args.collect()),
        "__suite" => suite::run(args),
        "__main" => scenario::main_to_be_killed(args),
        "payload" => payload::run(args),
        "--list" => {}
        filter => run_everywhere(filter.trim_start_matches('-')),
    }
}

fn run_everywhere(filter: &str) {
    let program = std::env::current_exe().expect("the path of this test");
    let is_root = nix::unistd::geteuid().is_root();
    let folder = tempfile::tempdir().expect("a temporary folder");
    // An ordinary user may not be able to reach the build folder.
    let copy = folder.path().join("containers");
    std::fs::copy(&program, &copy).expect("a copy of the test");
    open_to_all(folder.path());
    let mut failed = false;
    let mut run = |mut command: Command, home: &str| {
        let mut child = command.args(["__suite", filter, home]).spawn().expect("a process");
        if home == world::WITH_IDS {
            world::give_ids(&child, NOBODY);
        }
        failed |= !child.wait().is_ok_and(|status| status.success());
    };
    let ordinary_user = || {
        let mut command = Command::new(&copy);
        command.uid(NOBODY).gid(NOBODY);
        command
    };
    if is_root {
        run(Command::new(&copy), "root");
        run(Command::new(&copy), "root-on-cgroup2");
        run(ordinary_user(), "ordinary-user");
        run(ordinary_user(), world::WITH_IDS);
    } else {
        println!("not root: the tests as root and as a user with a range of ids are skipped");
        run(Command::new(&copy), "ordinary-user");
    }
    drop(folder);
    std::process::exit(i32::from(failed));
}

fn open_to_all(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).expect("open permissions");
}
