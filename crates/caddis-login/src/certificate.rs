//! What an OpenSSH certificate says of the command that is to run with it (PROTOCOL.certkeys in OpenSSH).

/// The parts that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The critical option `force-command`.
    pub force_command: Option<Vec<u8>>,
    /// The authority's key.
    pub signature_key: Vec<u8>,
}

const SUFFIX: &[u8] = b"-cert-v01@openssh.com";

impl Certificate {
    /// Reads one; `None`: it is a plain key, or of no kind that is known.
    pub fn read(blob: &[u8]) -> Option<Self> {
        let mut fields = Fields(blob);
        let own_fields = match fields.string()?.strip_suffix(SUFFIX)? {
            b"ssh-ed25519" => 1,
            b"ssh-rsa" | b"rsa-sha2-256" | b"rsa-sha2-512" | b"sk-ssh-ed25519" => 2,
            b"sk-ecdsa-sha2-nistp256" => 3,
            b"ssh-dss" => 4,
            name if name.starts_with(b"ecdsa-sha2-") => 2,
            _ => return None,
        };
        let nonce = 1;
        for _ in 0..nonce + own_fields {
            fields.string()?;
        }
        let (serial, kind, validity) = (8, 4, 16);
        fields.take(serial + kind)?;
        let (_key_id, _principals) = (fields.string()?, fields.string()?);
        fields.take(validity)?;
        let mut options = Fields(fields.string()?);
        let (_extensions, _reserved) = (fields.string()?, fields.string()?);
        let signature_key = fields.string()?.to_vec();
        let mut force_command = None;
        while let (Some(name), Some(data)) = (options.string(), options.string()) {
            if name == b"force-command" {
                force_command = Fields(data).string().map(<[u8]>::to_vec);
            }
        }
        Some(Self {
            force_command,
            signature_key,
        })
    }
}

/// Bytes, from which fields are taken.
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// All of them.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether there are no more.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// Bytes with their number before them.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        self.take(usize::try_from(length).ok()?)
    }
}

#[cfg(test)]
pub mod tests {
    use proptest::prelude::*;

    use super::*;

    pub fn string(bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&length[..], bytes].concat()
    }

    /// A certificate for an Ed25519 key.
    pub fn certificate(force_command: Option<&[u8]>, authority: &[u8]) -> Vec<u8> {
        let option = force_command
            .map(|command| [string(b"force-command"), string(&string(command))].concat());
        [
            string(b"ssh-ed25519-cert-v01@openssh.com"),
            string(b"nonce"),
            string(b"key"),
            vec![0; 12],
            string(b"id"),
            string(&string(b"alice")),
            vec![0; 16],
            string(&option.unwrap_or_default()),
            string(b""),
            string(b""),
            string(authority),
            string(b"signature"),
        ]
        .concat()
    }

    proptest! {
        #[test]
        fn the_command_is_found(command: Option<Vec<u8>>, authority: Vec<u8>) {
            let blob = certificate(command.as_deref(), &authority);
            let expected = Certificate { force_command: command, signature_key: authority };
            prop_assert_eq!(Certificate::read(&blob), Some(expected));
        }

        #[test]
        fn any_bytes_can_be_looked_at(mut bytes: Vec<u8>, cut in 0usize..300) {
            Certificate::read(&bytes);
            let whole = certificate(Some(b"id"), b"key");
            bytes.splice(0..0, whole[..cut.min(whole.len())].iter().copied());
            Certificate::read(&bytes);
        }
    }

    #[test]
    fn a_plain_key_is_none() {
        let blob = [string(b"ssh-ed25519"), string(b"key")].concat();
        assert_eq!(Certificate::read(&blob), None);
    }
}
