//! A descriptor that one of our processes hands to another.

use crate::ending::wait_for_end;
use crate::error::{Context, Error, Result};
use rustix::io::{Errno, IoSlice, IoSliceMut, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Where it is given.
#[derive(Debug)]
pub(crate) struct Giver(OwnedFd);

/// Where it is taken.
#[derive(Debug)]
pub(crate) struct Taker(OwnedFd);

/// Where descriptors are sent, one for each request.
#[derive(Debug)]
pub(crate) struct Sender(OwnedFd);

/// Where they arrive.
#[derive(Debug)]
pub(crate) struct Receiver(OwnedFd);

/// Both ends.
pub(crate) fn channel() -> Result<(Sender, Receiver)> {
    let flags = SocketFlags::CLOEXEC;
    let (sender, receiver) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .doing("socketpair", || "to a child")?;
    Ok((Sender(sender), Receiver(receiver)))
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Sender {
    /// Sends a descriptor, or why there is none.
    pub(crate) fn send(&self, answer: &std::result::Result<OwnedFd, Errno>) {
        let errno = match answer {
            Ok(_) => 0,
            Err(errno) => errno.raw_os_error(),
        };
        let fds: Vec<_> = answer.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            rights.push(SendAncillaryMessage::ScmRights(&fds));
        }
        let bytes = errno.to_ne_bytes();
        let bytes = [IoSlice::new(&bytes)];
        // Whether the other side still lives, its own end says.
        let _ = retry_on_intr(|| sendmsg(&self.0, &bytes, &mut rights, SendFlags::NOSIGNAL));
    }
}

impl Receiver {
    /// What was sent. `TIMEDOUT`: nothing within `patience`, or the sender has ended.
    pub(crate) fn receive(
        &self,
        patience: Duration,
    ) -> Result<std::result::Result<OwnedFd, Errno>> {
        if !wait_for_end(&self.0, Some(patience))? {
            return Ok(Err(Errno::TIMEDOUT));
        }
        let mut bytes = [0; 4];
        let Some(taken) = take(&self.0, &mut bytes)? else {
            return Ok(Err(Errno::TIMEDOUT));
        };
        Ok(match (taken, i32::from_ne_bytes(bytes)) {
            (Some(file), 0) => Ok(file),
            (_, 0) => Err(Errno::IO),
            (_, errno) => Err(Errno::from_raw_os_error(errno)),
        })
    }
}

/// Takes one message and the descriptor that comes with it; `None`: the other side has ended.
fn take(socket: &OwnedFd, bytes: &mut [u8]) -> Result<Option<Option<OwnedFd>>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(bytes)];
    let come = retry_on_intr(|| recvmsg(socket, &mut into, &mut rights, RecvFlags::CMSG_CLOEXEC));
    let come = come.doing("hear from", || "another process")?;
    if come.flags.contains(ReturnFlags::CTRUNC) {
        // There was no number left for the descriptor.
        return Err(Errno::MFILE).doing("take a descriptor from", || "another process");
    }
    if come.bytes == 0 {
        return Ok(None);
    }
    Ok(Some(rights.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    })))
}

/// Both ends. When the giver is gone, so that nothing will come any more, the taker is told.
pub(crate) fn handover() -> Result<(Giver, Taker)> {
    let flags = SocketFlags::CLOEXEC;
    let (giver, taker) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .doing("socketpair", || "to process 1")?;
    Ok((Giver(giver), Taker(taker)))
}

impl Giver {
    /// Hands `fd` over.
    pub(crate) fn give(self, fd: &OwnedFd) {
        let fds = [fd.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        rights.push(SendAncillaryMessage::ScmRights(&fds));
        let byte = [IoSlice::new(&[0])];
        // Whether the taker still lives, its own end says.
        let _ = retry_on_intr(|| sendmsg(&self.0, &byte, &mut rights, SendFlags::NOSIGNAL));
    }
}

impl Taker {
    /// Waits for it.
    pub(crate) fn take(&self) -> Result<OwnedFd> {
        let taken = take(&self.0, &mut [0])?.flatten();
        let reason = "its process has ended";
        taken.ok_or_else(|| Error::refused("hear from", "the caller", reason))
    }
}
