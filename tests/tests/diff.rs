//! What `caddis diff` says was changed in an environment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::Environments;

#[test]
fn probe() {
    let host = Host::start().unwrap();
    host.sh("root", "mkdir -p /opt/d/sub /opt/gone /opt/move/deep /opt/opq/x; cd /opt/d; echo one > f; echo two > sub/g; ln -s f l; echo x > /opt/gone/x; echo y > /opt/move/deep/y; echo z > /opt/move/z; echo 1 > /opt/opq/a; echo 2 > /opt/opq/b; echo t > /opt/d/t; setfacl -m u:alice:rw /opt/d/sub/g; echo s > /opt/d/sh")
        .ok();
    host.inside_root("alice", "cd /opt; echo more >> d/f; chmod 600 d/sub/g; rm d/l; ln -s g d/l; rm -r gone; mv move moved; echo zz > moved/z; rm -r opq; mkdir opq; echo 2 > opq/b; echo n > opq/n; rm d/t; mkdir d/t; touch d/t/in; mkdir -p /new/dir; printf 'odd' > $'/new/dir/a\\n\\xff'; mv moved/deep /new/; touch d/sh; rm -r /home/* ; id > /etc/hostname; mv /srv/proj /srv/proj2; mv /srv/proj2 /srv/proj; echo own > /opt/d/sh").ok();
    host.sh("root", "sleep 0.1; echo later > /opt/d/sh").ok();
    for form in [
        &["diff"][..],
        &["diff", "--json"],
        &["diff", "--patch"],
        &["diff", "--stat"],
        &["diff", "--name-only"],
        &["diff", "/opt/opq", "/new/dir", "/opt/gone/x"],
    ] {
        println!("{}", host.caddis("alice", form).run());
    }
    println!("{}", host.sh("root", "caddis diff --user alice /opt; cd /var/lib/caddis/env/1000/default; find @ -printf '%M %u:%g %p %l\n'; getfattr -dR -m - -e text .").stdout);
}
