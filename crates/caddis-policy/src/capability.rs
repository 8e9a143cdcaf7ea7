//! What the root of an environment may do.

use std::fmt;
use std::str::FromStr;

/// Declares the enum, its kernel numbers and its names in one table.
macro_rules! capabilities {
    ($($variant:ident = $number:literal, $name:literal;)*) => {
        /// A capability of the kernel.
        /// See [capabilities(7)](https://man7.org/linux/man-pages/man7/capabilities.7.html).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Capability {
            $(#[doc = concat!("`CAP_", stringify!($variant), "`, in policies `", $name, "`.")] $variant = $number,)*
        }

        impl Capability {
            /// Every capability, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name as policies write it: without `CAP_`, in lower case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

capabilities! {
    Chown = 0, "chown";
    DacOverride = 1, "dac_override";
    DacReadSearch = 2, "dac_read_search";
    Fowner = 3, "fowner";
    Fsetid = 4, "fsetid";
    Kill = 5, "kill";
    Setgid = 6, "setgid";
    Setuid = 7, "setuid";
    Setpcap = 8, "setpcap";
    LinuxImmutable = 9, "linux_immutable";
    NetBindService = 10, "net_bind_service";
    NetBroadcast = 11, "net_broadcast";
    NetAdmin = 12, "net_admin";
    NetRaw = 13, "net_raw";
    IpcLock = 14, "ipc_lock";
    IpcOwner = 15, "ipc_owner";
    SysModule = 16, "sys_module";
    SysRawio = 17, "sys_rawio";
    SysChroot = 18, "sys_chroot";
    SysPtrace = 19, "sys_ptrace";
    SysPacct = 20, "sys_pacct";
    SysAdmin = 21, "sys_admin";
    SysBoot = 22, "sys_boot";
    SysNice = 23, "sys_nice";
    SysResource = 24, "sys_resource";
    SysTime = 25, "sys_time";
    SysTtyConfig = 26, "sys_tty_config";
    Mknod = 27, "mknod";
    Lease = 28, "lease";
    AuditWrite = 29, "audit_write";
    AuditControl = 30, "audit_control";
    Setfcap = 31, "setfcap";
    MacOverride = 32, "mac_override";
    MacAdmin = 33, "mac_admin";
    Syslog = 34, "syslog";
    WakeAlarm = 35, "wake_alarm";
    BlockSuspend = 36, "block_suspend";
    AuditRead = 37, "audit_read";
    Perfmon = 38, "perfmon";
    Bpf = 39, "bpf";
    CheckpointRestore = 40, "checkpoint_restore";
}

impl Capability {
    /// The kernel's number, 0 to 40.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Some text is the name of no capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such capability")]
pub struct UnknownCapability;

impl FromStr for Capability {
    type Err = UnknownCapability;

    /// Takes `chown` and `CAP_CHOWN`, in either case.
    fn from_str(text: &str) -> Result<Self, UnknownCapability> {
        let lower = text.to_ascii_lowercase();
        let name = lower.strip_prefix("cap_").unwrap_or(&lower);
        Self::ALL
            .iter()
            .copied()
            .find(|capability| capability.name() == name)
            .ok_or(UnknownCapability)
    }
}

/// The table `root`: what an environment's root may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The capabilities it has. All of them hold in the environment's own user namespace only:
    /// over its ids, its processes, its host name, never over the machine.
    pub capabilities: Vec<Capability>,
}

impl Default for Root {
    /// What container systems give by custom, and what root needs to look after processes of its
    /// own: `sys_admin` (host name, nested containers), `sys_ptrace` (debuggers), `sys_nice`,
    /// `ipc_lock` and `ipc_owner`.
    ///
    /// Left out: `sys_boot` (`reboot` would kill PID 1), `net_admin`, `sys_time`, `sys_module` and
    /// the like, which the kernel asks for in its own namespace, so that they would give nothing;
    /// and `dac_read_search`, which adds nothing to `dac_override` but opening files by handle.
    fn default() -> Self {
        Self {
            capabilities: vec![
                Capability::Chown,
                Capability::DacOverride,
                Capability::Fowner,
                Capability::Fsetid,
                Capability::Setgid,
                Capability::Setuid,
                Capability::Setpcap,
                Capability::Setfcap,
                Capability::Kill,
                Capability::SysNice,
                Capability::SysPtrace,
                Capability::NetBindService,
                Capability::NetRaw,
                Capability::SysChroot,
                Capability::Mknod,
                Capability::AuditWrite,
                Capability::IpcLock,
                Capability::IpcOwner,
                Capability::SysAdmin,
            ],
        }
    }
}
