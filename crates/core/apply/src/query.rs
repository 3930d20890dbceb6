//! From a range request to the store's own query.

use mvcc::{RangeQuery, Sort, SortTarget};
use proto::etcdserverpb::RangeRequest;
use proto::etcdserverpb::range_request::{SortOrder, SortTarget as WireTarget};
use types::{EmptyKey, KeyRange};

/// The store's query for a request.
///
/// An order without a target other than the key sorts nothing; a target without an order sorts
/// ascending, but only what the limit has let through. Numbers outside the enums are refused at
/// the door and read as the default here, so that an entry of the log cannot stop a member.
///
/// # Errors
/// [`EmptyKey`] when the request names no key.
pub fn of_range(request: &RangeRequest) -> Result<RangeQuery, EmptyKey> {
    let target = match WireTarget::try_from(request.sort_target).unwrap_or_default() {
        WireTarget::Key => SortTarget::Key,
        WireTarget::Version => SortTarget::Version,
        WireTarget::Create => SortTarget::Create,
        WireTarget::Mod => SortTarget::Mod,
        WireTarget::Value => SortTarget::Value,
    };
    let sort = match (
        SortOrder::try_from(request.sort_order).unwrap_or_default(),
        target,
    ) {
        (SortOrder::None | SortOrder::Ascend, SortTarget::Key) => Sort::None,
        (SortOrder::None, target) => Sort::AfterLimit(target),
        (SortOrder::Ascend, target) => Sort::Ascending(target),
        (SortOrder::Descend, target) => Sort::Descending(target),
    };
    Ok(RangeQuery {
        range: KeyRange::new(request.key.clone(), request.range_end.clone())?,
        revision: request.revision,
        limit: request.limit,
        sort,
        keys_only: request.keys_only,
        count_only: request.count_only,
        mod_revisions: (request.min_mod_revision, request.max_mod_revision),
        create_revisions: (request.min_create_revision, request.max_create_revision),
    })
}
