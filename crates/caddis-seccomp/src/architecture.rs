//! The tables of system calls that a process can enter on one machine.

/// A table of system calls, as the kernel names it to a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// 64-bit programs of x86, and x32 ones, whose numbers have bit 30.
    X86_64,
    /// 32-bit programs of x86, and `int $0x80` in any program.
    I386,
    /// 64-bit programs of ARM.
    Aarch64,
    /// 32-bit programs of ARM.
    Arm,
}

/// What marks the number of an x32 call. From 512 on such calls have numbers of their own; below,
/// they have those of x86_64.
const X32: u32 = 0x4000_0000;

impl Architecture {
    /// Every table there is on the machine this was built for, that of its own programs first.
    pub const HERE: &'static [Architecture] = if cfg!(target_arch = "x86_64") {
        &[Architecture::X86_64, Architecture::I386]
    } else {
        &[Architecture::Aarch64, Architecture::Arm]
    };

    /// `AUDIT_ARCH_*` of linux/audit.h.
    #[must_use]
    pub const fn audit(self) -> u32 {
        const LITTLE_ENDIAN: u32 = 0x4000_0000;
        const BITS_64: u32 = 0x8000_0000;
        match self {
            Architecture::X86_64 => 62 | BITS_64 | LITTLE_ENDIAN,
            Architecture::I386 => 3 | LITTLE_ENDIAN,
            Architecture::Aarch64 => 183 | BITS_64 | LITTLE_ENDIAN,
            Architecture::Arm => 40 | LITTLE_ENDIAN,
        }
    }

    /// The bits of a number that say which call it is.
    #[must_use]
    pub(crate) const fn mask(self) -> u32 {
        match self {
            Architecture::X86_64 => !X32,
            _ => u32::MAX,
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("no table of this machine's system calls is known");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_has_these_names() {
        let names = [
            (Architecture::X86_64, 0xc000_003e),
            (Architecture::I386, 0x4000_0003),
            (Architecture::Aarch64, 0xc000_00b7),
            (Architecture::Arm, 0x4000_0028),
        ];
        for (architecture, name) in names {
            assert_eq!(architecture.audit(), name);
        }
    }
}
