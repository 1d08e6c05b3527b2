//! System calls a container may make: a program for the kernel's seccomp machine.
//!
//! The default profile is the one of containerd, which Kubernetes calls `RuntimeDefault`: what ordinary programs
//! need is allowed, what administers the machine is refused unless the container has the capability for it. A
//! system call that is newer than the profile is answered with `ENOSYS`, so that programs fall back to what they
//! used before. Programs for another architecture than the machine's get `ENOSYS` for everything.

mod profile;

use libc::sock_filter;

use profile::{NEWEST, Special};

/// What the kernel compares the architecture of a system call with (`include/uapi/linux/audit.h`).
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// Offsets in the kernel's `struct seccomp_data`.
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
/// The lower half of the first argument.
const FIRST_ARGUMENT_AT: u32 = 16;

/// Verdicts (`include/uapi/linux/seccomp.h`).
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
const REFUSE: u32 = ERRNO | libc::EPERM as u32;
const UNKNOWN: u32 = ERRNO | libc::ENOSYS as u32;

/// Codes of instructions (`include/uapi/linux/filter.h`).
const LOAD: u16 = 0x20;
const RETURN: u16 = 0x06;
const MASK: u16 = 0x54;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_GREATER: u16 = 0x25;
const IF_NOT_LESS: u16 = 0x35;

/// The flags of `clone` that make namespaces.
const NEW_NAMESPACES: u32 = 0x7e02_0000;
/// The address family of virtual machines' own sockets, which no namespace contains.
const AF_VSOCK: u32 = 40;
/// The execution domains that programs ask for: Linux, with and without address randomisation, and the present one.
const PERSONALITIES: [u32; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Returns the program of the default profile for a container with these capabilities.
pub(super) fn default_profile(capabilities: &[&str]) -> Vec<sock_filter> {
    let allowed = profile::allowed(capabilities);
    let mut program = vec![
        load(ARCHITECTURE_AT),
        when(IF_EQUAL, ARCHITECTURE, 1, 0),
        verdict(UNKNOWN),
        load(NUMBER_AT),
        when(IF_GREATER, NEWEST, 0, 1),
        verdict(UNKNOWN),
    ];
    for (number, special) in profile::specials(capabilities) {
        let block = judge(special);
        program.push(when(IF_EQUAL, number, 1, 0));
        program.push(jump(block.len()));
        program.extend(block);
    }
    program.extend(search(&ranges(&allowed)));
    program
}

fn judge(special: Special) -> Vec<sock_filter> {
    match special {
        Special::Unknown => vec![verdict(UNKNOWN)],
        Special::WithoutNamespaces => vec![
            load(FIRST_ARGUMENT_AT),
            instruction(MASK, 0, 0, NEW_NAMESPACES),
            when(IF_EQUAL, 0, 0, 1),
            verdict(ALLOW),
            verdict(REFUSE),
        ],
        Special::NoVirtualMachineSocket => {
            vec![load(FIRST_ARGUMENT_AT), when(IF_EQUAL, AF_VSOCK, 0, 1), verdict(REFUSE), verdict(ALLOW)]
        }
        Special::KnownPersonality => {
            let known =
                PERSONALITIES.into_iter().flat_map(|value| [when(IF_EQUAL, value, 0, 1), verdict(ALLOW)]);
            [load(FIRST_ARGUMENT_AT)].into_iter().chain(known).chain([verdict(REFUSE)]).collect()
        }
    }
}

/// Returns neighbouring numbers as ranges, both ends included.
fn ranges(numbers: &[u32]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            Some(_) | None => ranges.push((*number, *number)),
        }
    }
    ranges
}

/// Returns a search by halves for the loaded number.
fn search(ranges: &[(u32, u32)]) -> Vec<sock_filter> {
    match ranges {
        [] => vec![verdict(REFUSE)],
        [(first, last)] => vec![
            when(IF_NOT_LESS, *first, 0, 1),
            when(IF_GREATER, *last, 0, 1),
            verdict(REFUSE),
            verdict(ALLOW),
        ],
        _ => {
            let (left, right) = ranges.split_at(ranges.len() / 2);
            let (middle, left) = (right[0].0, search(left));
            let head = [when(IF_NOT_LESS, middle, 0, 1), jump(left.len())];
            head.into_iter().chain(left).chain(search(right)).collect()
        }
    }
}

fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

fn load(offset: u32) -> sock_filter {
    instruction(LOAD, 0, 0, offset)
}

fn verdict(value: u32) -> sock_filter {
    instruction(RETURN, 0, 0, value)
}

/// Skips `yes` instructions if the loaded value compares so with `value`, else `no`.
fn when(comparison: u16, value: u32, yes: u8, no: u8) -> sock_filter {
    instruction(comparison, yes, no, value)
}

/// Skips instructions. A conditional jump only reaches 255 of them.
fn jump(length: usize) -> sock_filter {
    instruction(JUMP, 0, 0, u32::try_from(length).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
