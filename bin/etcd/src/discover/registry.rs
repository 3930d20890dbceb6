//! The list of a new cluster's members that another cluster keeps.
//!
//! ```text
//! /_etcd/registry/<token>/_config/size       how many members there are to be, in decimal
//! /_etcd/registry/<token>/members/<id hex>   name=url,name=url
//! ```
//! Who wrote first comes first: the members are the first `size` by their revision of creation.

use proto::mvccpb::KeyValue;
use types::MemberId;

/// Why the list is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ListError {
    /// Nobody has prepared the list; the token may be wrong.
    #[error("discovery: size key not found")]
    SizeNotFound,
    /// The size is not a number above zero.
    #[error("discovery: size key is bad")]
    BadSize,
    /// All places are taken.
    #[error("discovery: cluster is full")]
    Full,
}

/// One member of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: MemberId,
    /// Its name and URLs, `name=url,name=url`.
    pub(crate) description: String,
}

/// The key of the size.
pub(crate) fn size_key(token: &str) -> String {
    format!("/_etcd/registry/{token}/_config/size")
}

/// What the keys of all members begin with.
pub(crate) fn members_prefix(token: &str) -> String {
    format!("/_etcd/registry/{token}/members/")
}

/// The key of one member.
pub(crate) fn member_key(token: &str, id: MemberId) -> String {
    format!("{}{:x}", members_prefix(token), id.0)
}

/// Reads the size.
pub(crate) fn size(found: Option<&KeyValue>) -> Result<usize, ListError> {
    let found = found.ok_or(ListError::SizeNotFound)?;
    let text = str::from_utf8(&found.value).map_err(|_| ListError::BadSize)?;
    let size = text.parse().ok().filter(|size| *size > 0);
    size.ok_or(ListError::BadSize)
}

/// Reads the members, in the order in which they came; what is no member is passed over.
pub(crate) fn members(token: &str, found: &[KeyValue]) -> Vec<Listed> {
    let prefix = members_prefix(token);
    let mut found: Vec<&KeyValue> = found.iter().collect();
    found.sort_by_key(|pair| pair.create_revision);
    let listed = |pair: &KeyValue| {
        let key = str::from_utf8(&pair.key).ok()?;
        let id = u64::from_str_radix(key.strip_prefix(&prefix)?, 16).ok()?;
        Some(Listed {
            id: MemberId(id),
            description: String::from_utf8(pair.value.to_vec()).ok()?,
        })
    };
    found.into_iter().filter_map(listed).collect()
}

/// Whether there is a place for the member, or it has one already.
pub(crate) fn check_place(own: MemberId, members: &[Listed], size: usize) -> Result<(), ListError> {
    let mut placed = members.iter().take(size);
    match members.len() < size || placed.any(|member| member.id == own) {
        true => Ok(()),
        false => Err(ListError::Full),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str, create_revision: i64) -> KeyValue {
        KeyValue {
            key: key.to_owned().into(),
            value: value.to_owned().into(),
            create_revision,
            ..KeyValue::default()
        }
    }

    /// Members of etcd and ours may write on one list.
    #[test]
    fn keys_and_values_are_etcds() {
        assert_eq!(size_key("t"), "/_etcd/registry/t/_config/size");
        let key = member_key("t", MemberId(0x0a_bc));
        assert_eq!(key, "/_etcd/registry/t/members/abc");
        let found = [
            pair("/_etcd/registry/t/members/2", "b=http://b:1", 9),
            pair("/_etcd/registry/t/members/x", "c=http://c:1", 1),
            pair(&key, "a=http://a:1,a=http://a:2", 4),
        ];
        let found = members("t", &found);
        let ids: Vec<u64> = found.iter().map(|member| member.id.0).collect();
        assert_eq!(ids, [0xabc, 2]);
        assert_eq!(found[0].description, "a=http://a:1,a=http://a:2");
    }

    #[test]
    fn sizes() {
        let of = |value: &str| size(Some(&pair("k", value, 1)));
        assert_eq!(of("3"), Ok(3));
        for bad in ["0", "-1", "three", ""] {
            assert_eq!(of(bad), Err(ListError::BadSize), "{bad:?}");
        }
        assert_eq!(size(None), Err(ListError::SizeNotFound));
    }

    /// A member that comes too late must not make another cluster than the others do.
    #[test]
    fn only_the_first_have_a_place() {
        let listed = |id| Listed {
            id: MemberId(id),
            description: String::new(),
        };
        let members = [listed(1), listed(2), listed(3)];
        assert_eq!(check_place(MemberId(2), &members, 2), Ok(()));
        assert_eq!(check_place(MemberId(3), &members, 2), Err(ListError::Full));
        assert_eq!(check_place(MemberId(4), &members, 3), Err(ListError::Full));
        assert_eq!(check_place(MemberId(4), &members, 4), Ok(()));
    }
}
