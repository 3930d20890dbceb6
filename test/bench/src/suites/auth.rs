//! Puts and gets of a user with a token, and what many authentications do to others.

use anyhow::{Context as _, Result};
use proto::authpb::Permission;
use proto::authpb::permission::Type;
use proto::etcdserverpb::{
    AuthEnableRequest, AuthEnableResponse, AuthRoleAddRequest, AuthRoleAddResponse,
    AuthRoleGrantPermissionRequest, AuthRoleGrantPermissionResponse, AuthUserAddRequest,
    AuthUserAddResponse, AuthUserGrantRoleRequest, AuthUserGrantRoleResponse, AuthenticateRequest,
    AuthenticateResponse,
};

use super::{Bench, CALM, HUNDRED, PUT_KEYS, fill};
use crate::cluster::Setup;
use crate::load::{Load, Shape};
use crate::options::Kind;
use crate::requests::{Ask, PASSWORD, PREFIX, PREFIX_END, USER};
use crate::results::Metric;
use crate::table::{Goal, Row};
use crate::target::Target;

const SIMPLE: [&str; 2] = ["put, simple token", "linearizable get, simple token"];
const JWT: [&str; 2] = [
    "put, signed token (HS256)",
    "linearizable get, signed token (HS256)",
];
const BEFORE: &str = "1,000 gets a second, calm";
const MEANWHILE: &str = "1,000 gets a second, 200 clients authenticate";

const STORM: Shape = Shape::eager(200, 1);
/// The user that may do everything, without whom authentication cannot be enabled.
const ROOT: &str = "root";
/// What signs tokens. With a shared key they cost the published etcd least.
const KEY: &str = "a key of the length that HS256 wants, at least";

const fn cpu(load: &'static str, title: &'static str) -> Row {
    Row {
        load,
        metric: Metric::CpuMicros,
        title,
        goal: Goal::Ratio(0.4),
    }
}

pub(super) const ROWS: [Row; 5] = [
    cpu(SIMPLE[0], "CPU a put with a simple token, µs"),
    cpu(SIMPLE[1], "CPU a linearizable get with a simple token, µs"),
    cpu(JWT[0], "CPU a put with a signed token, µs"),
    cpu(JWT[1], "CPU a linearizable get with a signed token, µs"),
    Row {
        load: MEANWHILE,
        metric: Metric::P99,
        title: "get p99 while 200 clients authenticate, times that before",
        goal: Goal::TimesCalm(BEFORE, 2.0),
    },
];

/// Runs all rounds, the servers in turn.
pub(super) async fn run(bench: &mut Bench<'_>) -> Result<()> {
    let dir = bench.options.fresh_dir()?;
    let key = dir.path().join("key");
    std::fs::write(&key, KEY)?;
    let jwt = format!("jwt,priv-key={},sign-method=HS256,ttl=1h", key.display());
    for _ in 0..bench.options.rounds {
        for (tokens, titles) in [("simple", SIMPLE), (&jwt, JWT)] {
            for kind in bench.options.kinds() {
                let run = run_one(tokens, titles, kind, bench).await;
                run.with_context(|| format!("{tokens} on {kind:?}"))?;
            }
        }
    }
    Ok(())
}

async fn run_one(
    tokens: &str,
    [put, get]: [&'static str; 2],
    kind: Kind,
    bench: &mut Bench<'_>,
) -> Result<()> {
    let setup = Setup {
        flags: vec![format!("--auth-token={tokens}")],
        ..Setup::default()
    };
    let cluster = bench.start(kind, &setup).await?;
    let open = cluster.targets();
    fill(&open, PUT_KEYS).await?;
    enable(&open[0]).await?;
    let locked = [open[0].with_token(authenticate(&open[0]).await?)];
    let load = |ask, shape| Load {
        targets: &locked,
        ask,
        shape,
    };
    let ask_put = Ask::Put { keys: PUT_KEYS };
    let ask_get = Ask::Get { keys: PUT_KEYS };
    bench
        .measure(put, kind, &cluster, load(ask_put, HUNDRED))
        .await?;
    bench
        .measure(get, kind, &cluster, load(ask_get, HUNDRED))
        .await?;
    if tokens != "simple" {
        return Ok(());
    }
    bench
        .measure(BEFORE, kind, &cluster, load(ask_get, CALM))
        .await?;
    let storm = Load {
        targets: &open,
        ask: Ask::Authenticate,
        shape: STORM,
    };
    let storm = storm.start();
    let mut sample = bench.sample(&cluster, load(ask_get, CALM)).await?;
    storm.stop()?;
    // Nearly all of it is that of the passwords.
    sample.remove(&Metric::CpuMicros);
    bench.results.add(MEANWHILE, kind, sample);
    Ok(())
}

/// Makes the two users, and enables authentication.
async fn enable(target: &Target) -> Result<()> {
    for (user, role) in [(ROOT, ROOT), (USER, USER)] {
        let add = AuthUserAddRequest {
            name: user.to_owned(),
            password: PASSWORD.to_owned(),
            ..AuthUserAddRequest::default()
        };
        let _: AuthUserAddResponse = target.call("/etcdserverpb.Auth/UserAdd", &add).await?;
        let name = role.to_owned();
        let add = AuthRoleAddRequest { name };
        let _: AuthRoleAddResponse = target.call("/etcdserverpb.Auth/RoleAdd", &add).await?;
        let grant = AuthUserGrantRoleRequest {
            user: user.to_owned(),
            role: role.to_owned(),
        };
        let _: AuthUserGrantRoleResponse = target
            .call("/etcdserverpb.Auth/UserGrantRole", &grant)
            .await?;
    }
    let grant = AuthRoleGrantPermissionRequest {
        name: USER.to_owned(),
        perm: Some(Permission {
            perm_type: Type::Readwrite.into(),
            key: PREFIX.into(),
            range_end: PREFIX_END.into(),
        }),
    };
    let _: AuthRoleGrantPermissionResponse = target
        .call("/etcdserverpb.Auth/RoleGrantPermission", &grant)
        .await?;
    let _: AuthEnableResponse = target
        .call("/etcdserverpb.Auth/AuthEnable", &AuthEnableRequest {})
        .await?;
    Ok(())
}

/// A token of the user.
async fn authenticate(target: &Target) -> Result<String> {
    let request = AuthenticateRequest {
        name: USER.to_owned(),
        password: PASSWORD.to_owned(),
    };
    let answer: AuthenticateResponse = target
        .call("/etcdserverpb.Auth/Authenticate", &request)
        .await?;
    Ok(answer.token)
}
