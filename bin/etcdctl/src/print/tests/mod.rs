//! Answers in every format against texts captured from etcdctl 3.7.1.

mod cluster;
mod kv;
mod lease;
mod roles;

use proto::etcdserverpb::ResponseHeader;
use proto::mvccpb::KeyValue;

use super::{Answer, Format, Printer};

const CLUSTER: u64 = 14_841_639_068_965_178_418;
const MEMBER: u64 = 10_276_657_743_932_975_437;
const HEADER_FIELDS: &str =
    "\"ClusterID\" : 14841639068965178418\n\"MemberID\" : 10276657743932975437\n";

fn header(revision: i64) -> Option<ResponseHeader> {
    Some(ResponseHeader {
        cluster_id: CLUSTER,
        member_id: MEMBER,
        revision,
        raft_term: 2,
    })
}

/// The header as JSON.
fn head(revision: i64) -> String {
    format!(
        r#"{{"cluster_id":{CLUSTER},"member_id":{MEMBER},"revision":{revision},"raft_term":2}}"#
    )
}

/// A pair: key, value, then created, modified, version.
fn pair(key: &'static str, value: &'static str, numbers: [i64; 3]) -> KeyValue {
    let [create_revision, mod_revision, version] = numbers;
    KeyValue {
        key: key.into(),
        value: value.into(),
        create_revision,
        mod_revision,
        version,
        lease: 0,
    }
}

fn render(format: Format, hex: bool, answer: &Answer) -> String {
    let bytes = Printer::new(format, hex).render(answer);
    String::from_utf8(bytes.unwrap()).unwrap()
}

fn check(format: Format, answer: &Answer, expected: &str) {
    assert_eq!(render(format, false, answer), expected);
}

fn check_hex(format: Format, answer: &Answer, expected: &str) {
    assert_eq!(render(format, true, answer), expected);
}

fn check_refused(format: Format, answer: &Answer, expected: &str) {
    let refused = Printer::new(format, false).render(answer).unwrap_err();
    assert_eq!(refused.to_string(), expected);
}
