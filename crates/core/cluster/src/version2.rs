//! The membership in the form of etcd's version 2: the tree of keys that a `.snap` file carries.
//!
//! ```text
//! /0/members/<id>/raftAttributes   {"peerURLs":[…],"isLearner":true}
//! /0/members/<id>/attributes       {"name":"…","clientURLs":[…]}       once the member is known
//! /0/removed_members/<id>          ""
//! /0/version                       "3.7.0"
//! /1                               empty
//! ```
//! etcd 3.5 and 3.6 need it to start, 3.7 does not read it. It is only ever written here.

use std::collections::BTreeMap;

use serde::Serialize;
use types::Index;

use crate::json;
use crate::member::Member;
use crate::membership::Membership;

/// The ring of past events, which etcd indexes without asking for its size.
const EVENTS: usize = 1000;
/// The version of the form.
const VERSION: u64 = 2;

/// The tree and the empty state around it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Store {
    root: Node,
    watcher_hub: WatcherHub,
    current_index: u64,
    stats: BTreeMap<(), ()>,
    current_version: u64,
}

/// A directory, or a value without children.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    path: String,
    created_index: u64,
    modified_index: u64,
    expire_time: &'static str,
    value: String,
    children: Option<BTreeMap<String, Node>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WatcherHub {
    event_history: EventHistory,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EventHistory {
    queue: Queue,
    start_index: u64,
    last_index: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Queue {
    events: Vec<Option<()>>,
    size: u64,
    front: u64,
    back: u64,
    capacity: usize,
}

#[derive(Serialize)]
struct RaftAttributes<'a> {
    #[serde(rename = "peerURLs")]
    peer_urls: &'a [String],
    #[serde(rename = "isLearner", skip_serializing_if = "is_false")]
    is_learner: bool,
}

#[derive(Serialize)]
struct Attributes<'a> {
    name: &'a str,
    #[serde(rename = "clientURLs", skip_serializing_if = "<[String]>::is_empty")]
    client_urls: &'a [String],
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Membership {
    /// The membership as the data of a `.snap` file at `index`.
    #[must_use]
    pub fn encode_version2(&self, index: Index) -> String {
        let mut root = Node::directory("/");
        root.child("0");
        root.child("1");
        let zero = root.child("0");
        if let Some(version) = self.version() {
            zero.set("version", version.to_string());
        }
        for member in self.members() {
            let node = zero.child("members").child(&member.id.to_string());
            put_member(node, member);
        }
        for id in self.removed() {
            zero.child("removed_members")
                .set(&id.to_string(), String::new());
        }
        json::encode(&Store {
            root,
            watcher_hub: WatcherHub::empty(),
            current_index: index.0,
            stats: BTreeMap::new(),
            current_version: VERSION,
        })
    }
}

fn put_member(node: &mut Node, member: &Member) {
    let raft = RaftAttributes {
        peer_urls: &member.peer_urls,
        is_learner: member.is_learner,
    };
    node.set("raftAttributes", json::encode(&raft));
    if member.is_started() || !member.client_urls.is_empty() {
        let attributes = Attributes {
            name: &member.name,
            client_urls: &member.client_urls,
        };
        node.set("attributes", json::encode(&attributes));
    }
}

impl Node {
    fn new(path: String, value: String, children: Option<BTreeMap<String, Self>>) -> Self {
        Self {
            path,
            created_index: 0,
            modified_index: 0,
            expire_time: "0001-01-01T00:00:00Z",
            value,
            children,
        }
    }

    fn directory(path: &str) -> Self {
        Self::new(path.to_owned(), String::new(), Some(BTreeMap::new()))
    }

    /// The directory of that name, which is made when it is missing.
    fn child(&mut self, name: &str) -> &mut Self {
        let path = self.path_of(name);
        let children = self.children.get_or_insert_default();
        children
            .entry(name.to_owned())
            .or_insert_with(|| Self::directory(&path))
    }

    fn set(&mut self, name: &str, value: String) {
        let node = Self::new(self.path_of(name), value, None);
        self.children
            .get_or_insert_default()
            .insert(name.to_owned(), node);
    }

    fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.path.trim_end_matches('/'))
    }
}

impl WatcherHub {
    fn empty() -> Self {
        let queue = Queue {
            events: vec![None; EVENTS],
            size: 0,
            front: 0,
            back: 0,
            capacity: EVENTS,
        };
        Self {
            event_history: EventHistory {
                queue,
                start_index: 0,
                last_index: 0,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use types::{ClusterId, MemberId};

    use super::*;
    use crate::{Change, Options, Version};

    /// etcd 3.5 takes the members from here: one that is missing has no vote any more.
    #[test]
    fn holds_the_whole_membership() {
        let mut membership = Membership::new(ClusterId(1), Options::default());
        for (id, is_learner) in [(0xa1, false), (0xb2, true), (0xc3, false)] {
            let member = Member {
                id: MemberId(id),
                peer_urls: vec![format!("http://{id}:2380")],
                is_learner,
                ..Member::default()
            };
            membership.apply(&Change::Add(member)).unwrap();
        }
        let urls = ["http://c:2379".to_owned()];
        membership
            .set_attributes(MemberId(0xa1), "n1", &urls)
            .unwrap();
        membership.apply(&Change::Remove(MemberId(0xc3))).unwrap();
        membership.set_version(Version::minor(3, 7));
        let text = membership.encode_version2(Index(77));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["CurrentIndex"], 77);
        assert_eq!(json["CurrentVersion"], 2);
        let queue = &json["WatcherHub"]["EventHistory"]["Queue"];
        assert_eq!(queue["Events"].as_array().unwrap().len(), 1000);
        let zero = &json["Root"]["Children"]["0"]["Children"];
        let first = &zero["members"]["Children"]["a1"];
        assert_eq!(first["Path"], "/0/members/a1");
        let value = |node: &serde_json::Value, name: &str| node["Children"][name]["Value"].clone();
        assert_eq!(
            value(first, "raftAttributes"),
            r#"{"peerURLs":["http://161:2380"]}"#
        );
        assert_eq!(
            value(first, "attributes"),
            r#"{"name":"n1","clientURLs":["http://c:2379"]}"#
        );
        assert!(first["Children"]["attributes"]["Children"].is_null());
        let second = &zero["members"]["Children"]["b2"];
        assert_eq!(
            value(second, "raftAttributes"),
            r#"{"peerURLs":["http://178:2380"],"isLearner":true}"#
        );
        assert!(second["Children"]["attributes"].is_null());
        assert_eq!(zero["removed_members"]["Children"]["c3"]["Value"], "");
        assert_eq!(zero["version"]["Value"], "3.7.0");
        let one = &json["Root"]["Children"]["1"];
        assert_eq!(one["Children"], serde_json::json!({}));
    }

    /// A cluster that was never told anything has a tree as well.
    #[test]
    fn an_empty_membership_has_a_tree() {
        let membership = Membership::new(ClusterId(1), Options::default());
        let text = membership.encode_version2(Index(0));
        assert!(
            text.starts_with(r#"{"Root":{"Path":"/","CreatedIndex":0,"#),
            "{text}"
        );
        assert!(text.contains(r#""Stats":{},"#));
        assert!(!text.contains("members"));
    }
}
