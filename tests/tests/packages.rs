//! Package managers work as on a machine of one's own, and the host keeps its packages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host, RootKind};
use caddis_tests::{Environments, Untouched, strict};

#[test]
fn packages_installed_by_sudo_by_caddis_root_and_by_dpkg_are_the_environments_only() {
    let host = Host::start().unwrap();
    let before = host.files();
    host.inside(
        "alice",
        "sudo apt-get update && sudo apt-get install -y cowsay",
    )
    .ok();
    host.inside_root("alice", "apt-get update && apt-get install -y hello tree")
        .ok();
    host.inside(
        "alice",
        "cp /srv/repo/bc_*.deb . && sudo dpkg -i ./bc_*.deb",
    )
    .ok();
    let uses = "set -e; dpkg -s cowsay hello tree bc > /dev/null; cd /usr/share/doc/bc; \
                /usr/games/cowsay hi | grep -q '< hi >'; tree --version > /dev/null; hello; echo 6*7 | bc";
    assert_eq!(
        host.inside("alice", uses).ok().stdout,
        "Hello, world!\n42\n"
    );
    let healthy = host
        .inside_root("alice", "dpkg --audit && apt-get -qq check")
        .ok();
    assert_eq!(healthy.text(), "");

    let absent = "! command -v hello tree bc && ! test -e /usr/games/cowsay && ! dpkg -s hello";
    host.inside("bob", absent).ok();
    host.sh("alice", absent).ok();
    host.still_has(&before);
}

#[test]
fn an_upgrade_runs_scripts_renames_directories_and_keeps_a_changed_conffile() {
    let host = Host::start().unwrap();
    let before = host.files();
    let script = r#"
        test "$(lab-tool)" = "lab-tool 1.0"
        echo greeting=mine > /etc/lab-tool/lab-tool.conf
        apt-get upgrade -y -o Dpkg::Options::=--force-confold
        apt-get install -y lab-service
        test "$(lab-tool)" = "lab-tool 2.0"
        test "$(cat /etc/lab-tool/lab-tool.conf)" = greeting=mine
        test "$(cat /etc/lab-tool/lab-tool.conf.dpkg-dist)" = "greeting=hello from 2.0"
        test "$(ls /usr/share/lab-tool)" = new
        # Its scripts have made a user, a directory of that user's, an alternative and links to the init script.
        test "$(stat -c '%U:%G %a' /var/lib/lab-service)" = "lab-service:lab-service 750"
        test "$(runuser -u lab-service lab-hello)" = "lab-service as lab-service"
        ls /etc/rc2.d/S*lab-service
        service lab-service start
        service lab-service status
        # Said to be started before it is executed.
        until pgrep -u lab-service sleep; do :; done
        service lab-service stop
        not service lab-service status

        apt-get remove -y lab-service
        not command -v lab-service lab-hello
        id lab-service
        test -d /var/lib/lab-service
        apt-get purge -y lab-service
        not id lab-service
        not test -e /var/lib/lab-service
        test -z "$(find /etc/rc*.d -name '*lab-service')"

        # Back to what the base has, which is whole again.
        apt-get install -y --allow-downgrades -o Dpkg::Options::=--force-confnew lab-tool=1.0
        test "$(lab-tool) $(ls /usr/share/lab-tool)" = "lab-tool 1.0 old"
        test "$(cat /etc/lab-tool/lab-tool.conf)" = "greeting=hello from 1.0"
        test -z "$(dpkg -V lab-tool)"
        apt-get purge -y lab-tool
        not test -e /etc/lab-tool
        not test -e /usr/share/lab-tool
        not dpkg -s lab-tool
        apt-get install -y lab-tool
        test "$(cat /etc/lab-tool/lab-tool.conf) $(ls /usr/share/lab-tool)" = "greeting=hello from 2.0 new"
        dpkg --audit > /root/audit
        not test -s /root/audit
        apt-get check
    "#;
    host.inside_root("alice", &strict(script)).ok();
    assert_eq!(
        host.inside("bob", "lab-tool; ls /usr/share/lab-tool")
            .ok()
            .stdout,
        "lab-tool 1.0\nold\n"
    );
    host.still_has(&before);
}

/// Host keys, `sudoers`, apt's locked directories: the user cannot read them on the host.
#[test]
fn packages_of_the_base_whose_files_are_out_of_reach_can_be_reinstalled() {
    let host = Host::start().unwrap();
    let before = host.files();
    let key = "/etc/ssh/ssh_host_ed25519_key";
    host.inside_root("alice", &format!("test -e {key}")).fails();
    let script = r#"
        apt-get install -y --reinstall apt mount openssh-server passwd rsyslog sudo
        dpkg --audit > /root/audit
        not test -s /root/audit
        test "$(stat -c '%U %a' /usr/bin/sudo /usr/bin/passwd /usr/bin/mount | sort -u)" = "root 4755"
        test "$(ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key | cut -d' ' -f1,2)" = \
             "$(cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub)"
    "#;
    host.inside_root("alice", &strict(script)).ok();
    assert_eq!(host.inside("alice", "sudo id -u").ok().text(), "0");
    // The key is the environment's own.
    let own = host.inside("alice", &format!("cat {key}.pub")).ok().stdout;
    assert_ne!(own, host.read_text(&format!("{key}.pub")));
    assert_eq!(
        host.inside("bob", &format!("cat {key}.pub")).ok().stdout,
        host.read_text(&format!("{key}.pub"))
    );
    host.still_has(&before);
}

#[test]
fn any_local_file_system_can_be_the_base() {
    for kind in [FileSystem::Xfs, FileSystem::Btrfs] {
        let host = Host::builder().root(RootKind::Local(kind)).start().unwrap();
        let script = r#"
            apt-get install -y cowsay lab-tool
            /usr/games/cowsay hi
            test "$(lab-tool) $(ls /usr/share/lab-tool)" = "lab-tool 2.0 new"
            find / -xdev > /root/found
            test "$(stat -c %d / /etc/passwd /root/found /usr/bin/lab-tool | sort -u | wc -l)" = 1
        "#;
        host.inside_root("alice", &strict(script)).ok();
        assert_eq!(host.sh("alice", "lab-tool").ok().text(), "lab-tool 1.0");
    }
}

/// A directory of the base that the user moved is no obstacle to a package that has files in it.
#[test]
fn a_package_follows_its_moved_directory() {
    let host = Host::start().unwrap();
    let script = r#"
        mv /usr/share/doc /opt/doc
        ln -s /opt/doc /usr/share/doc
        apt-get install -y hello
        test -e /opt/doc/hello/copyright
        test -e /opt/doc/bash/copyright
        apt-get purge -y hello
        not test -e /opt/doc/hello
        test -z "$(dpkg -V bash)"
    "#;
    host.inside_root("alice", &strict(script)).ok();
    host.sh("root", "test -d /usr/share/doc/bash && ! test -e /opt/doc")
        .ok();
}

#[test]
fn rpm_builds_installs_verifies_and_erases() {
    let host = Host::start().unwrap();
    let before = host.files();
    let script = r#"
        mkdir /root/rpm && cd /root/rpm
        cat > lab-rpm.spec <<'END'
Name: lab-rpm
Version: 1.0
Release: 1
Summary: Says its version
License: MIT
BuildArch: noarch
AutoReqProv: no
%description
Says its version.
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/share/lab-rpm %{buildroot}/etc
printf '#!/bin/sh\necho lab-rpm 1.0\n' > %{buildroot}/usr/bin/lab-rpm
chmod 755 %{buildroot}/usr/bin/lab-rpm
echo data > %{buildroot}/usr/share/lab-rpm/data
echo a=1 > %{buildroot}/etc/lab-rpm.conf
%post -p <lua>
posix.chown("/usr/share/lab-rpm", "games", "games")
%files
/usr/bin/lab-rpm
%dir /usr/share/lab-rpm
%attr(640,games,mail) /usr/share/lab-rpm/data
%config(noreplace) /etc/lab-rpm.conf
END
        rpmbuild --quiet --define '_topdir /root/rpm/top' -bb lab-rpm.spec
        rpm --initdb
        rpm -i --nodeps top/RPMS/noarch/lab-rpm-1.0-1.noarch.rpm
        test "$(rpm -qa)" = lab-rpm-1.0-1.noarch
        test "$(lab-rpm)" = "lab-rpm 1.0"
        test "$(stat -c '%U:%G %a' /usr/share/lab-rpm/data)" = "games:mail 640"
        test "$(stat -c '%U:%G' /usr/share/lab-rpm)" = games:games
        rpm -V --nouser --nogroup lab-rpm
        rpm -U --nodeps --replacepkgs top/RPMS/noarch/lab-rpm-1.0-1.noarch.rpm
        rpm -e lab-rpm
        test -z "$(rpm -qa)"
        not test -e /usr/share/lab-rpm
    "#;
    host.inside_root("alice", &strict(script)).ok();
    host.still_has(&before);
}

#[test]
fn pip_installs_into_the_system_and_into_a_virtual_environment() {
    let host = Host::start().unwrap();
    let before = host.files();
    let install = "install --no-index --find-links /srv/wheels";
    host.inside_root(
        "alice",
        &format!("pip {install} --break-system-packages lab-wheel"),
    )
    .ok();
    assert_eq!(
        host.inside("alice", "command -v lab-wheel; lab-wheel")
            .ok()
            .stdout,
        "/usr/local/bin/lab-wheel\nhello from the wheel\n"
    );
    host.inside("bob", "lab-wheel").exits(127);
    // One in the home directory, and one where only the environment's root can write.
    let place = format!(
        "set -e; python3 -m venv --without-pip $0; pip --python $0/bin/python {install} lab-wheel; \
         $0/bin/lab-wheel"
    );
    for command in ["run", "root"] {
        let directory = if command == "run" {
            "/home/alice/venv"
        } else {
            "/opt/venv"
        };
        let arguments = [command, "bash", "-c", &place, directory];
        let output = host.caddis("alice", &arguments).run().ok();
        assert!(output.text().ends_with("hello from the wheel"), "{output}");
    }
    host.inside_root(
        "alice",
        "pip uninstall -y --break-system-packages lab-wheel && ! command -v lab-wheel",
    )
    .ok();
    host.still_has(&before);
}
