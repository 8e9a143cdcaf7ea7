//! Bytes on their way from one terminal to the other.

use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read, write};

/// Large enough that a flood of output is not a flood of system calls.
const SIZE: usize = 32 * 1024;

/// What became of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Something was transferred, or something came between.
    More,
    /// Nothing to transfer at the moment.
    Blocked,
    /// The other side is gone.
    Closed,
}

/// A buffer that is filled when it is empty, and emptied before it is filled again.
#[derive(Debug)]
pub struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self {
            bytes: vec![0; SIZE].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    /// Whether everything has been passed on.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Reads once.
    pub fn fill(&mut self, from: impl AsFd) -> Flow {
        match read(from, &mut self.bytes[..]) {
            Ok(0) => Flow::Closed,
            Ok(count) => {
                (self.start, self.end) = (0, count);
                Flow::More
            }
            Err(error) => flow(error),
        }
    }

    /// Writes once.
    pub fn drain(&mut self, to: impl AsFd) -> Flow {
        match write(to, &self.bytes[self.start..self.end]) {
            Ok(count) => {
                self.start += count;
                Flow::More
            }
            Err(error) => flow(error),
        }
    }

    /// Writes everything, waiting as long as that takes. The descriptor may be in non-blocking mode: it is shared with
    /// other programs, so this one can neither know nor change that.
    pub fn drain_all(&mut self, to: impl AsFd) -> Flow {
        while !self.is_empty() {
            match self.drain(&to) {
                Flow::More => {}
                Flow::Closed => return Flow::Closed,
                Flow::Blocked => {
                    // An interruption only means another try.
                    let _ = poll(&mut [PollFd::new(&to, PollFlags::OUT)], None);
                }
            }
        }
        Flow::More
    }

    /// Forgets what is left.
    pub fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }
}

fn flow(error: Errno) -> Flow {
    match error {
        Errno::INTR => Flow::More,
        Errno::AGAIN => Flow::Blocked,
        // A terminal that was hung up says EIO.
        _ => Flow::Closed,
    }
}
