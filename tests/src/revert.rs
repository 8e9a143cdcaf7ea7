//! Something to give up: a base, and the user's changes of it.

use crate::Environments;
use caddis_lab::{Host, HostChild, Output};

/// What of the base the tests change.
const BASE: &str = "set -e; mkdir -p /opt/d/dir/deep /opt/d/gone/sub /opt/d/kind; cd /opt/d; echo base > file
    echo one > dir/one; echo two > dir/two; echo deep > dir/deep/file; ln -s file link; echo gone > gone/file
    echo gone > gone/sub/file; echo kind > kind/file; printf '#!/bin/sh\\necho base\\n' > exec; chmod 4755 exec
    chown alice dir/two; chmod 2750 dir/deep; chgrp proj dir/deep; touch -d 2001-02-03 file; truncate -s 1M sparse";

/// All of `/opt/d` as it is seen: type, mode, owner, name, link, content.
const LOOK: &str = "cd /opt/d && find . -printf '%y %m %U:%G %p %l\\n' | sort; \
    find . -type f | sort | while read -r f; do echo \"$f $(md5sum < $f)\"; done";

/// A host with a base to change, and alice's environment.
#[derive(Debug)]
pub struct Scene {
    /// The host.
    pub host: Host,
    session: Option<HostChild>,
}

impl Scene {
    /// Starts the host and, if it is to be `running`, a session that stays.
    #[must_use]
    pub fn new(running: bool) -> Scene {
        let host = Host::start().unwrap_or_else(|error| panic!("{error}"));
        host.sh("root", BASE).ok();
        let session = running.then(|| {
            let mut session = host.session("alice", "echo ready; read -r end");
            session.until("ready");
            session
        });
        Scene { host, session }
    }

    /// Changes by the environment's root. Without a session, its instance ends.
    pub fn change(&self, script: &str) {
        self.host
            .inside_root("alice", &format!("set -e; cd /opt/d; {script}"))
            .ok();
        if self.session.is_none() {
            self.host.sh("alice", "caddis stop").ok();
        }
    }

    /// `caddis revert` without anybody to ask.
    #[must_use]
    pub fn revert(&self, arguments: &str) -> Output {
        self.host
            .sh("alice", &format!("caddis revert {arguments} < /dev/null"))
    }

    /// What alice's environment has in `/opt/d`.
    #[must_use]
    pub fn look(&self) -> String {
        let look = self.host.inside_root("alice", LOOK).ok().stdout;
        if self.session.is_none() {
            self.host.sh("alice", "caddis stop").ok();
        }
        look
    }

    /// The environment shows what the base has.
    #[track_caller]
    pub fn is_the_base(&self, what: &str) {
        assert_eq!(self.look(), self.base(), "{what}");
    }

    /// What the host has there.
    #[must_use]
    pub fn base(&self) -> String {
        self.host.sh("root", LOOK).ok().stdout
    }
}
