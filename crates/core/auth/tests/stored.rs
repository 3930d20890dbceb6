//! The bytes in the buckets, and the questions that have one right answer.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;

use auth::{Access, AuthError, AuthState, LoadError, NewUser, Password, Permission, Table, Who};
use bytes::Bytes;
use types::KeyRange;

fn add(state: &mut AuthState, name: &str) {
    let new = NewUser {
        name,
        hashed_password: "aGFzaA==",
        no_password: false,
    };
    state.user_add(new).unwrap();
}

fn enabled() -> AuthState {
    let mut state = AuthState::default();
    add(&mut state, "root");
    state.user_grant_role("root", "root").unwrap();
    state.enable().unwrap();
    state
}

fn point(key: &'static str) -> KeyRange {
    KeyRange::Point(Bytes::from(key))
}

/// Other servers read these bytes, and write them.
#[test]
fn bytes() {
    let mut state = AuthState::default();
    let changes = state
        .user_add(NewUser {
            name: "u",
            hashed_password: "aGFzaA==",
            no_password: false,
        })
        .unwrap();
    assert_eq!(changes[0].table, Table::Users);
    assert_eq!(
        changes[0].value.as_deref(),
        Some(&b"\x0a\x01u\x12\x04hash\x22\x00"[..])
    );
    assert_eq!(changes[1].key, "authRevision");
    assert_eq!(
        changes[1].value.as_deref(),
        Some(&[0, 0, 0, 0, 0, 0, 0, 2][..])
    );
    state.role_add("r1").unwrap();
    let permission = Permission {
        kind: 2,
        key: Bytes::from("k1"),
        range_end: Bytes::from("k9"),
    };
    let changes = state.role_grant_permission("r1", Some(permission)).unwrap();
    assert_eq!(
        changes[0].value.as_deref(),
        Some(&b"\x0a\x02r1\x12\x0a\x08\x02\x12\x02k1\x1a\x02k9"[..])
    );
    let changes = enabled().disable();
    assert_eq!(changes[0].value.as_deref(), Some(&[0][..]));
}

/// A damaged bucket must stop the start with a reason, not let everybody in.
#[test]
fn damage() {
    let none = BTreeMap::new();
    let bucket = |key: &'static [u8], value: &'static [u8]| {
        BTreeMap::from([(Bytes::from_static(key), Bytes::from_static(value))])
    };
    let load = AuthState::load;
    assert!(matches!(
        load(&bucket(b"authEnabled", b""), &none, &none),
        Err(LoadError::Length { len: 0, .. })
    ));
    assert!(matches!(
        load(&bucket(b"authRevision", b"\x01"), &none, &none),
        Err(LoadError::Length { len: 1, .. })
    ));
    assert!(matches!(
        load(&none, &bucket(b"u", b"\xff"), &none),
        Err(LoadError::Record { kind: "user", .. })
    ));
    assert!(matches!(
        load(&none, &none, &bucket(b"\xff", b"")),
        Err(LoadError::Name { kind: "role" })
    ));
    assert_eq!(load(&none, &none, &none).unwrap().revision(), 1);
}

/// Whoever was identified before a change has to be identified again.
#[test]
fn who_asks() {
    let mut state = enabled();
    add(&mut state, "u");
    let now = state.revision();
    let ask = |state: &AuthState, user, revision| {
        state.check(Who { user, revision }, Access::Read, &point("k"))
    };
    assert_eq!(ask(&state, "", 0), Err(AuthError::UserEmpty));
    assert_eq!(ask(&state, "root", now - 1), Err(AuthError::OldRevision));
    assert_eq!(ask(&state, "root", now), Ok(()));
    assert_eq!(ask(&state, "u", now), Err(AuthError::PermissionDenied));
    assert_eq!(ask(&state, "x", now), Err(AuthError::PermissionDenied));
    let admin = |user| {
        state.check_admin(Who {
            user,
            revision: now,
        })
    };
    assert_eq!(admin(""), Err(AuthError::UserEmpty));
    assert_eq!(admin("x"), Err(AuthError::UserNotFound));
    assert_eq!(admin("u"), Err(AuthError::PermissionDenied));
    state.disable();
    assert_eq!(ask(&state, "", 0), Ok(()));
}

/// Users see themselves and their roles, and no others.
#[test]
fn own_records() {
    let mut state = enabled();
    add(&mut state, "u");
    state.role_add("r").unwrap();
    state.user_grant_role("u", "r").unwrap();
    let who = Who {
        user: "u",
        revision: state.revision(),
    };
    assert_eq!(state.check_user_get(who, "u"), Ok(()));
    assert_eq!(
        state.check_user_get(who, "root"),
        Err(AuthError::PermissionDenied)
    );
    assert_eq!(state.check_role_get(who, "r"), Ok(()));
    assert_eq!(
        state.check_role_get(who, "root"),
        Err(AuthError::PermissionDenied)
    );
    assert_eq!(
        state.check_role_get(Who::default(), "r"),
        Err(AuthError::UserEmpty)
    );
}

/// The role `root` shows that it may do everything, once it exists.
#[test]
fn the_root_role() {
    let mut state = enabled();
    assert_eq!(state.role_permissions("root"), Err(AuthError::RoleNotFound));
    state.role_add("root").unwrap();
    assert_eq!(state.role_permissions("root"), Ok(vec![Permission::all()]));
}

/// Logging in needs authentication to be on, a user, and a password.
#[test]
fn passwords() {
    let mut state = AuthState::default();
    assert_eq!(state.password("root"), Err(AuthError::NotEnabled));
    state = enabled();
    let cert = NewUser {
        name: "cert",
        hashed_password: "",
        no_password: true,
    };
    state.user_add(cert).unwrap();
    assert_eq!(state.password("x"), Err(AuthError::Failed));
    assert_eq!(state.password("cert"), Ok(Password::None));
    assert_eq!(state.authenticate("cert"), Err(AuthError::Failed));
    assert_eq!(state.authenticate("root"), Ok(()));
    let hash = state.password("root").unwrap();
    assert_eq!(hash, Password::Hash(Bytes::from("hash")));
    state.user_change_password("cert", "aGFzaA==").unwrap();
    assert_eq!(state.password("cert"), Ok(Password::None));
    assert!(!format!("{state:?}{hash:?}").contains("hash\""));
}
