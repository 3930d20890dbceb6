//! Configuration files: forms, types and refusals.

use super::*;

fn refused(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

const SAMPLE: &str = "
# A comment.
name: m1
data-dir: /var/lib/etcd
listen-client-urls: http://127.0.0.1:2379,unix://localhost:23790
listen-client-http-urls: http://127.0.0.1:2377
advertise-client-urls: http://127.0.0.1:2379
initial-cluster: m1=http://127.0.0.1:2380
watch-progress-notify-interval: 600000000000
feature-gates: CompactHashCheck=true
log-outputs: [stderr]
socket-options: {reuse-port: true}
peer-transport-security: {auto-tls: true, allowed-cn: [peer1, peer2]}
discovery-config: {token: t, client: {endpoints: [a, b], dial-timeout: 5, secure: {cert: c}, auth: {username: u}}}
proxy: off
discovery: https://example.com
raft-read-timeout: what
";

/// A member that is moved here brings its file along.
#[test]
fn a_file_sets_what_it_names() {
    let settings = read(SAMPLE).unwrap();
    assert_eq!(settings.text("name"), "m1");
    assert_eq!(
        settings.url_texts("listen-client-urls"),
        ["http://127.0.0.1:2379", "unix://localhost:23790"]
    );
    assert_eq!(
        settings
            .duration("watch-progress-notify-interval")
            .to_string(),
        "10m0s"
    );
    assert!(settings.gates().is_on("CompactHashCheck"));
    assert_eq!(settings.list("log-outputs"), ["stderr"]);
    assert!(settings.is_on("socket-reuse-port") && settings.is_on("peer-auto-tls"));
    assert_eq!(settings.list("peer-cert-allowed-cn"), ["peer1", "peer2"]);
    assert_eq!(settings.list("discovery-endpoints"), ["a", "b"]);
    assert_eq!(settings.text("discovery-cert"), "c");
    assert_eq!(settings.text("discovery-user"), "u");
    assert_eq!(settings.source("election-timeout"), Source::Default);
}

#[test]
fn json_is_yaml() {
    let settings = read(r#"{"NAME": "a", "heartbeat-interval": 7, "name": "b"}"#).unwrap();
    assert_eq!(settings.text("name"), "b");
    assert_eq!(settings.uint("heartbeat-interval"), 7);
}

#[test]
fn nothing_leaves_the_defaults() {
    for text in [
        "",
        "# only a comment\n",
        "---\n",
        "name:\n",
        "name: null\ncors: ''\ninitial-cluster-state: ''",
    ] {
        let settings = read(text).unwrap();
        assert!(!settings.is_set("name"), "{text:?}");
        assert_eq!(settings.text("initial-cluster-state"), "new");
    }
}

/// A value of the wrong type must not be guessed at.
#[test]
fn types_are_strict() {
    for (text, error) in [
        (
            "heartbeat-interval: \"100\"",
            "string into Go struct field configYAML.Config.heartbeat-interval of type uint",
        ),
        (
            "name: 5",
            "number into Go struct field configYAML.Config.name of type string",
        ),
        (
            "auto-compaction-retention: 1",
            "number into Go struct field configYAML.Config.auto-compaction-retention of type string",
        ),
        (
            "enable-pprof: \"true\"",
            "string into Go struct field configYAML.Config.enable-pprof of type bool",
        ),
        (
            "corrupt-check-time: 10m",
            "string into Go struct field configYAML.Config.corrupt-check-time of type time.Duration",
        ),
        (
            "max-wals: -1",
            "number -1 into Go struct field configYAML.Config.max-wals of type uint",
        ),
        (
            "listen-client-urls: [http://a:1]",
            "array into Go struct field configYAML.configJSON.listen-client-urls of type string",
        ),
        (
            "log-outputs: stderr",
            "string into Go struct field configYAML.Config.log-outputs of type []string",
        ),
        (
            "client-transport-security: yes please",
            "string into Go struct field configYAML.configJSON.client-transport-security of type embed.securityConfig",
        ),
        (
            "client-transport-security: {cert-file: 1}",
            "number into Go struct field securityConfig.configJSON.client-transport-security.cert-file of type string",
        ),
        ("[a]", "array into Go value of type embed.configYAML"),
    ] {
        let start = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ";
        let found = refused(text);
        let (found, place) = found.split_once(" (line ").unwrap_or((&found, ""));
        assert_eq!(found, format!("{start}{error}"));
        // What is no key has no place.
        let key = error
            .rsplit_once("struct field ")
            .map_or("", |(_, rest)| rest);
        let key = key.split(" of type").next().unwrap().splitn(3, '.').nth(2);
        let expected = key.map_or(String::new(), |key| format!("1, key {key})"));
        assert_eq!(place, expected);
    }
}

#[test]
fn other_refusals() {
    let yaml = refused("name: [a\nb: c");
    assert!(
        yaml.starts_with("error converting YAML to JSON: yaml: line "),
        "{yaml}"
    );
    assert_eq!(
        refused("initial-cluster-state: foo"),
        "unexpected clusterState \"foo\" (line 1, key initial-cluster-state)"
    );
    assert_eq!(
        refused("advertise-client-urls: foo"),
        "unexpected error setting up advertise-peer-urls: URL scheme must be http, https, unix, or unixs: foo (line 1, key advertise-client-urls)"
    );
    assert_eq!(
        refused("name: a\nfeature-gates: Foo=true"),
        "unrecognized feature gate: Foo (line 2, key feature-gates)"
    );
    let missing = load("/nowhere/f.yml").unwrap_err().to_string();
    assert_eq!(missing, "open /nowhere/f.yml: no such file or directory");
}
