//! Configuration changes against the bytes of real clusters.

use proptest::prelude::*;

use super::*;

const NODE_ID: MemberId = MemberId(3_436_450_546_561_422_193);

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn check(change: &Change, id: u64, head: &str, context: &str) {
    let conf = change.to_conf_change(RequestId(id));
    let mut expect = hex(head);
    expect.extend_from_slice(context.as_bytes());
    let bytes = conf.encode();
    assert_eq!(&bytes[..], &expect[..], "{change:?}");
    assert_eq!(ConfChange::decode(&bytes), Ok(conf.clone()));
    assert_eq!(conf.change(), Ok(change.clone()));
}

fn request(head: &str) -> u64 {
    let mut at = 1;
    wire::read_varint(&hex(head), &mut at).unwrap()
}

/// Entries of a mixed cluster: other bytes or another reading would split it.
#[test]
fn matches_etcd() {
    let url = |port: u32| format!("http://127.0.0.1:{port}");
    let learner = Member {
        id: NODE_ID,
        peer_urls: vec![url(23184)],
        is_learner: true,
        ..Member::default()
    };
    let head = "08f68191c5d3bfa8b78201100318f1a6f69f8ab2aed82f2251";
    let context =
        r#"{"id":3436450546561422193,"peerURLs":["http://127.0.0.1:23184"],"isLearner":true}"#;
    check(&Change::Add(learner), request(head), head, context);

    let head = "0882c490c5d3bfa8ddd701100018f1a6f69f8ab2aed82f223b";
    let context = r#"{"id":3436450546561422193,"peerURLs":null,"isPromote":true}"#;
    check(&Change::Promote(NODE_ID), request(head), head, context);

    let update = Change::Update {
        id: NODE_ID,
        peer_urls: vec![url(23184), url(23185)],
    };
    let head = "08f88191c5d3bfa8b78201100218f1a6f69f8ab2aed82f2259";
    let context = r#"{"id":3436450546561422193,"peerURLs":["http://127.0.0.1:23184","http://127.0.0.1:23185"]}"#;
    check(&update, request(head), head, context);

    let head = "08f98191c5d3bfa8b78201100118f1a6f69f8ab2aed82f";
    check(&Change::Remove(NODE_ID), request(head), head, "");

    let first = Member {
        id: MemberId(2_487_124_154_800_797_863),
        name: "n3".to_owned(),
        peer_urls: vec![url(23183)],
        ..Member::default()
    };
    let head = "100018a7f1c7f9dcc782c222224c";
    let context = r#"{"id":2487124154800797863,"peerURLs":["http://127.0.0.1:23183"],"name":"n3"}"#;
    check(&Change::Add(first), 0, head, context);
}

/// Older proposers write every scalar and `isPromote` false; a damaged entry must be named.
#[test]
fn reads_other_spellings_and_refuses_damage() {
    let context = r#"{"id":5,"peerURLs":["u"],"isPromote":false,"other":[1]}"#;
    let mut bytes = hex("0800100018052237");
    bytes[7] = u8::try_from(context.len()).unwrap();
    bytes.extend_from_slice(context.as_bytes());
    let conf = ConfChange::decode(&Bytes::from(bytes)).unwrap();
    assert_eq!(conf.id, RequestId(0));
    assert!(matches!(conf.change(), Ok(Change::Add(member)) if member.peer_urls == ["u"]));

    let conf = ConfChange {
        node: MemberId(6),
        ..conf
    };
    assert_eq!(
        conf.change(),
        Err(DecodeChangeError::Mismatch {
            node: MemberId(6),
            context: MemberId(5)
        })
    );
    assert_eq!(
        ConfChange::decode(&Bytes::from_static(b"\x10\x04")),
        Err(DecodeChangeError::UnknownKind { kind: 4 })
    );
    assert_eq!(
        ConfChange::decode(&Bytes::from_static(b"\x18\x05\x22\x05ab")),
        Err(DecodeChangeError::Message { offset: 2 })
    );
}

proptest! {
    /// Committed bytes that make a member panic would stop the whole cluster.
    #[test]
    fn survives_any_bytes(bytes: Vec<u8>) {
        if let Ok(conf) = ConfChange::decode(&Bytes::from(bytes)) {
            let _ = conf.change();
        }
    }

    /// What is proposed must be what is applied.
    #[test]
    fn round_trips(id: u64, node: u64, kind in 0..4_u64, context: Vec<u8>) {
        let conf = ConfChange {
            id: RequestId(id),
            kind: ConfChangeKind::from_number(kind).unwrap(),
            node: MemberId(node),
            context: Bytes::from(context),
        };
        prop_assert_eq!(ConfChange::decode(&conf.encode()), Ok(conf));
    }
}
