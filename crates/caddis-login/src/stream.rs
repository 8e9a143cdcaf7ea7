//! One connection through a relay: bytes both ways, the end of each way passed on, and no more kept than a buffer.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

/// How much is kept on each way.
const SIZE: usize = 1 << 14;

/// How much is done for one connection before the others have their turn.
const ROUNDS: usize = 16;

/// Two sockets that are one. (Descriptors that are sent along stay behind; agents send none.)
#[derive(Debug)]
pub struct Stream {
    inner: OwnedFd,
    outer: OwnedFd,
    out: Way,
    back: Way,
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    /// What has been read, and how much of that has been written.
    buffer: Vec<u8>,
    written: usize,
    /// There is nothing more to read, and the other side knows.
    ended: bool,
}

impl Stream {
    /// Of two connected sockets.
    pub fn new(inner: OwnedFd, outer: OwnedFd) -> Self {
        Self {
            inner,
            outer,
            out: Way::default(),
            back: Way::default(),
        }
    }

    /// Adds what it waits for. A socket of which nothing is wanted is left out: it may have been hung up, and poll(2)
    /// would say so for ever.
    pub fn wait_for<'a>(&'a self, polled: &mut Vec<PollFd<'a>>) {
        for (socket, incoming, outgoing) in [
            (&self.inner, &self.out, &self.back),
            (&self.outer, &self.back, &self.out),
        ] {
            let mut events = PollFlags::empty();
            events.set(PollFlags::IN, !incoming.ended && incoming.is_empty());
            events.set(PollFlags::OUT, !outgoing.is_empty());
            if !events.is_empty() {
                polled.push(PollFd::new(socket, events));
            }
        }
    }

    /// Does what can be done without waiting. Returns whether there is more to come.
    pub fn go_on(&mut self) -> bool {
        let out = self.out.go_on(&self.inner, &self.outer);
        let back = self.back.go_on(&self.outer, &self.inner);
        out.and(back).is_ok() && !(self.out.ended && self.back.ended)
    }
}

impl Way {
    fn is_empty(&self) -> bool {
        self.written == self.buffer.len()
    }

    fn go_on(&mut self, from: &OwnedFd, to: &OwnedFd) -> Result<(), Errno> {
        for _ in 0..ROUNDS {
            if self.ended {
                return Ok(());
            }
            match self.step(from, to) {
                Ok(()) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn step(&mut self, from: &OwnedFd, to: &OwnedFd) -> Result<(), Errno> {
        if self.is_empty() {
            self.written = 0;
            self.buffer.resize(SIZE, 0);
            let read = recv(from, self.buffer.as_mut_slice(), RecvFlags::DONTWAIT);
            self.buffer.truncate(read.map_or(0, |(length, _)| length));
            if read?.0 == 0 {
                self.ended = true;
                shutdown(to, Shutdown::Write)?;
            }
            return Ok(());
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        self.written += send(to, &self.buffer[self.written..], flags)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use proptest::prelude::*;
    use rustix::event::poll;

    use super::*;

    fn relayed() -> (UnixStream, UnixStream, Stream) {
        let ((client, inner), (outer, server)) =
            (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        (client, server, Stream::new(inner.into(), outer.into()))
    }

    /// As the relay does it.
    fn until_the_end(mut stream: Stream) {
        while stream.go_on() {
            let mut polled = Vec::new();
            stream.wait_for(&mut polled);
            assert!(!polled.is_empty(), "it would wait for ever");
            poll(&mut polled, None).unwrap();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// The server answers everything backwards, and only once the client has said that there is no more.
        #[test]
        fn all_that_is_sent_arrives(length in 0usize..500_000, seed: u8) {
            let (mut client, mut server, stream) = relayed();
            let sent: Vec<u8> = (0..length).map(|at| (at as u8) ^ seed).collect();
            let relay = std::thread::spawn(move || until_the_end(stream));
            let answering = std::thread::spawn(move || {
                let mut got = Vec::new();
                server.read_to_end(&mut got).unwrap();
                got.reverse();
                server.write_all(&got).unwrap();
            });
            client.write_all(&sent).unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let mut got = Vec::new();
            client.read_to_end(&mut got).unwrap();
            got.reverse();
            prop_assert!(got == sent);
            answering.join().unwrap();
            relay.join().unwrap();
        }
    }

    #[test]
    fn no_more_is_kept_than_two_buffers_hold() {
        let (client, _server, mut stream) = relayed();
        client.set_nonblocking(true).unwrap();
        // Nobody reads at the other end.
        while (&client).write(&[0; 4096]).is_ok() {
            assert!(stream.go_on());
        }
        assert!(stream.out.buffer.capacity() <= SIZE);
    }

    #[test]
    fn who_goes_away_ends_it() {
        let (client, server, mut stream) = relayed();
        assert!(stream.go_on());
        drop(client);
        assert!(stream.go_on(), "the server has still to be heard");
        drop(server);
        assert!(!stream.go_on());
    }
}
