//! Netlink: the kernel's protocol for links, routes and packet rules (`netlink(7)`).
//!
//! Synchronous and small: every conversation takes microseconds, and some have to happen on threads
//! of their own that live in another namespace. (The asynchronous crates for this bring tasks and a
//! dozen dependencies, know no nftables, and took 14 ms for a pod link.)

pub(crate) mod conntrack;
pub(crate) mod message;
pub(crate) mod route;

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::sys::{
    socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
        socket, sockopt,
    },
    time::TimeVal,
};

pub(crate) use message::Message;

/// A lost answer must not hang a thread; the kernel answers at once.
const PATIENCE_SECONDS: i64 = 10;

/// Answers come in parts of at most 32 KiB (`NLMSG_GOODSIZE` and what dumps use).
const BUFFER_BYTES: usize = 64 << 10;

/// A conversation with one part of the kernel, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

/// What the kernel said to one message of a transaction.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The message's place in the transaction.
    pub(crate) index: usize,
    pub(crate) error: io::Error,
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}

impl Socket {
    pub(crate) fn open(protocol: SockProtocol) -> io::Result<Self> {
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::new(PATIENCE_SECONDS, 0))?;
        Ok(Self { fd, sequence: 0, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Makes a second handle to the same conversation, for one at a time to use.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { fd: self.fd.try_clone()?, sequence: self.sequence, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Lets a larger transaction pass at once, where allowed (root only).
    pub(crate) fn try_send_buffer(&self, bytes: usize) {
        setsockopt(&self.fd, sockopt::SndBufForce, &bytes).ok();
    }

    /// Sends messages in one go and waits for the answer to each that asks for one. The kernel works
    /// through all of them even if one is refused; the first refusal is returned.
    pub(crate) fn transact(&mut self, messages: &[Message]) -> Result<(), Refused> {
        let fail = |error: io::Error| Refused { index: 0, error };
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::with_capacity(messages.iter().map(Message::len).sum());
        let mut awaited = 0_usize;
        for message in messages {
            self.sequence = self.sequence.wrapping_add(1);
            message.write(self.sequence, &mut bytes);
            awaited += usize::from(message.wants_answer());
        }
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty()).map_err(|e| fail(e.into()))?;
        let mut refused: Option<Refused> = None;
        while awaited > 0 {
            let length =
                recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::empty()).map_err(|e| fail(e.into()))?;
            for answer in message::parse(&self.buffer[..length]) {
                let index = answer.sequence.wrapping_sub(first) as usize;
                let Some(sent) = messages.get(index) else { continue };
                let Some(code) = answer.error_code() else { continue };
                // A refusal comes even for a message that asked for no answer.
                awaited -= usize::from(sent.wants_answer());
                if code != 0 && refused.as_ref().is_none_or(|earlier| index < earlier.index) {
                    refused = Some(Refused { index, error: io::Error::from_raw_os_error(-code) });
                }
                if code != 0 && !sent.wants_answer() {
                    return Err(refused.unwrap_or(Refused { index, error: io::ErrorKind::Other.into() }));
                }
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Sends one message and hands each part of the answer to `each`.
    pub(crate) fn dump(&mut self, message: &Message, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut bytes = Vec::with_capacity(message.len());
        message.write(self.sequence, &mut bytes);
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty())?;
        loop {
            let length = recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
            for answer in message::parse(&self.buffer[..length]) {
                if answer.sequence != self.sequence {
                    continue;
                }
                if let Some(code) = answer.error_code() {
                    return if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-code)) };
                }
                if answer.is_done() {
                    return Ok(());
                }
                each(answer.body);
                if !answer.is_part() {
                    return Ok(());
                }
            }
        }
    }
}
