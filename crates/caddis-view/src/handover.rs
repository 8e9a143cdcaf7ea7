//! A descriptor that one of our processes hands to another.

use crate::error::{Context, Error, Result};
use rustix::io::{Errno, IoSlice, IoSliceMut, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

/// Where it is given.
#[derive(Debug)]
pub(crate) struct Giver(OwnedFd);

/// Where it is taken.
#[derive(Debug)]
pub(crate) struct Taker(OwnedFd);

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
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let mut into = [IoSliceMut::new(&mut byte)];
        let come =
            retry_on_intr(|| recvmsg(&self.0, &mut into, &mut rights, RecvFlags::CMSG_CLOEXEC));
        let come = come.doing("hear from", || "the caller")?;
        if come.flags.contains(ReturnFlags::CTRUNC) {
            // There was no number left for the descriptor.
            return Err(Errno::MFILE).doing("take a descriptor from", || "the caller");
        }
        let taken = rights.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        let reason = "its process has ended";
        taken.ok_or_else(|| Error::refused("hear from", "the caller", reason))
    }
}
