use super::*;

/// What the kernel does with a program.
fn run(program: &[sock_filter], architecture: u32, number: u32, argument: u32) -> u32 {
    let (mut loaded, mut place) = (0, 0);
    loop {
        let step = program[place];
        place += 1;
        let skip = |is_so: bool| usize::from(if is_so { step.jt } else { step.jf });
        match step.code {
            RETURN => return step.k,
            MASK => loaded &= step.k,
            JUMP => place += step.k as usize,
            IF_EQUAL => place += skip(loaded == step.k),
            IF_GREATER => place += skip(loaded > step.k),
            IF_NOT_LESS => place += skip(loaded >= step.k),
            LOAD => {
                loaded = match step.k {
                    NUMBER_AT => number,
                    ARCHITECTURE_AT => architecture,
                    FIRST_ARGUMENT_AT => argument,
                    other => panic!("nothing at {other}"),
                }
            }
            other => panic!("no such instruction: {other}"),
        }
    }
}

#[track_caller]
fn check(capabilities: &[&str], number: i64, argument: u32, expected: u32) {
    let program = default_profile(capabilities);
    let number = u32::try_from(number).unwrap();
    assert_eq!(run(&program, ARCHITECTURE, number, argument), expected);
}

#[test]
fn ordinary_calls_are_allowed() {
    for number in [libc::SYS_read, libc::SYS_execve, libc::SYS_openat, libc::SYS_futex, libc::SYS_capset] {
        check(&[], number, 0, ALLOW);
    }
    check(&[], 435 + 2, 0, ALLOW);
}

#[test]
fn what_administers_the_machine_is_refused() {
    for number in [
        libc::SYS_mount,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_bpf,
        libc::SYS_reboot,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_io_uring_setup,
        libc::SYS_userfaultfd,
        libc::SYS_clock_settime,
        libc::SYS_chroot,
        libc::SYS_perf_event_open,
        libc::SYS_mbind,
    ] {
        check(&[], number, 0, REFUSE);
    }
}

#[test]
fn a_capability_brings_its_calls() {
    check(&["CAP_SYS_ADMIN"], libc::SYS_mount, 0, ALLOW);
    check(&["CAP_SYS_ADMIN"], libc::SYS_clone, NEW_NAMESPACES, ALLOW);
    check(&["CAP_SYS_ADMIN"], 435, 0, ALLOW);
    check(&["CAP_SYS_CHROOT"], libc::SYS_chroot, 0, ALLOW);
    check(&["CAP_SYS_TIME"], libc::SYS_clock_settime, 0, ALLOW);
    check(&["CAP_SYS_NICE"], libc::SYS_mbind, 0, ALLOW);
    check(&["CAP_SYS_TIME"], libc::SYS_mount, 0, REFUSE);
}

#[test]
fn arguments_decide_where_they_matter() {
    check(&[], libc::SYS_clone, u32::try_from(libc::SIGCHLD).unwrap(), ALLOW);
    check(&[], libc::SYS_clone, 0x1000_0000, REFUSE);
    // Without the capability programs fall back to `clone`, whose flags can be seen.
    check(&[], 435, 0, UNKNOWN);
    check(&[], libc::SYS_socket, 2, ALLOW);
    check(&[], libc::SYS_socket, AF_VSOCK, REFUSE);
    check(&[], libc::SYS_personality, 0xffff_ffff, ALLOW);
    check(&[], libc::SYS_personality, 4, REFUSE);
}

#[test]
fn the_unknown_does_not_exist() {
    check(&[], i64::from(NEWEST) + 1, 0, UNKNOWN);
    // The x32 numbers of x86-64.
    check(&[], 0x4000_0001, 0, UNKNOWN);
    let foreign = run(&default_profile(&[]), 0x4000_0003, 1, 0);
    assert_eq!(foreign, UNKNOWN);
}

#[test]
fn every_number_is_judged_by_the_table() {
    let (program, allowed) = (default_profile(&[]), profile::allowed(&[]));
    let specials: Vec<u32> = profile::specials(&[]).into_iter().map(|(number, _)| number).collect();
    for number in (0..=NEWEST).filter(|number| !specials.contains(number)) {
        let expected = if allowed.contains(&number) { ALLOW } else { REFUSE };
        assert_eq!(run(&program, ARCHITECTURE, number, 0), expected, "{number}");
    }
}
