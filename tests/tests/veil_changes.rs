//! What the veil has to cover is found where it may have changed, without a look at everything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::strict;

/// Refreshes, and returns what the newest veil covers.
fn covered(host: &Host, options: &str) -> String {
    let list = "cat $(ls /var/lib/caddis/veil/*.list | sort -V | tail -n 1)";
    let script = format!("caddis admin refresh --quiet {options} && {list}");
    host.sh("root", &script).ok().stdout
}

/// How many system calls a refresh makes.
fn calls(host: &Host) -> u64 {
    let script = "strace -f -o /srv/trace /usr/local/libexec/caddis/caddis-admin refresh > /dev/null; \
                  grep -vc -e futex -e munmap -e madvise -e mprotect /srv/trace";
    host.sh("root", script).ok().text().parse().unwrap()
}

#[test]
fn the_cost_of_a_refresh_does_not_follow_the_number_of_files() {
    let host = Host::start().unwrap();
    // A first one after the installation may have something to do.
    calls(&host);
    calls(&host);
    let few = calls(&host);
    // A million names; not a million inodes, for which there is no room.
    let script = "import os
for place in '/usr/share/many', '/var/lib/many':
    os.mkdir(place)
    for number in range(500):
        directory = f'{place}/{number}'
        os.mkdir(directory)
        file = f'{directory}/file'
        open(file, 'w').close()
        for name in range(999):
            os.link(file, f'{directory}/{name}')";
    host.command("root", &["python3", "-"])
        .stdin(script)
        .run()
        .ok();
    // The first one looks at what is new in one of the places; so may the second, at what is as old as the first.
    let first = calls(&host);
    calls(&host);
    let many = calls(&host);
    // Threads come and go as they please, so a few calls more or less mean nothing.
    assert!(many.abs_diff(few) < 50, "{few}, {first}, {many}");
    assert!(few > 100 && first > 10_000, "{few}, {first}, {many}");
}

#[test]
fn files_of_new_packages_are_found_wherever_they_are() {
    let host = Host::start().unwrap();
    let build = strict(
        "mkdir -p /srv/p/DEBIAN /srv/p/usr/share/deep/er /srv/p/etc/deb-tool /srv/p/lib/deb-tool
         install -m 600 /dev/null /srv/p/usr/share/deep/er/secret
         install -m 640 /dev/null /srv/p/lib/deb-tool/key
         printf 'Package: deb-tool\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@x>\\nDescription: x\\n' > /srv/p/DEBIAN/control
         printf '#!/bin/sh\\ninstall -m 600 /dev/null /etc/deb-tool/made-by-script\\n' > /srv/p/DEBIAN/postinst
         chmod 755 /srv/p/DEBIAN/postinst
         dpkg-deb -b /srv/p /srv/p.deb",
    );
    host.sh("root", &build).ok();
    host.sh("root", "dpkg -i /srv/p.deb").ok();
    let list = covered(&host, "");
    for path in [
        "/usr/share/deep/er/secret",
        "/usr/lib/deb-tool/key",
        "/etc/deb-tool/made-by-script",
    ] {
        assert!(list.contains(&format!("\"{path}\" 0 0")), "{path}: {list}");
    }
    host.sh("root", "dpkg --purge deb-tool").ok();
    let list = covered(&host, "");
    assert!(
        !list.contains("deep") && !list.contains("/usr/lib/deb-tool"),
        "{list}"
    );
}

#[test]
fn files_of_new_packages_of_rpms_are_found_as_well() {
    let host = Host::start().unwrap();
    let build = strict(
        "mkdir -p /srv/rpm /etc/rpm && cd /srv/rpm
         echo '%_dbpath /var/lib/rpm' > /etc/rpm/macros
         cat > lab-rpm.spec <<'END'
Name: lab-rpm
Version: 1.0
Release: 1
Summary: A package of the lab's
License: MIT
BuildArch: noarch
%description
A package of the lab's.
%install
mkdir -p %{buildroot}/usr/share/lab-rpm/deep
echo x > %{buildroot}/usr/share/lab-rpm/deep/secret
%files
%attr(0600, root, root) /usr/share/lab-rpm/deep/secret
END
         HOME=/srv/rpm rpmbuild --quiet -bb --define '_topdir /srv/rpm/top' lab-rpm.spec",
    );
    host.sh("root", &build).ok();
    covered(&host, "");
    host.sh(
        "root",
        "rpm --install --nodeps /srv/rpm/top/RPMS/noarch/*.rpm",
    )
    .ok();
    let list = covered(&host, "");
    assert!(
        list.contains("\"/usr/share/lab-rpm/deep/secret\" 0 0 600 whiteout"),
        "{list}"
    );
    host.sh("root", "rpm --erase lab-rpm").ok();
    assert!(!covered(&host, "").contains("lab-rpm"));
    // One that does not answer is no reason to miss anything.
    host.sh("root", "mkdir -p /usr/share/by-hand/deep; install -m 600 /dev/null /usr/share/by-hand/deep/secret; \
                     chmod -x /usr/bin/rpm; touch /var/lib/rpm/rpmdb.sqlite")
        .ok();
    assert!(covered(&host, "").contains("/usr/share/by-hand/deep/secret"));
}

#[test]
fn what_was_done_by_hand_in_a_far_place_takes_a_full_look() {
    let host = Host::start().unwrap();
    host.sh("root", "mkdir -p /usr/share/far/away; sleep 0.1; caddis admin refresh; install -m 600 /dev/null /usr/share/far/away/secret")
        .ok();
    assert!(!covered(&host, "").contains("far"));
    assert!(covered(&host, "--full").contains("/usr/share/far/away/secret"));
    // What is covered is looked at each time.
    host.sh("root", "chmod 644 /usr/share/far/away/secret").ok();
    assert!(!covered(&host, "").contains("far"));
}

#[test]
fn other_groups_another_policy_or_another_clock_take_a_full_look() {
    let host = Host::start().unwrap();
    let secret =
        "mkdir -p /usr/share/far/away; install -m 640 -g adm /dev/null /usr/share/far/away/log";
    host.sh("root", secret).ok();
    assert!(covered(&host, "--full").contains("/usr/share/far/away/log"));
    // Of use to somebody, then no longer.
    host.sh("root", "gpasswd -a alice adm").ok();
    assert!(!covered(&host, "").contains("far"));
    host.sh("root", "gpasswd -d alice adm").ok();
    assert!(covered(&host, "").contains("/usr/share/far/away/log"));
    host.write(
        "/etc/caddis/policy.toml",
        "[view]\nprivate = [\"/home\", \"/usr/share/far\"]\n",
        0o644,
    );
    assert!(!covered(&host, "").contains("far"));
    host.write("/etc/caddis/policy.toml", "", 0o644);
    assert!(covered(&host, "").contains("/usr/share/far/away/log"));
    // The last look seems to be yet to come; or what is known of it is damaged.
    host.sh("root", "mkdir -p /usr/share/other/place").ok();
    // (What has changed at the very moment of a look is looked at again.)
    for damage in [
        "touch -d '1 year' /var/lib/caddis/veil/basis",
        "echo x >> /var/lib/caddis/veil/basis",
    ] {
        host.sh("root", "rm -f /usr/share/other/place/new; sleep 0.1; caddis admin refresh; install -m 600 /dev/null /usr/share/other/place/new").ok();
        assert!(!covered(&host, "").contains("place/new"));
        host.sh("root", damage).ok();
        assert!(covered(&host, "").contains("place/new"), "{damage}");
    }
}
