//! Pairs, transactions and watches.

use prost::Message as _;
use proto::etcdserverpb::{
    DeleteRangeResponse, PutResponse, RangeResponse, ResponseHeader, ResponseOp, TxnResponse,
    WatchResponse, response_op::Response,
};
use proto::mvccpb::{Event, KeyValue};

use super::*;
use crate::print::Shown;

fn range() -> RangeResponse {
    RangeResponse {
        header: header(3),
        kvs: vec![pair("foo", "bar2", [2, 3, 2])],
        more: false,
        count: 1,
    }
}

/// The most used output of all.
#[test]
fn get_prints_pairs() {
    let answer = Answer::Range(range(), Shown::Both);
    check(Format::Simple, &answer, "foo\nbar2\n");
    check_hex(
        Format::Simple,
        &answer,
        "\\x66\\x6f\\x6f\n\\x62\\x61\\x72\\x32\n",
    );
    check(
        Format::Simple,
        &Answer::Range(range(), Shown::Value),
        "bar2\n",
    );
    check(
        Format::Json,
        &answer,
        &format!(
            "{{\"header\":{},\"kvs\":[{{\"key\":\"Zm9v\",\"create_revision\":2,\"mod_revision\":3,\
             \"version\":2,\"value\":\"YmFyMg==\"}}],\"count\":1}}\n",
            head(3)
        ),
    );
    check(
        Format::Fields,
        &answer,
        &format!(
            "{HEADER_FIELDS}\"Revision\" : 3\n\"RaftTerm\" : 2\n\"Key\" : \"foo\"\n\
             \"CreateRevision\" : 2\n\"ModRevision\" : 3\n\"Version\" : 2\n\"Value\" : \"bar2\"\n\
             \"Lease\" : 0\n\"More\" : false\n\"Count\" : 1\n"
        ),
    );
    check_refused(
        Format::Table,
        &answer,
        "table not supported as output format",
    );
    let bytes = Printer::new(Format::Protobuf, false)
        .render(&answer)
        .unwrap();
    assert_eq!(RangeResponse::decode(&bytes[..]), Ok(range()));
}

/// With `--hex`, IDs are hexadecimal in fields and nowhere else.
#[test]
fn hex_fields_show_ids_and_leases() {
    let text = render(Format::Fields, true, &Answer::Range(range(), Shown::Both));
    assert!(
        text.starts_with("\"ClusterID\" : cdf818194e3a8c32\n\"MemberID\" : 8e9e05c52164694d\n")
    );
    assert!(text.contains("\"Value\" : \"bar2\"\n\"Lease\" : 0000000000000000\n"));
}

/// Scripts rely on zero fields being left out.
#[test]
fn empty_and_cut_results_differ_in_json() {
    let empty = RangeResponse {
        header: header(3),
        ..RangeResponse::default()
    };
    check(
        Format::Json,
        &Answer::Range(empty.clone(), Shown::Both),
        &format!("{{\"header\":{}}}\n", head(3)),
    );
    check(Format::Simple, &Answer::Range(empty, Shown::Both), "");
    let cut = RangeResponse {
        kvs: vec![KeyValue {
            lease: 6_506_190_720_509_101_389,
            ..pair("k", "", [2, 2, 1])
        }],
        more: true,
        count: 9,
        header: None,
    };
    check(
        Format::Json,
        &Answer::Range(cut, Shown::Both),
        "{\"kvs\":[{\"key\":\"aw==\",\"create_revision\":2,\"mod_revision\":2,\"version\":1,\
         \"lease\":6506190720509101389}],\"more\":true,\"count\":9}\n",
    );
}

/// What was there before is what people ask `--prev-kv` for.
#[test]
fn put_and_del_print_what_was_there() {
    let put = Answer::Put(PutResponse {
        header: header(4),
        prev_kv: Some(pair("foo", "bar", [2, 3, 2])),
    });
    check(Format::Simple, &put, "OK\nfoo\nbar\n");
    check(
        Format::Json,
        &put,
        &format!(
            "{{\"header\":{},\"prev_kv\":{{\"key\":\"Zm9v\",\"create_revision\":2,\
             \"mod_revision\":3,\"version\":2,\"value\":\"YmFy\"}}}}\n",
            head(4)
        ),
    );
    let text = render(Format::Fields, false, &put);
    assert!(text.ends_with(
        "\"PrevKey\" : \"foo\"\n\"PrevCreateRevision\" : 2\n\"PrevModRevision\" : 3\n\
         \"PrevVersion\" : 2\n\"PrevValue\" : \"bar\"\n\"PrevLease\" : 0\n"
    ));
    let delete = Answer::Delete(DeleteRangeResponse {
        header: header(5),
        deleted: 1,
        prev_kvs: vec![pair("foo", "bar", [2, 3, 2])],
    });
    check(Format::Simple, &delete, "1\nfoo\nbar\n");
    let nothing = Answer::Delete(DeleteRangeResponse {
        header: header(5),
        ..DeleteRangeResponse::default()
    });
    check(Format::Simple, &nothing, "0\n");
    check(
        Format::Json,
        &nothing,
        &format!("{{\"header\":{}}}\n", head(5)),
    );
}

fn txn() -> Answer {
    let inner = Some(ResponseHeader {
        revision: 17,
        ..ResponseHeader::default()
    });
    let operation = |response| ResponseOp {
        response: Some(response),
    };
    Answer::Txn(TxnResponse {
        header: header(17),
        succeeded: true,
        responses: vec![
            operation(Response::ResponsePut(PutResponse {
                header: inner,
                prev_kv: None,
            })),
            operation(Response::ResponseRange(RangeResponse {
                header: inner,
                kvs: vec![pair("foo", "baz", [2, 17, 4])],
                more: false,
                count: 1,
            })),
            operation(Response::ResponseDeleteRange(DeleteRangeResponse {
                header: inner,
                ..DeleteRangeResponse::default()
            })),
        ],
    })
}

/// A transaction's answers are told apart by their blank lines, or by their JSON wrapper.
#[test]
fn txn_prints_its_operations() {
    check(Format::Simple, &txn(), "SUCCESS\n\nOK\n\nfoo\nbaz\n\n0\n");
    check(
        Format::Json,
        &txn(),
        &format!(
            "{{\"header\":{},\"succeeded\":true,\"responses\":[\
             {{\"Response\":{{\"response_put\":{{\"header\":{{\"revision\":17}}}}}}}},\
             {{\"Response\":{{\"response_range\":{{\"header\":{{\"revision\":17}},\
             \"kvs\":[{{\"key\":\"Zm9v\",\"create_revision\":2,\"mod_revision\":17,\"version\":4,\
             \"value\":\"YmF6\"}}],\"count\":1}}}}}},\
             {{\"Response\":{{\"response_delete_range\":{{\"header\":{{\"revision\":17}}}}}}}}]}}\n",
            head(17)
        ),
    );
    let text = render(Format::Fields, false, &txn());
    assert!(text.contains("\"Succeeded\" : true\n\"ClusterID\" : 0\n\"MemberID\" : 0\n"));
    let failed = Answer::Txn(TxnResponse::default());
    check(Format::Simple, &failed, "FAILURE\n");
}

/// Programs read watch answers line by line; every key must be there.
#[test]
fn watch_prints_events() {
    let put = WatchResponse {
        header: header(20),
        events: vec![Event {
            kv: Some(pair("wk", "v1", [20, 20, 1])),
            ..Event::default()
        }],
        ..WatchResponse::default()
    };
    check(Format::Simple, &Answer::Watch(put.clone()), "PUT\nwk\nv1\n");
    check(
        Format::Json,
        &Answer::Watch(put),
        &format!(
            "{{\"Header\":{},\"Events\":[{{\"kv\":{{\"key\":\"d2s=\",\"create_revision\":20,\
             \"mod_revision\":20,\"version\":1,\"value\":\"djE=\"}}}}],\"CompactRevision\":0,\
             \"Canceled\":false,\"Created\":false,\"CancelReason\":\"\"}}\n",
            head(20)
        ),
    );
    let delete = Answer::Watch(WatchResponse {
        header: header(22),
        events: vec![Event {
            r#type: 1,
            kv: Some(pair("wk", "", [0, 22, 0])),
            prev_kv: Some(pair("wk", "v2", [20, 21, 2])),
        }],
        ..WatchResponse::default()
    });
    check(Format::Simple, &delete, "DELETE\nwk\nv2\nwk\n\n");
    let text = render(Format::Json, false, &delete);
    assert!(text.contains(
        "\"Events\":[{\"type\":1,\"kv\":{\"key\":\"d2s=\",\"mod_revision\":22},\"prev_kv\":{"
    ));
    let compacted = Answer::Watch(WatchResponse {
        compact_revision: 3,
        canceled: true,
        ..WatchResponse::default()
    });
    check(
        Format::Json,
        &compacted,
        "{\"Header\":{},\"Events\":null,\"CompactRevision\":3,\"Canceled\":true,\
         \"Created\":false,\"CancelReason\":\"\"}\n",
    );
}
