//! The stored form, in etcd's buckets.
//!
//! ```text
//! auth       authEnabled   one byte, 0 or 1
//!            authRevision  8 bytes, big endian
//! authUsers  name          authpb.User: name, password hash, roles in order, options
//! authRoles  name          authpb.Role: name, permissions in order of their keys
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use proto::authpb;

use crate::permission::Permission;
use crate::state::{Role, User};

const ENABLED: &[u8] = b"authEnabled";
const REVISION: &[u8] = b"authRevision";

/// A bucket of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Whether authentication is on, and its revision.
    Auth,
    /// Users.
    Users,
    /// Roles.
    Roles,
}

/// A pair to write, or to remove when there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketChange {
    /// Where.
    pub table: Table,
    /// The key.
    pub key: Bytes,
    /// The new value.
    pub value: Option<Bytes>,
}

/// A stored pair does not decode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The flag or the revision has another length.
    #[error("the stored {name} has {len} bytes")]
    Length {
        /// Which.
        name: &'static str,
        /// How many bytes it has.
        len: usize,
    },
    /// A name is not text.
    #[error("the name of a stored {kind} is not text")]
    Name {
        /// User or role.
        kind: &'static str,
    },
    /// A record is not the message that it should be.
    #[error("the stored {kind} {name:?} does not decode")]
    Record {
        /// User or role.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        source: prost::DecodeError,
    },
}

pub(crate) fn enabled(is_enabled: bool) -> BucketChange {
    BucketChange {
        table: Table::Auth,
        key: Bytes::from_static(ENABLED),
        value: Some(Bytes::copy_from_slice(&[u8::from(is_enabled)])),
    }
}

pub(crate) fn revision(revision: u64) -> BucketChange {
    BucketChange {
        table: Table::Auth,
        key: Bytes::from_static(REVISION),
        value: Some(Bytes::copy_from_slice(&revision.to_be_bytes())),
    }
}

pub(crate) fn load_enabled(bucket: &BTreeMap<Bytes, Bytes>) -> Result<bool, LoadError> {
    match bucket.get(ENABLED).map(AsRef::as_ref) {
        None | Some([0]) => Ok(false),
        Some([1]) => Ok(true),
        Some(other) => Err(LoadError::Length {
            name: "authEnabled",
            len: other.len(),
        }),
    }
}

pub(crate) fn load_revision(bucket: &BTreeMap<Bytes, Bytes>) -> Result<Option<u64>, LoadError> {
    let Some(value) = bucket.get(REVISION) else {
        return Ok(None);
    };
    let bytes = value.as_ref().try_into().map_err(|_| LoadError::Length {
        name: "authRevision",
        len: value.len(),
    })?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

/// The change that stores a user, or removes one.
pub(crate) fn user(name: &str, user: Option<&User>) -> BucketChange {
    let value = user.map(|user| {
        let record = authpb::User {
            name: Bytes::copy_from_slice(name.as_bytes()),
            password: user.password.clone(),
            roles: user.roles.iter().map(|role| role.as_ref().into()).collect(),
            options: user
                .no_password
                .map(|no_password| authpb::UserAddOptions { no_password }),
        };
        Bytes::from(record.encode_to_vec())
    });
    BucketChange {
        table: Table::Users,
        key: Bytes::copy_from_slice(name.as_bytes()),
        value,
    }
}

/// The change that stores a role, or removes one.
pub(crate) fn role(name: &str, role: Option<&Role>) -> BucketChange {
    let value = role.map(|role| {
        let permissions = role
            .permissions
            .iter()
            .map(|permission| authpb::Permission {
                perm_type: permission.kind,
                key: permission.key.clone(),
                range_end: permission.range_end.clone(),
            });
        let record = authpb::Role {
            name: Bytes::copy_from_slice(name.as_bytes()),
            key_permission: permissions.collect(),
        };
        Bytes::from(record.encode_to_vec())
    });
    BucketChange {
        table: Table::Roles,
        key: Bytes::copy_from_slice(name.as_bytes()),
        value,
    }
}

pub(crate) fn load_user(key: &Bytes, value: &Bytes) -> Result<(String, User), LoadError> {
    const KIND: &str = "user";
    let name = name(KIND, key)?;
    let record = authpb::User::decode(value.clone()).map_err(|source| LoadError::Record {
        kind: KIND,
        name: name.clone(),
        source,
    })?;
    let roles = record.roles.into_iter().map(Into::into).collect();
    let no_password = record.options.map(|options| options.no_password);
    // The buffer may be a whole batch of the store: a user keeps only what is its own.
    let password = Bytes::copy_from_slice(&record.password);
    Ok((name, User::new(password, roles, no_password)))
}

pub(crate) fn load_role(key: &Bytes, value: &Bytes) -> Result<(String, Role), LoadError> {
    const KIND: &str = "role";
    let name = name(KIND, key)?;
    let record = authpb::Role::decode(value.clone()).map_err(|source| LoadError::Record {
        kind: KIND,
        name: name.clone(),
        source,
    })?;
    let permissions = record.key_permission.into_iter().map(|stored| Permission {
        kind: stored.perm_type,
        key: Bytes::copy_from_slice(&stored.key),
        range_end: Bytes::copy_from_slice(&stored.range_end),
    });
    let role = Role {
        permissions: permissions.collect(),
    };
    Ok((name, role))
}

fn name(kind: &'static str, key: &Bytes) -> Result<String, LoadError> {
    String::from_utf8(key.to_vec()).map_err(|_| LoadError::Name { kind })
}
