//! A terminal with somebody before it, for commands that want one.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::pty::{Winsize, openpty};

use crate::support::{PATIENCE, Running};

/// What stood on the terminal, and how the command ended.
#[derive(Debug)]
pub struct Seen {
    pub status: i32,
    pub text: String,
}

/// Runs a command on a terminal of so many rows and columns. `script` says what is typed once what shows.
pub fn run(mut command: Command, (rows, columns): (u16, u16), script: &[(&str, &str)]) -> Seen {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(&size, None).unwrap();
    let end = |end: &OwnedFd| Stdio::from(end.try_clone().unwrap());
    command.stdin(end(&pty.slave)).stdout(end(&pty.slave)).stderr(end(&pty.slave));
    let mut child = Running(command.spawn().unwrap());
    // The command's own copies are the last: the terminal ends with the command.
    drop(command);
    drop(pty.slave);
    let mut hands = std::fs::File::from(pty.master.try_clone().unwrap());
    let mut eyes = std::fs::File::from(pty.master);
    let (sender, shown) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = eyes.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    let (mut bytes, mut from) = (Vec::new(), 0);
    let mut script = script.iter();
    let mut next = script.next();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((awaited, typed)) = next
            && let Some(at) = text[from..].find(awaited)
        {
            from += at + awaited.len();
            hands.write_all(typed.as_bytes()).unwrap();
            next = script.next();
            continue;
        }
        match shown.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(more) => bytes.extend(more),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("{next:?} does not come: {text}"),
        }
    }
    let status = child.0.wait().unwrap().code().unwrap_or(-1);
    Seen { status, text: String::from_utf8_lossy(&bytes).into_owned() }
}
