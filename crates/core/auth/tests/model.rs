//! Random histories of users, roles and permissions, against a model of plain lists.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::{BTreeMap, BTreeSet};

use auth::{Access, AuthError, AuthState, BucketChange, NewUser, Permission, Table, Who};
use bytes::Bytes;
use proptest::prelude::*;
use types::KeyRange;

const NAMES: [&str; 4] = ["", "root", "a", "b"];
const KEYS: [&str; 5] = ["", "\0", "k", "m", "z"];

#[derive(Clone, Copy, Debug)]
enum Op {
    Enable,
    Disable,
    UserAdd(usize, bool),
    UserDelete(usize),
    ChangePassword(usize, bool),
    GrantRole(usize, usize),
    RevokeRole(usize, usize),
    RoleAdd(usize),
    RoleDelete(usize),
    Grant(usize, i32, usize, usize),
    Revoke(usize, usize, usize),
}

fn ops() -> impl Strategy<Value = Op> {
    let (name, key) = (0..NAMES.len(), 0..KEYS.len());
    prop_oneof![
        Just(Op::Enable),
        Just(Op::Disable),
        (name.clone(), any::<bool>()).prop_map(|(u, none)| Op::UserAdd(u, none)),
        name.clone().prop_map(Op::UserDelete),
        (name.clone(), any::<bool>()).prop_map(|(u, good)| Op::ChangePassword(u, good)),
        (name.clone(), name.clone()).prop_map(|(u, r)| Op::GrantRole(u, r)),
        (name.clone(), name.clone()).prop_map(|(u, r)| Op::RevokeRole(u, r)),
        name.clone().prop_map(Op::RoleAdd),
        name.clone().prop_map(Op::RoleDelete),
        (name.clone(), 0..4, key.clone(), key.clone())
            .prop_map(|(r, kind, k, e)| Op::Grant(r, kind, k, e)),
        (name, key.clone(), key).prop_map(|(r, k, e)| Op::Revoke(r, k, e)),
    ]
}

/// The rules, written down once more in the plainest way.
#[derive(Clone, Default)]
struct Model {
    enabled: bool,
    changes: u64,
    users: BTreeMap<&'static str, BTreeSet<&'static str>>,
    roles: BTreeMap<&'static str, Vec<(i32, &'static str, &'static str)>>,
}

impl Model {
    fn apply(&mut self, op: Op) -> Result<(), AuthError> {
        let mut counts = true;
        match op {
            Op::Enable => {
                let root = self.users.get("root");
                let root = root.ok_or(AuthError::RootUserNotExist);
                if !self.enabled && !root?.contains("root") {
                    return Err(AuthError::RootRoleNotExist);
                }
                self.enabled = true;
                counts = false;
            }
            Op::Disable => counts = std::mem::take(&mut self.enabled),
            Op::UserAdd(user, _) if NAMES[user].is_empty() => return Err(AuthError::UserEmpty),
            Op::UserAdd(user, _) => {
                if self.users.contains_key(NAMES[user]) {
                    return Err(AuthError::UserExists);
                }
                self.users.insert(NAMES[user], BTreeSet::new());
            }
            Op::UserDelete(user) => {
                self.protect(NAMES[user] == "root")?;
                let removed = self.users.remove(NAMES[user]);
                removed.ok_or(AuthError::UserNotFound)?;
            }
            Op::ChangePassword(user, good) => {
                self.user(user)?;
                if !good {
                    return Err(AuthError::NoPasswordUser);
                }
            }
            Op::GrantRole(user, role) => {
                let is_known = NAMES[role] == "root" || self.roles.contains_key(NAMES[role]);
                let user = self.user(user)?;
                if !is_known {
                    return Err(AuthError::RoleNotFound);
                }
                counts = user.insert(NAMES[role]);
            }
            Op::RevokeRole(user, role) => {
                self.protect(NAMES[user] == "root" && NAMES[role] == "root")?;
                if !self.user(user)?.remove(NAMES[role]) {
                    return Err(AuthError::RoleNotGranted);
                }
            }
            Op::RoleAdd(role) if NAMES[role].is_empty() => return Err(AuthError::RoleEmpty),
            Op::RoleAdd(role) => {
                if self.roles.contains_key(NAMES[role]) {
                    return Err(AuthError::RoleExists);
                }
                self.roles.insert(NAMES[role], Vec::new());
            }
            Op::RoleDelete(role) => {
                self.protect(NAMES[role] == "root")?;
                self.role(role)?;
                self.roles.remove(NAMES[role]);
                for roles in self.users.values_mut() {
                    roles.remove(NAMES[role]);
                }
            }
            Op::Grant(role, kind, key, end) => {
                let (key, end) = (KEYS[key], KEYS[end]);
                let is_range = end.is_empty() || end == "\0" || key < end;
                if key.is_empty() || !is_range {
                    return Err(AuthError::InvalidManagement);
                }
                let permissions = self.role(role)?;
                let first = permissions.iter_mut().find(|(_, other, _)| *other == key);
                match first {
                    Some(first) if first.2 == end => first.0 = kind,
                    _ => permissions.push((kind, key, end)),
                }
                permissions.sort_by_key(|(_, key, _)| *key);
            }
            Op::Revoke(role, key, end) => {
                let permissions = self.role(role)?;
                let before = permissions.len();
                permissions.retain(|(_, k, e)| (*k, *e) != (KEYS[key], KEYS[end]));
                if permissions.len() == before {
                    return Err(AuthError::PermissionNotGranted);
                }
            }
        }
        self.changes += u64::from(counts);
        Ok(())
    }

    fn protect(&self, is_root: bool) -> Result<(), AuthError> {
        if self.enabled && is_root {
            return Err(AuthError::InvalidManagement);
        }
        Ok(())
    }

    fn user(&mut self, user: usize) -> Result<&mut BTreeSet<&'static str>, AuthError> {
        let user = self.users.get_mut(NAMES[user]);
        user.ok_or(AuthError::UserNotFound)
    }

    fn role(
        &mut self,
        role: usize,
    ) -> Result<&mut Vec<(i32, &'static str, &'static str)>, AuthError> {
        let role = self.roles.get_mut(NAMES[role]);
        role.ok_or(AuthError::RoleNotFound)
    }

    /// One key at a time: whether some permission of some role holds it.
    fn may(&self, user: &str, kind: i32, key: &str) -> bool {
        let Some(roles) = self.users.get(user) else {
            return false;
        };
        roles.contains("root")
            || roles
                .iter()
                .filter_map(|role| self.roles.get(role))
                .flatten()
                .any(|(granted, start, end)| {
                    (*granted == kind || *granted == 2)
                        && range(start, end).contains(key.as_bytes())
                })
    }
}

fn range(key: &str, end: &str) -> KeyRange {
    KeyRange::new(
        Bytes::copy_from_slice(key.as_bytes()),
        Bytes::copy_from_slice(end.as_bytes()),
    )
    .unwrap()
}

fn run(state: &mut AuthState, op: Op) -> Result<Vec<BucketChange>, AuthError> {
    match op {
        Op::Enable => state.enable(),
        Op::Disable => Ok(state.disable()),
        Op::UserAdd(user, no_password) => state.user_add(NewUser {
            name: NAMES[user],
            hashed_password: "aGFzaA==",
            no_password,
        }),
        Op::UserDelete(user) => state.user_delete(NAMES[user]),
        Op::ChangePassword(user, true) => state.user_change_password(NAMES[user], "bmV3"),
        Op::ChangePassword(user, false) => state.user_change_password(NAMES[user], "*"),
        Op::GrantRole(user, role) => state.user_grant_role(NAMES[user], NAMES[role]),
        Op::RevokeRole(user, role) => state.user_revoke_role(NAMES[user], NAMES[role]),
        Op::RoleAdd(role) => state.role_add(NAMES[role]),
        Op::RoleDelete(role) => state.role_delete(NAMES[role]),
        Op::Grant(role, kind, key, end) => {
            let permission = Permission {
                kind,
                key: Bytes::from(KEYS[key]),
                range_end: Bytes::from(KEYS[end]),
            };
            state.role_grant_permission(NAMES[role], Some(permission))
        }
        Op::Revoke(role, key, end) => {
            state.role_revoke_permission(NAMES[role], KEYS[key].as_bytes(), KEYS[end].as_bytes())
        }
    }
}

/// The buckets as the changes make them.
#[derive(Default)]
struct Buckets([BTreeMap<Bytes, Bytes>; 3]);

impl Buckets {
    fn take(&mut self, changes: Vec<BucketChange>) {
        for change in changes {
            let bucket = &mut self.0[match change.table {
                Table::Auth => 0,
                Table::Users => 1,
                Table::Roles => 2,
            }];
            match change.value {
                Some(value) => bucket.insert(change.key, value),
                None => bucket.remove(&change.key),
            };
        }
    }

    fn load(&self) -> AuthState {
        AuthState::load(&self.0[0], &self.0[1], &self.0[2]).unwrap()
    }
}

fn check_same(state: &AuthState, model: &Model) {
    assert_eq!(state.is_enabled(), model.enabled);
    assert_eq!(state.revision(), 1 + model.changes);
    assert!(state.user_names().iter().eq(model.users.keys()));
    assert!(state.role_names().iter().eq(model.roles.keys()));
    for (user, roles) in &model.users {
        assert!(state.user_roles(user).unwrap().iter().eq(roles), "{user}");
        let who = Who {
            user,
            revision: state.revision(),
        };
        assert_eq!(
            state.check_admin(who).is_ok(),
            !model.enabled || (!user.is_empty() && roles.contains("root"))
        );
        for key in &KEYS[1..] {
            for (access, kind) in [(Access::Read, 0), (Access::Write, 1)] {
                let may = state.check(who, access, &range(key, "")).is_ok();
                let expected = !model.enabled || model.may(user, kind, key);
                assert_eq!(may, expected, "{user} {access:?} {key:?}");
            }
        }
    }
    for (role, permissions) in model.roles.iter().filter(|(role, _)| **role != "root") {
        let shown = state.role_permissions(role).unwrap();
        let shown = shown
            .iter()
            .map(|p| (p.kind, str(&p.key), str(&p.range_end)));
        assert!(shown.eq(permissions.iter().copied()), "{role}");
    }
}

fn str(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// State, answers, rights and revision are the model's after every step; what was stored is the
    /// state; a refusal leaves no trace.
    #[test]
    fn histories(history in prop::collection::vec(ops(), 1..60)) {
        let (mut state, mut model, mut buckets) =
            (AuthState::default(), Model::default(), Buckets::default());
        for op in history {
            // A password is changed only on users that have one, here.
            if let Op::ChangePassword(user, false) = op
                && state.user_roles(NAMES[user]).is_ok()
                && has_none(&state, NAMES[user])
            {
                continue;
            }
            let mut expected = model.clone();
            let outcome = run(&mut state, op);
            prop_assert_eq!(outcome.as_ref().err().copied(), expected.apply(op).err(), "{:?}", op);
            if let Ok(changes) = outcome {
                model = expected;
                buckets.take(changes);
            }
            check_same(&state, &model);
            check_same(&buckets.load(), &model);
        }
    }
}

/// Whether a user has no password, also while authentication is off.
fn has_none(state: &AuthState, user: &str) -> bool {
    let mut probe = state.clone();
    let _ = probe.user_add(NewUser {
        name: "root",
        hashed_password: "",
        no_password: false,
    });
    let _ = probe.user_grant_role("root", "root");
    probe.enable().unwrap();
    probe.password(user) == Ok(auth::Password::None)
}
