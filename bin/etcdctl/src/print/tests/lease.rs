//! Leases.

use prost::Message as _;
use proto::etcdserverpb::{
    LeaseGrantResponse, LeaseKeepAliveResponse, LeaseLeasesResponse, LeaseRevokeResponse,
    LeaseStatus, LeaseTimeToLiveResponse, ResponseHeader,
};

use super::*;

const ID: i64 = 6_506_190_720_509_101_389;
/// The header's fields as JSON without braces.
fn flat(revision: i64) -> String {
    let head = head(revision);
    head[1..head.len() - 1].to_owned()
}

/// Shell scripts cut the ID out of this line.
#[test]
fn grant_revoke_and_keep_alive_print_a_line() {
    let grant = Answer::LeaseGrant(LeaseGrantResponse {
        header: header(28),
        id: ID,
        ttl: 60,
        error: String::new(),
    });
    check(
        Format::Simple,
        &grant,
        "lease 5a4aa1fd30e3454d granted with TTL(60s)\n",
    );
    check(
        Format::Json,
        &grant,
        &format!("{{{},\"ID\":{ID},\"TTL\":60,\"Error\":\"\"}}\n", flat(28)),
    );
    check(
        Format::Fields,
        &grant,
        &format!(
            "{HEADER_FIELDS}\"Revision\" : 28\n\"RaftTerm\" : 2\n\"ID\" : {ID}\n\"TTL\" : 60\n"
        ),
    );
    let alive = Answer::LeaseKeepAlive(LeaseKeepAliveResponse {
        header: header(30),
        id: ID,
        ttl: 120,
    });
    check(
        Format::Simple,
        &alive,
        "lease 5a4aa1fd30e3454d keepalived with TTL(120)\n",
    );
    check(
        Format::Json,
        &alive,
        &format!("{{{},\"ID\":{ID},\"TTL\":120}}\n", flat(30)),
    );
    let revoke = Answer::LeaseRevoke(7, LeaseRevokeResponse { header: header(31) });
    check(Format::Simple, &revoke, "lease 0000000000000007 revoked\n");
    check(
        Format::Json,
        &revoke,
        &format!("{{\"header\":{}}}\n", head(31)),
    );
    check_refused(
        Format::Protobuf,
        &revoke,
        "marshal unsupported for type *clientv3.LeaseRevokeResponse",
    );
}

/// Of leases, the protobuf format carries the header and nothing else.
#[test]
fn protobuf_is_the_header() {
    let grant = Answer::LeaseGrant(LeaseGrantResponse {
        header: header(28),
        id: ID,
        ttl: 60,
        error: String::new(),
    });
    let bytes = Printer::new(Format::Protobuf, false).render(&grant);
    assert_eq!(ResponseHeader::decode(&bytes.unwrap()[..]).ok(), header(28));
}

/// A lease that is gone must not look like one that lives for -1 seconds.
#[test]
fn time_to_live_tells_the_living_from_the_expired() {
    let living = LeaseTimeToLiveResponse {
        header: header(30),
        id: ID,
        ttl: 119,
        granted_ttl: 120,
        keys: vec!["lk1".into(), "lk2".into()],
    };
    check(
        Format::Simple,
        &Answer::LeaseTimeToLive(living.clone(), true),
        "lease 5a4aa1fd30e3454d granted with TTL(120s), remaining(119s), \
         attached keys([lk1 lk2])\n",
    );
    check(
        Format::Simple,
        &Answer::LeaseTimeToLive(living.clone(), false),
        "lease 5a4aa1fd30e3454d granted with TTL(120s), remaining(119s)\n",
    );
    check(
        Format::Json,
        &Answer::LeaseTimeToLive(living.clone(), true),
        &format!(
            "{{{},\"id\":{ID},\"ttl\":119,\"granted-ttl\":120,\"keys\":[\"bGsx\",\"bGsy\"]}}\n",
            flat(30)
        ),
    );
    let text = render(
        Format::Fields,
        false,
        &Answer::LeaseTimeToLive(living, true),
    );
    assert!(text.ends_with("\"GrantedTTL\" : 120\n\"Key\" : \"lk1\"\n\"Key\" : \"lk2\"\n"));
    let expired = LeaseTimeToLiveResponse {
        header: header(30),
        id: ID,
        ttl: -1,
        ..LeaseTimeToLiveResponse::default()
    };
    check(
        Format::Simple,
        &Answer::LeaseTimeToLive(expired.clone(), true),
        "lease 5a4aa1fd30e3454d already expired\n",
    );
    check(
        Format::Json,
        &Answer::LeaseTimeToLive(expired, true),
        &format!(
            "{{{},\"id\":{ID},\"ttl\":-1,\"granted-ttl\":0,\"keys\":null}}\n",
            flat(30)
        ),
    );
}

/// An empty list is a list.
#[test]
fn lists_count_their_leases() {
    let list = |leases: Vec<i64>| {
        let leases = leases.into_iter().map(|id| LeaseStatus { id });
        Answer::LeaseList(LeaseLeasesResponse {
            header: header(30),
            leases: leases.collect(),
        })
    };
    check(
        Format::Simple,
        &list(vec![ID, 1]),
        "found 2 leases\n5a4aa1fd30e3454d\n0000000000000001\n",
    );
    check(
        Format::Json,
        &list(vec![ID]),
        &format!("{{{},\"leases\":[{{\"id\":{ID}}}]}}\n", flat(30)),
    );
    check(
        Format::Json,
        &list(vec![]),
        &format!("{{{},\"leases\":[]}}\n", flat(30)),
    );
}
