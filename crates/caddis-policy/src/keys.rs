//! Every key of the policy file: its table, its name, and how its value is read.

use std::path::PathBuf;

use crate::ids::{RANGE, fits};
use crate::nearest::nearest;
use crate::path::{self, PathError};
use crate::value::{Check, Fault, Read, Value};
use crate::{Capability, Devices, Limits, Policy, Preferred, Storage, duration, view};

/// A key that may stand in the file.
pub(crate) struct Key {
    pub(crate) table: &'static str,
    pub(crate) name: &'static str,
    /// Puts what can be read of the value into the policy, and says what is wrong with the rest.
    pub(crate) set: fn(&mut Policy, Value<'_>) -> Vec<Fault>,
}

/// One row per key: the name in the file is the name of the field.
macro_rules! keys {
    ($($table:ident.$name:ident = $read:expr;)*) => {
        /// All keys, table by table.
        pub(crate) const KEYS: &[Key] = &[$(Key {
            table: stringify!($table),
            name: stringify!($name),
            set: |policy, value| {
                let read: fn(Value<'_>) -> Read<_> = $read;
                let Read { value, faults } = read(value);
                if let Some(value) = value {
                    policy.$table.$name = value;
                }
                faults
            },
        }),*];
    };
}

keys! {
    access.min_uid = |v| v.number(1, HIGHEST_ID);
    access.users = |v| v.list(USER, account);
    access.groups = |v| v.list(USER, account);
    access.deny_users = |v| v.list(USER, account);
    access.deny_groups = |v| v.list(USER, account);
    ids.start = |v| v.number(RANGE, LAST_START);
    ids.first_uid = |v| v.number(1, HIGHEST_ID);
    ids.subuid = |v| v.switch();
    storage.state = |v| v.text(PLACE, place);
    storage.environments = |v| v.number(1, u32::MAX);
    storage.memory = |v| v.text(SIZE, size);
    session.background = |v| v.text(duration::ALLOWED, length_of_time);
    session.keep = |v| v.list(PROCESS, process);
    session.linger = |v| v.text(duration::ALLOWED, length_of_time);
    session.stop_grace = |v| v.text(duration::ALLOWED, length_of_time);
    limits.processes = |v| v.number(0, Limits::MOST);
    login.environment = |v| v.text(PREFERRED, preferred);
    login.bypass_groups = |v| v.list(GROUP, group);
    login.host = |v| v.switch();
    login.shell = |v| v.text(SHELL, shell);
    login.background = |v| v.text(duration::ALLOWED, length_of_time);
    view.private = |v| v.list(PLACE, place);
    view.memory = |v| v.list(PLACE, place);
    view.hidden = |v| v.list(PLACE, place);
    view.shared = |v| v.list(PLACE, place);
    view.read_only = |v| v.list(PLACE, place);
    view.overlay_types = |v| v.list(TYPE, file_system);
    view.expose = |v| v.list(EXPOSED, exposed);
    devices.allow = |v| v.list(DEVICE, device);
    root.capabilities = |v| v.list(CAPABILITY, capability);
    kernel.perf_events = |v| v.switch();
    kernel.keys = |v| v.switch();
    kernel.process_events = |v| v.switch();
    kernel.io_uring = |v| v.switch();
    kernel.socketcall = |v| v.switch();
}

/// The number above it is no id: system calls take it for "leave as it is".
const HIGHEST_ID: u32 = u32::MAX - 1;
const LAST_START: u32 = u32::MAX - RANGE;
const _: () = assert!(fits(LAST_START) && !fits(LAST_START + 1));

const USER: &str = "a name, a decimal number, or \"*\" alone for everybody";
const GROUP: &str = "the name of a group, or a decimal number";
const PROCESS: &str = "a name as in /proc/PID/comm, at most 15 bytes, such as \"tmux: server\"";
const PREFERRED: &str =
    "a name of letters, digits, '.', '_' and '-', or \"@last\" for the one used last";
const SHELL: &str = "an absolute path such as \"/bin/bash\"";
const PLACE: &str = "an absolute path such as \"/srv/scratch\"";
const EXPOSED: &str = "an absolute path such as \"/run/user/{uid}\"";
const SIZE: &str =
    "a share of the machine's memory, \"1%\" to \"100%\", or a size such as \"512M\" or \"4G\"";
const TYPE: &str = "a type as in /proc/filesystems, such as \"ext4\"";
const DEVICE: &str = "a name under /dev such as \"kvm\", \"net/tun\" or \"nvidia*\"";
const CAPABILITY: &str = "a name of capabilities(7) such as \"chown\" or \"CAP_CHOWN\"";

/// Accounts of a directory service may be called `DOMAIN\user`, `user@domain` or `domain users`.
fn account(text: &str) -> Check<String> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit());
    let problem = if text.is_empty() {
        "is empty"
    } else if number && !text.parse().is_ok_and(|id: u32| id <= HIGHEST_ID) {
        "is beyond the highest id"
    } else if text.starts_with(['%', '@', '+']) {
        "begins with a mark that other programs use for groups; groups have keys of their own here"
    } else if text != "*" && text.contains('*') {
        "has a '*', which stands for nothing within a name"
    } else if text.chars().any(char::is_control) || text.contains(':') || text.trim() != text {
        "is no name of an account"
    } else {
        return Ok(text.to_owned());
    };
    Err(problem.to_owned())
}

fn group(text: &str) -> Check<String> {
    if text == "*" {
        return Err(
            "would lead every login to the plain host, which is what not turning logins on does"
                .to_owned(),
        );
    }
    account(text)
}

/// The kernel's `TASK_COMM_LEN` without the NUL.
const LONGEST_COMM: usize = 15;

fn process(text: &str) -> Check<String> {
    let problem = if text.is_empty() {
        "is empty"
    } else if text.contains('*') {
        "has a '*', which stands for nothing within a name; how long all processes may go on says `background`"
    } else if text.contains('/') {
        "has a '/'; the kernel calls a process by the last part of its program's path"
    } else if text.len() > LONGEST_COMM {
        "is longer than the 15 bytes that the kernel keeps of a name"
    } else if text.chars().any(char::is_control) || text.trim() != text {
        "is no name of a process"
    } else {
        return Ok(text.to_owned());
    };
    Err(problem.to_owned())
}

fn preferred(text: &str) -> Check<Preferred> {
    Preferred::parse(text).map_err(|_| "is no name of an environment".to_owned())
}

fn shell(text: &str) -> Check<PathBuf> {
    if text == "/" {
        return Err("is a directory".to_owned());
    }
    text_of(path::check(text)).map(|()| PathBuf::from(text))
}

fn place(text: &str) -> Check<PathBuf> {
    text_of(path::check_place(text)).map(|()| PathBuf::from(text))
}

fn exposed(text: &str) -> Check<String> {
    text_of(path::check_exposed(text)).map(|()| text.to_owned())
}

fn text_of(result: Result<(), PathError>) -> Check<()> {
    result.map_err(|error| error.to_string())
}

fn size(text: &str) -> Check<String> {
    Storage::check_memory(text)
        .map(|()| text.to_owned())
        .map_err(|error| error.to_string())
}

fn length_of_time(text: &str) -> Check<std::time::Duration> {
    duration::parse(text).ok_or_else(|| "is no length of time that fits here".to_owned())
}

fn file_system(text: &str) -> Check<String> {
    if view::is_type(text) {
        Ok(text.to_owned())
    } else {
        Err("is no type of file system".to_owned())
    }
}

fn device(text: &str) -> Check<String> {
    Devices::check(text)
        .map(|()| text.to_owned())
        .map_err(|error| error.to_string())
}

fn capability(text: &str) -> Check<Capability> {
    text.parse().map_err(|_| {
        let name = text.to_ascii_lowercase();
        let names = Capability::ALL.iter().map(|capability| capability.name());
        match nearest(name.strip_prefix("cap_").unwrap_or(&name), names) {
            Some(near) => format!("is no capability; did you mean \"{near}\"?"),
            None => "is no capability".to_owned(),
        }
    })
}
