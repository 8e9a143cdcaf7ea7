//! What is on a terminal.

use caddis_lab::{Host, Pty, eventually};

/// Waits until a command of this name is in the foreground of its terminal: what is typed from here on is for it.
pub fn in_foreground(host: &Host, name: &str) {
    eventually("it is in the foreground", || {
        let stat = host.sh("root", &format!("ps -o stat= -C {name}"));
        stat.text().contains('+')
    });
}

/// A command on the terminal is told of its new size (SIGWINCH): the test ends here unless it is. For a shell at its prompt.
pub fn commands_are_told_of_the_size(pty: &mut Pty) {
    pty.send("python3 -c 'import os, signal; signal.pthread_sigmask(0, [28]); print(\"u\" + \"p\", flush=True); \
              signal.sigwait([28]); print(*os.get_terminal_size())'\n");
    pty.expect("up\r\n");
    pty.resize(40, 100);
    pty.expect("100 40\r\n");
}

/// A command is stopped by Ctrl-Z, goes on in the foreground, and is ended by Ctrl-C. For a shell at its prompt, with job
/// control.
pub fn stopped_and_continued(host: &Host, pty: &mut Pty) {
    pty.send("sleep infinity\n");
    in_foreground(host, "sleep");
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.send("jobs; fg\n");
    pty.expect("Stopped");
    in_foreground(host, "sleep");
    pty.send("\x03");
}
