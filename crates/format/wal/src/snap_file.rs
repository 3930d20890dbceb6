//! The file beside a snapshot mark: `<term>-<index>.snap`, as etcd before 3.7 needs it to start.
//!
//! ```text
//! 08 checksum | 12 len snapshot        the checksum is CRC-32C of the snapshot
//! snapshot:  0a len data | 12 len { 0a len conf | 10 index | 18 term }
//! ```
//! `data` is the membership as JSON in the form of etcd's version 2; nothing here reads it.

use bytes::Bytes;
use types::{ConfState, Index, SnapshotMark, Term};
use wire::{Fields, Value, put_head, put_present_number, varint_len};

use crate::codec::{DecodeError, conf_len, decode_conf, put_conf};

/// A decoded `.snap` file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapFile {
    /// The mark that the file belongs to; its configuration is always there.
    pub mark: SnapshotMark,
    /// The membership as JSON.
    pub data: Bytes,
}

/// The bytes are not a `.snap` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapFileError {
    /// A field cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// There is nothing in it, which etcd takes for a broken file.
    #[error("empty snapshot file")]
    Empty,
    /// The checksum is that of other bytes.
    #[error("checksum is {found:08x}, the snapshot's is {computed:08x}")]
    Checksum {
        /// What the file says.
        found: u32,
        /// What the bytes give.
        computed: u32,
    },
}

impl From<wire::BadField> for SnapFileError {
    fn from(error: wire::BadField) -> Self {
        Self::Decode(error.into())
    }
}

/// The name of the file of a mark.
#[must_use]
pub fn snap_name(term: Term, index: Index) -> String {
    format!("{:016x}-{:016x}.snap", term.0, index.0)
}

impl SnapFile {
    /// The bytes of the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let nobody = ConfState::default();
        let conf = self.mark.conf.as_ref().unwrap_or(&nobody);
        let mut metadata = Vec::new();
        put_head(&mut metadata, 1, conf_len(conf));
        put_conf(&mut metadata, conf);
        put_present_number(&mut metadata, 2, self.mark.index.0);
        put_present_number(&mut metadata, 3, self.mark.term.0);
        let mut snapshot = Vec::with_capacity(self.data.len() + metadata.len() + 24);
        put_head(&mut snapshot, 1, self.data.len());
        snapshot.extend_from_slice(&self.data);
        put_head(&mut snapshot, 2, metadata.len());
        snapshot.extend_from_slice(&metadata);
        let len = snapshot.len();
        let mut file = Vec::with_capacity(len + 8 + varint_len(len as u64));
        put_present_number(&mut file, 1, crc32c::crc32c(&snapshot).into());
        put_head(&mut file, 2, len);
        file.extend_from_slice(&snapshot);
        file
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// [`SnapFileError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapFileError> {
        let (mut checksum, mut snapshot) = (0, &[][..]);
        for field in Fields::new(bytes) {
            match field? {
                (1, Value::Number(number)) => checksum = number,
                (2, Value::Bytes(bytes)) => snapshot = bytes,
                _ => {}
            }
        }
        let found =
            u32::try_from(checksum).map_err(|_| DecodeError::WideChecksum { number: checksum })?;
        if found == 0 || snapshot.is_empty() {
            return Err(SnapFileError::Empty);
        }
        let computed = crc32c::crc32c(snapshot);
        if found != computed {
            return Err(SnapFileError::Checksum { found, computed });
        }
        Self::decode_snapshot(snapshot)
    }

    fn decode_snapshot(bytes: &[u8]) -> Result<Self, SnapFileError> {
        let mut file = Self::default();
        let mut conf = ConfState::default();
        for field in Fields::new(bytes) {
            match field? {
                (1, Value::Bytes(data)) => file.data = Bytes::copy_from_slice(data),
                (2, Value::Bytes(metadata)) => {
                    decode_metadata(metadata, &mut file.mark, &mut conf)?
                }
                _ => {}
            }
        }
        file.mark.conf = Some(conf);
        Ok(file)
    }
}

fn decode_metadata(
    bytes: &[u8],
    mark: &mut SnapshotMark,
    conf: &mut ConfState,
) -> Result<(), DecodeError> {
    for field in Fields::new(bytes) {
        match field? {
            (1, Value::Bytes(bytes)) => *conf = decode_conf(bytes)?,
            (2, Value::Number(number)) => mark.index = Index(number),
            (3, Value::Number(number)) => mark.term = Term(number),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::MemberId;

    use super::*;

    fn file(data: &[u8]) -> SnapFile {
        let ids = [
            0x2284_e05c_2f9c_f8a7,
            0x2e39_69ae_9b0b_826e,
            0xcb61_6f8d_b1f2_d7ba,
        ];
        SnapFile {
            mark: SnapshotMark {
                index: Index(201),
                term: Term(5),
                conf: Some(ConfState {
                    voters: ids.map(MemberId).into(),
                    ..ConfState::default()
                }),
            },
            data: Bytes::copy_from_slice(data),
        }
    }

    /// A file that etcd 3.6 cannot read leaves it without a start.
    #[test]
    fn has_etcds_form() {
        let bytes = file(b"{}").encode();
        assert_eq!(bytes[0], 0x08);
        // As a real file ends: the configuration with three voters, index 201 and term 5.
        let end = &bytes[bytes.len() - 5..];
        assert_eq!(end, b"\x10\xc9\x01\x18\x05");
        assert_eq!(bytes[bytes.len() - 7..][..2], *b"\x28\x00");
        assert_eq!(
            snap_name(Term(5), Index(201)),
            "0000000000000005-00000000000000c9.snap"
        );
    }

    #[test]
    fn damage_is_an_error() {
        let mut bytes = file(b"{}").encode();
        assert_eq!(SnapFile::decode(b""), Err(SnapFileError::Empty));
        assert_eq!(
            SnapFile::decode(b"\x08\x00\x12\x01a"),
            Err(SnapFileError::Empty)
        );
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert!(matches!(
            SnapFile::decode(&bytes),
            Err(SnapFileError::Checksum { .. })
        ));
        assert!(SnapFile::decode(&bytes[..last]).is_err());
    }

    proptest! {
        #[test]
        fn round_trips(data: Vec<u8>) {
            let file = file(&data);
            prop_assert_eq!(SnapFile::decode(&file.encode()), Ok(file));
        }

        /// The file lies in a directory that somebody else wrote.
        #[test]
        fn survives_any_bytes(bytes: Vec<u8>) {
            let _ = SnapFile::decode(&bytes);
        }
    }
}
