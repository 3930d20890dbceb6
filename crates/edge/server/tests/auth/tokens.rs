//! Tokens and what becomes of them; watches and what becomes of their rights.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Duration;

use client::{Client, Config, Credentials};
use proto::etcdserverpb::{
    AuthDisableRequest, AuthUserChangePasswordRequest, AuthUserDeleteRequest, AuthUserListRequest,
    AuthUserListResponse, PutRequest, RangeRequest, RangeResponse, WatchCreateRequest,
};

use crate::support::Member;
use crate::support::raw::RawClient;
use crate::world::{AUTH, BAD_TOKEN, KV, USER_EMPTY, World, password};

async fn read(world: &World, token: &str) -> Result<(), String> {
    let range = RangeRequest {
        key: "k1".into(),
        ..RangeRequest::default()
    };
    let answer: Result<RangeResponse, _> = world.raw.ask((KV, "Range"), Some(token), &range).await;
    answer.map(drop)
}

fn put(key: &'static str) -> PutRequest {
    PutRequest {
        key: key.into(),
        ..PutRequest::default()
    }
}

/// A token must not outlive the password that it was given for, nor its user.
#[tokio::test]
async fn tokens_end_with_their_password() {
    let world = World::new().await;
    assert_eq!(read(&world, &world.exact).await, Ok(()));
    let (secret, index) = world.exact.split_once('.').unwrap();
    assert!(
        secret.len() == 16 && index.parse::<u64>().is_ok(),
        "{}",
        world.exact
    );
    // Changes of others, and of rights, leave it alone.
    world.grant(0, "z", "").await;
    assert_eq!(read(&world, &world.exact).await, Ok(()));
    let changed = AuthUserChangePasswordRequest {
        name: "exact".into(),
        password: password("changed"),
        ..AuthUserChangePasswordRequest::default()
    };
    world.administer("UserChangePassword", &changed).await;
    assert_eq!(read(&world, &world.exact).await, Err(BAD_TOKEN.to_owned()));
    let failed = world
        .raw
        .token("exact", &password("exact"))
        .await
        .unwrap_err();
    assert_eq!(
        failed.message(),
        "etcdserver: authentication failed, invalid user ID or password"
    );
    let token = world
        .raw
        .token("exact", &password("changed"))
        .await
        .unwrap();
    assert_eq!(read(&world, &token).await, Ok(()));
    world
        .administer(
            "UserDelete",
            &AuthUserDeleteRequest {
                name: "exact".into(),
            },
        )
        .await;
    assert_eq!(read(&world, &token).await, Err(BAD_TOKEN.to_owned()));
    world
        .administer("AuthDisable", &AuthDisableRequest {})
        .await;
    assert_eq!(
        read(&world, &world.stranger).await,
        Ok(()),
        "tokens are not looked at"
    );
    let off = world
        .raw
        .token("root", &password("root"))
        .await
        .unwrap_err();
    assert_eq!(off.message(), "etcdserver: authentication is not enabled");
}

/// Users, roles and their rights are on the disk; simple tokens are not.
#[tokio::test]
async fn restart() {
    let world = World::new().await;
    let World { member, root, .. } = world;
    let member = Member::on(member.stop(), |_| {}).await;
    let raw = RawClient::connect(&member.url).await;
    let list = AuthUserListRequest {};
    let nobody: Result<AuthUserListResponse, _> = raw.ask((AUTH, "UserList"), None, &list).await;
    assert_eq!(nobody.map(drop), Err(USER_EMPTY.to_owned()));
    // The entry of the login may be applied again, as in etcd: then the token lives again.
    let old: Result<AuthUserListResponse, _> =
        raw.ask((AUTH, "UserList"), Some(&root), &list).await;
    if let Err(refused) = old {
        assert_eq!(refused, BAD_TOKEN);
    }
    let token = raw.token("root", &password("root")).await.unwrap();
    let users: AuthUserListResponse = raw
        .ask((AUTH, "UserList"), Some(&token), &list)
        .await
        .unwrap();
    assert_eq!(users.users, ["exact", "root", "stranger"]);
}

/// A token that is not used for its time to live ends, and a client with a password gets another.
#[tokio::test]
async fn time_to_live() {
    let member = Member::with(|config| {
        config.engine.credentials.simple_ttl = Duration::from_millis(1);
    })
    .await;
    let raw = RawClient::connect(&member.url).await;
    crate::world::add_user(&raw, None, "root").await;
    let grant = proto::etcdserverpb::AuthUserGrantRoleRequest {
        user: "root".into(),
        role: "root".into(),
    };
    member.client.user_grant_role(grant).await.unwrap();
    member.client.auth_enable(Default::default()).await.unwrap();
    let token = raw.token("root", &password("root")).await.unwrap();
    let list = AuthUserListRequest {};
    // It ends sooner or later, however slow the machine is; the test looks until it has.
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let answer: Result<AuthUserListResponse, _> =
            raw.ask((AUTH, "UserList"), Some(&token), &list).await;
        match answer {
            Ok(_) => {}
            Err(refused) => break assert_eq!(refused, BAD_TOKEN),
        }
    }
}

async fn client(world: &World, user: &str) -> Client {
    let config = Config {
        endpoints: vec![world.member.url.clone()],
        credentials: Credentials::Password {
            name: user.to_owned(),
            password: password(user),
        },
        ..Config::default()
    };
    Client::connect(config).await.unwrap()
}

/// A watch loses what its user may no longer read, at once and without a further event; the others
/// of the stream go on.
#[tokio::test]
async fn watches_lose_their_rights() {
    let world = World::new().await;
    world.grant(0, "m", "n").await;
    let client = client(&world, "exact").await;
    let watcher = client.watcher(false);
    let watch = |key: &'static str, range_end: &'static str| {
        watcher.watch(WatchCreateRequest {
            key: key.into(),
            range_end: range_end.into(),
            ..WatchCreateRequest::default()
        })
    };
    let mut lost = watch("k", "l").await;
    let mut kept = watch("m", "n").await;
    world.put(&world.root, &put("k1")).await.unwrap();
    let first = lost.next().await.unwrap().unwrap();
    assert_eq!(first.events.len(), 1);
    world.revoke("k", "l").await;
    world.put(&world.root, &put("k1")).await.unwrap();
    world.put(&world.root, &put("m1")).await.unwrap();
    let end = lost.next().await;
    let text = format!("{end:?}");
    assert!(text.contains("permission denied"), "{text}");
    let event = kept.next().await.unwrap().unwrap();
    assert_eq!(event.events.len(), 1);
}
