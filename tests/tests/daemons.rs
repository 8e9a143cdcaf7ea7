//! Daemons: installed by their packages, started by `service`, ended with the last session; their data stay.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild, eventually};
use caddis_tests::{Environments, State, Untouched, strict};

/// A session that installs and starts something, then stays until its input ends.
fn first_session(host: &Host, script: &str) -> HostChild {
    let script = format!("{} >&2; echo up; read -r || true", braced(script));
    let mut session = host
        .caddis("alice", &["root", "bash", "-c", &script])
        .spawn();
    assert_eq!(session.line(), "up");
    session
}

fn braced(script: &str) -> String {
    format!("{{ {}\n}}", strict(script))
}

#[test]
fn postgresql_serves_its_users_until_the_last_session_ends_and_keeps_its_data() {
    let host = Host::start().unwrap();
    // To end in order, the server writes to the disk first.
    host.policy("[session]\nstop_grace = \"60s\"\n");
    let before = host.files();
    let first = first_session(
        &host,
        r#"
        apt-get install -y --no-install-recommends postgresql-15
        # The package makes the cluster and leaves it to the user to start it.
        pg_lsclusters --no-header | grep '15 *main *5432 *down *postgres'
        service postgresql start
        pg_lsclusters --no-header | grep online
        grep -x 'dynamic_shared_memory_type = posix.*' /etc/postgresql/15/main/postgresql.conf
        cd /
        sudo -u postgres createuser --superuser alice
        sudo -u postgres psql -v ON_ERROR_STOP=1 -c 'CREATE TABLE larva (id serial PRIMARY KEY, stone text)' \
            -c "INSERT INTO larva (stone) SELECT 'grain ' || n FROM generate_series(1, 1000) n"
        "#,
    );
    // Over its socket, which knows who asks; and over the host's loopback, as the network is the host's.
    let count = "psql -d postgres -Atc 'SELECT current_user, count(*), max(id) FROM larva'";
    let mut second = host.session("alice", &format!("{count}; read -r; {count}"));
    assert_eq!(second.line(), "alice|1000|1000");
    host.inside("alice", "psql -h localhost -w -c 'SELECT 1'")
        .fails()
        .says("no password supplied");
    host.sh("alice", "test -e /var/run/postgresql").fails();
    host.sh("root", "pgrep -u postgres").fails();

    // The session that started it ends, and the other one still has it.
    first.wait().ok();
    second.send("\n");
    assert_eq!(second.line(), "alice|1000|1000");
    second.wait().ok();
    eventually("the server has ended", || {
        host.count("postgresql/15/main") == 0
    });

    // The next one finds what a power cut leaves, and the server's log brings everything back.
    let third = first_session(&host, "service postgresql start");
    assert_eq!(host.inside("alice", count).ok().text(), "alice|1000|1000");
    // `stop` lets it end in order.
    host.caddis("alice", &["stop"]).run().ok();
    third.wait().exits(143);
    let log = "tail -n 1 /var/log/postgresql/postgresql-15-main.log";
    let last = host.inside_root("alice", log).ok();
    assert!(
        last.text().ends_with("database system is shut down"),
        "{last}"
    );
    host.still_has(&before);
}

#[test]
fn redis_and_nginx_run_side_by_side_and_are_not_the_neighbours() {
    let host = Host::start().unwrap();
    let before = host.files();
    let first = first_session(
        &host,
        r#"
        apt-get install -y --no-install-recommends redis-server nginx-light
        not pgrep redis-server
        sed -i 's/80 default_server/8080 default_server/' /etc/nginx/sites-available/default
        echo 'a page of the environment' > /var/www/html/page.txt
        nginx -t
        service redis-server start
        service nginx start
        # Both go into the background before they have written who they are.
        until service redis-server status; do :; done
        until service nginx status; do :; done
        redis-cli set larva caddis
        redis-cli save
        "#,
    );
    let page = "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://localhost:8080/page.txt\").read().decode())'";
    let ask = format!("redis-cli ping; redis-cli get larva; {page}");
    assert_eq!(
        host.inside("alice", &ask).ok().text(),
        "PONG\ncaddis\na page of the environment"
    );
    // Each under its own user, both the environment's; the network is the host's.
    assert_eq!(
        host.inside(
            "alice",
            "ps -o user= -C redis-server,nginx | sort | uniq | xargs"
        )
        .ok()
        .text(),
        "redis root www-data"
    );
    assert_eq!(
        host.sh("bob", page).ok().text(),
        "a page of the environment"
    );
    host.inside("bob", "ps -o user= -C redis-server,nginx")
        .fails();
    // They can be told apart and ended by their own tools.
    host.inside_root("alice", "service nginx reload && service nginx stop")
        .ok();
    eventually("nginx has ended", || host.count("nginx: ") == 0);
    first.wait().ok();
    eventually("redis has ended", || host.count("redis-server") == 0);

    host.caddis("alice", &["stop"]).run().ok();
    let again = first_session(
        &host,
        "service redis-server start; service nginx start; until redis-cli ping; do :; done",
    );
    assert_eq!(
        host.inside("alice", &ask).ok().text(),
        "PONG\ncaddis\na page of the environment"
    );
    // A port below 1024 is the host's to give.
    host.inside_root(
        "alice",
        "python3 -c 'import socket; socket.socket().bind((\"\", 80))'",
    )
    .fails()
    .says("PermissionError");
    again.wait().ok();
    host.still_has(&before);
}

#[test]
fn a_daemon_started_by_hand_outlives_its_session_while_another_one_runs() {
    let host = Host::start().unwrap();
    let other = first_session(&host, "true");
    host.inside_root("alice", "setsid sleep 98765 & sleep 0")
        .ok();
    host.inside("alice", "nohup sleep 98766 > /dev/null 2>&1 & disown")
        .ok();
    for sleeper in ["^sleep 98765$", "^sleep 98766$"] {
        host.comes_to(sleeper, 1);
    }
    assert_eq!(
        host.inside("alice", "pgrep -a sleep | sort | cut -d' ' -f2-")
            .ok()
            .stdout,
        "sleep 98765\nsleep 98766\n"
    );
    other.wait().ok();
    eventually("both have ended", || host.count("sleep 9876") == 0);
}
