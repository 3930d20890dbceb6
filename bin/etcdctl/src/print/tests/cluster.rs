//! Members, endpoints, alarms and downgrades.

use std::time::Duration;

use proto::etcdserverpb::{
    AlarmMember, AlarmResponse, DowngradeInfo, DowngradeResponse, HashKvResponse, Member,
    MemberAddResponse, MemberListResponse, MemberRemoveResponse, MoveLeaderResponse,
    StatusResponse,
};

use super::*;
use crate::print::{DowngradeStep, Endpoint, Health};

fn member() -> Member {
    Member {
        id: MEMBER,
        name: "n1".to_owned(),
        peer_ur_ls: vec!["http://127.0.0.1:2380".to_owned()],
        client_ur_ls: vec!["http://127.0.0.1:2379".to_owned()],
        is_learner: false,
    }
}

fn list() -> Answer {
    Answer::MemberList(MemberListResponse {
        header: header(0),
        members: vec![member()],
    })
}

/// The table is compared by eye and by scripts.
#[test]
fn member_lists_have_every_format() {
    check(
        Format::Simple,
        &list(),
        "8e9e05c52164694d, started, n1, http://127.0.0.1:2380, http://127.0.0.1:2379, false\n",
    );
    check(
        Format::Table,
        &list(),
        "\
┌──────────────────┬─────────┬──────┬───────────────────────┬───────────────────────┬────────────┐
│        ID        │ STATUS  │ NAME │      PEER ADDRS       │     CLIENT ADDRS      │ IS LEARNER │
├──────────────────┼─────────┼──────┼───────────────────────┼───────────────────────┼────────────┤
│ 8e9e05c52164694d │ started │   n1 │ http://127.0.0.1:2380 │ http://127.0.0.1:2379 │      false │
└──────────────────┴─────────┴──────┴───────────────────────┴───────────────────────┴────────────┘
",
    );
    check(
        Format::Json,
        &list(),
        "{\"header\":{\"cluster_id\":14841639068965178418,\"member_id\":10276657743932975437,\
         \"raft_term\":2},\"members\":[{\"ID\":10276657743932975437,\"name\":\"n1\",\
         \"peerURLs\":[\"http://127.0.0.1:2380\"],\"clientURLs\":[\"http://127.0.0.1:2379\"]}]}\n",
    );
    check_hex(
        Format::Json,
        &list(),
        "{\"header\":{\"cluster_id\":\"cdf818194e3a8c32\",\"member_id\":\"8e9e05c52164694d\",\
         \"raft_term\":2},\"members\":[{\"ID\":\"8e9e05c52164694d\",\"name\":\"n1\",\
         \"peerURLs\":[\"http://127.0.0.1:2380\"],\"clientURLs\":[\"http://127.0.0.1:2379\"]}]}\n",
    );
    check(
        Format::Fields,
        &list(),
        &format!(
            "{HEADER_FIELDS}\"RaftTerm\" : 2\n\"ID\" : 10276657743932975437\n\"Name\" : \"n1\"\n\
             \"PeerURL\" : \"http://127.0.0.1:2380\"\n\"ClientURL\" : \"http://127.0.0.1:2379\"\n\
             \"IsLearner\" : false\n\n"
        ),
    );
}

/// IDs are padded with blanks here, and only here.
#[test]
fn membership_changes_are_told() {
    let added = Member {
        id: 0x37a_63dc_db90_bbc1,
        is_learner: true,
        ..Member::default()
    };
    let add = Answer::MemberAdd(
        MemberAddResponse {
            header: header(0),
            member: Some(added),
            members: vec![],
        },
        "\nETCD_NAME=\"n2\"\n".to_owned(),
    );
    check(
        Format::Simple,
        &add,
        "Member  37a63dcdb90bbc1 added as learner to cluster cdf818194e3a8c32\n\n\
         ETCD_NAME=\"n2\"\n",
    );
    let remove = MemberRemoveResponse {
        header: header(0),
        members: vec![],
    };
    let remove = Answer::MemberRemove(0x8321_3b0a_35d0_ff90, remove);
    check(
        Format::Simple,
        &remove,
        "Member 83213b0a35d0ff90 removed from cluster cdf818194e3a8c32\n",
    );
    check_refused(
        Format::Fields,
        &remove,
        "fields not supported as output format",
    );
    let unstarted = Answer::MemberList(MemberListResponse {
        header: None,
        members: vec![Member {
            id: 0x37a_63dc_db90_bbc1,
            peer_ur_ls: vec!["http://a:1".to_owned(), "http://b:1".to_owned()],
            is_learner: true,
            ..Member::default()
        }],
    });
    check(
        Format::Simple,
        &unstarted,
        "37a63dcdb90bbc1, unstarted, , http://a:1,http://b:1, , true\n",
    );
    let moved = Answer::MoveLeader(MEMBER, 0x37a_63dc_db90_bbc1, MoveLeaderResponse::default());
    check(
        Format::Simple,
        &moved,
        "Leadership transferred from 8e9e05c52164694d to 37a63dcdb90bbc1\n",
    );
    check(Format::Json, &moved, "{}\n");
}

fn status() -> Vec<Endpoint<StatusResponse>> {
    vec![Endpoint {
        endpoint: "127.0.0.1:2379".to_owned(),
        answer: StatusResponse {
            header: header(31),
            version: "3.7.1".to_owned(),
            db_size: 24_576,
            leader: MEMBER,
            raft_index: 71,
            raft_term: 2,
            raft_applied_index: 71,
            db_size_in_use: 20_480,
            storage_version: "3.7.0".to_owned(),
            db_size_quota: 2_147_483_648,
            downgrade_info: Some(DowngradeInfo::default()),
            ..StatusResponse::default()
        },
    }]
}

/// Monitoring reads the JSON, people read the line.
#[test]
fn status_has_every_format() {
    check(
        Format::Simple,
        &Answer::Status(status()),
        "127.0.0.1:2379, 8e9e05c52164694d, 3.7.1, 3.7.0, 25 kB, 20 kB, 17%, 2.1 GB, true, false, \
         2, 71, 71, , , false\n",
    );
    check(
        Format::Json,
        &Answer::Status(status()),
        &format!(
            "[{{\"Endpoint\":\"127.0.0.1:2379\",\"Status\":{{\"header\":{},\"version\":\"3.7.1\",\
             \"dbSize\":24576,\"leader\":10276657743932975437,\"raftIndex\":71,\"raftTerm\":2,\
             \"raftAppliedIndex\":71,\"dbSizeInUse\":20480,\"storageVersion\":\"3.7.0\",\
             \"dbSizeQuota\":2147483648,\"downgradeInfo\":{{}}}}}}]\n",
            head(31)
        ),
    );
    check(
        Format::Fields,
        &Answer::Status(status()),
        &format!(
            "{HEADER_FIELDS}\"Revision\" : 31\n\"RaftTerm\" : 2\n\"Version\" : \"3.7.1\"\n\
             \"StorageVersion\" : \"3.7.0\"\n\"DBSize\" : 24576\n\"DBSizeInUse\" : 20480\n\
             \"DBSizeQuota\" : 2147483648\n\"Leader\" : 10276657743932975437\n\
             \"IsLearner\" : false\n\"RaftIndex\" : 71\n\"RaftTerm\" : 2\n\
             \"RaftAppliedIndex\" : 71\n\"Errors\" : []\n\"Endpoint\" : \"127.0.0.1:2379\"\n\
             \"DowngradeTargetVersion\" : \"\"\n\"DowngradeEnabled\" : false\n\n"
        ),
    );
    check_refused(
        Format::Protobuf,
        &Answer::Status(status()),
        "protobuf not supported as output format",
    );
    let mut full = status();
    full[0].answer.errors = vec!["memberID:10276657743932975437 alarm:NOSPACE".to_owned()];
    full[0].answer.downgrade_info = Some(DowngradeInfo {
        enabled: true,
        target_version: "3.6.0".to_owned(),
    });
    let text = render(Format::Json, false, &Answer::Status(full.clone()));
    assert!(text.contains(
        "\"raftAppliedIndex\":71,\"errors\":[\"memberID:10276657743932975437 alarm:NOSPACE\"],"
    ));
    assert!(text.contains("\"downgradeInfo\":{\"enabled\":true,\"targetVersion\":\"3.6.0\"}"));
    let text = render(Format::Simple, false, &Answer::Status(full));
    assert!(text.ends_with("memberID:10276657743932975437 alarm:NOSPACE, 3.6.0, true\n"));
}

/// Hashes of members are compared column by column.
#[test]
fn hashes_are_listed() {
    let hashes = Answer::HashKv(vec![Endpoint {
        endpoint: "127.0.0.1:2379".to_owned(),
        answer: HashKvResponse {
            header: header(31),
            hash: 3_370_038_415,
            compact_revision: 12,
            hash_revision: 31,
        },
    }]);
    check(Format::Simple, &hashes, "127.0.0.1:2379, 3370038415, 31\n");
    check(
        Format::Json,
        &hashes,
        &format!(
            "[{{\"Endpoint\":\"127.0.0.1:2379\",\"HashKV\":{{\"header\":{},\"hash\":3370038415,\
             \"compact_revision\":12,\"hash_revision\":31}}}}]\n",
            head(31)
        ),
    );
}

/// A sick endpoint's reason stands in its own field.
#[test]
fn health_is_listed() {
    let health = Answer::Health(vec![
        Health {
            endpoint: "127.0.0.1:2379".to_owned(),
            took: Duration::from_nanos(2_350_086),
            error: String::new(),
        },
        Health {
            endpoint: "127.0.0.1:2999".to_owned(),
            took: Duration::from_nanos(5_001_003_821),
            error: "context deadline exceeded".to_owned(),
        },
    ]);
    check(
        Format::Json,
        &health,
        "[{\"endpoint\":\"127.0.0.1:2379\",\"health\":true,\"took\":\"2.350086ms\"},\
         {\"endpoint\":\"127.0.0.1:2999\",\"health\":false,\"took\":\"5.001003821s\",\
         \"error\":\"context deadline exceeded\"}]\n",
    );
    check(
        Format::Fields,
        &health,
        "\"Endpoint\" : \"127.0.0.1:2379\"\n\"Health\" : true\n\"Took\" : 2.350086ms\n\
         \"Error\" : \n\n\"Endpoint\" : \"127.0.0.1:2999\"\n\"Health\" : false\n\
         \"Took\" : 5.001003821s\n\"Error\" : context deadline exceeded\n\n",
    );
    let table = render(Format::Table, false, &health);
    assert!(
        table.contains("│    ENDPOINT    │ HEALTH │     TOOK     │           ERROR           │")
    );
}

/// Alarms are the text form of their message.
#[test]
fn alarms_are_listed() {
    let alarms = Answer::Alarms(AlarmResponse {
        header: header(31),
        alarms: vec![AlarmMember {
            member_id: MEMBER,
            alarm: 1,
        }],
    });
    check(
        Format::Simple,
        &alarms,
        "memberID:10276657743932975437 alarm:NOSPACE\n",
    );
    check(
        Format::Json,
        &alarms,
        &format!(
            "{{\"header\":{},\"alarms\":[{{\"memberID\":10276657743932975437,\"alarm\":1}}]}}\n",
            head(31)
        ),
    );
    let cleared = Answer::Alarms(AlarmResponse::default());
    check(Format::Simple, &cleared, "");
    check(Format::Json, &cleared, "{}\n");
}

/// The version in the answer is the cluster's.
#[test]
fn downgrades_are_told() {
    let downgrade = |step| {
        let version = "3.7".to_owned();
        let answer = DowngradeResponse {
            header: header(3),
            version,
        };
        Answer::Downgrade(step, answer)
    };
    check(
        Format::Simple,
        &downgrade(DowngradeStep::Validate),
        "Downgrade validate success, cluster version 3.7\n",
    );
    check(
        Format::Json,
        &downgrade(DowngradeStep::Cancel),
        &format!("{{\"header\":{},\"version\":\"3.7\"}}\n", head(3)),
    );
}
